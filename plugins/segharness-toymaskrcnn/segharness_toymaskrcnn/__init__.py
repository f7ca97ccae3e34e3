"""A small Mask R-CNN for the toy problem, with batch norm and with group norm."""
