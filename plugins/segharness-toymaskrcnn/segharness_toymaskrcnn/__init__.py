"""A small Mask R-CNN for the toy problem, in batch norm and in group norm."""
