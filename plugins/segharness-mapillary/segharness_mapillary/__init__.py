"""Mapillary Vistas: images and panoptic annotations as they are shipped, unpacked or zipped, at any size."""
