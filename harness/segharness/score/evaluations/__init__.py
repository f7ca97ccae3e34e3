"""The built-in evaluations, a module each (coco, cityscapes, lvis, panoptic, prompted, speed), and shared modules."""
