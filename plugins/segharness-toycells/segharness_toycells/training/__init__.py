"""What networks of the toy problem are trained with: the same images, the same augmentation, the same loop.

Needs torch (``pip install segharness-toycells[networks]``); the data set and the segmenters beside it do not.
"""

from segharness_toycells.training.command import main
from segharness_toycells.training.images import TrainingImages
from segharness_toycells.training.loop import Recipe, Task, train

__all__ = ["Recipe", "Task", "TrainingImages", "main", "train"]
