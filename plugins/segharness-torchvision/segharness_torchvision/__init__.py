"""torchvision's Mask R-CNN and detectors, as models of segharness."""
