"""COCO-format instance data sets: a folder of images and an annotation file."""
