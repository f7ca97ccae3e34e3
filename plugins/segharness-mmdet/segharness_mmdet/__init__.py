"""mmdet's detectors and instance segmenters, as models of segharness."""
