"""The 19 corruptions of ImageNet-C as the detection literature uses them, each a function (image, severity, rng)."""
