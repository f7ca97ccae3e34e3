"""Training of networks for the toy problem: all use the same images, the same augmentation and the same loop.

It needs torch (``pip install segharness-toycells[networks]``). The data sets and the segmenters do not.
"""

from segharness_toycells.training.command import main
from segharness_toycells.training.images import TrainingImages
from segharness_toycells.training.loop import Recipe, Task, train

__all__ = ["Recipe", "Task", "TrainingImages", "main", "train"]
