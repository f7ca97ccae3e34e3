"""The evaluations of the engine, one module each: coco, cityscapes, lvis, panoptic, prompted, speed; and what they share."""
