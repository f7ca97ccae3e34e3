"""Cityscapes: images and instance maps as they are shipped, unpacked or zipped."""
