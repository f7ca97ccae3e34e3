"""Data sets in COCO's formats, with instances or panoptic segments, and result files of other programs as models."""
