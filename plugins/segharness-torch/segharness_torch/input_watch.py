"""Measures what enters a network. Needs torch, not segharness; Python 3.8 or later."""

from __future__ import annotations

from typing import Any

import torch

PIL_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""The names of Pillow's filters by their numbers. All but nearest average when they shrink."""


class InputWatch:
    """Notes the size of the tensor that enters a part of a network.

    Args:
        part: the first part that gets the whole image, such as the backbone.
    """

    def __init__(self, part: Any) -> None:
        self._size: Any = None
        part.register_forward_pre_hook(uncompiled(self._note))

    def _note(self, part: Any, inputs: Any) -> None:
        tensor = next((value for value in inputs if torch.is_tensor(value) and value.ndim >= 3), None)
        if tensor is not None:
            self._size = (int(tensor.shape[-2]), int(tensor.shape[-1]))

    def take(self) -> Any:
        """Return the (height, width) of the last tensor; None if there was none since the last call."""
        size, self._size = self._size, None
        return size


def network_input(size: Any, content: Any, image: Any, interpolation: str) -> Any:
    """Return the four values of a `segharness.NetworkInput`; None if the size is not known.

    Args:
        size: (height, width) of the tensor that entered the network, or None.
        content: (height, width) of the image in it, at its upper left.
        image: (height, width) of the image itself.
        interpolation: how an image of another size is scaled.

    Example:
        >>> network_input((800, 1216), (800, 1199), (427, 640), "bilinear")
        (800, 1216, 'bilinear', (0, 0, 0, 17))
    """
    if size is None:
        return None
    (height, width), (rows, columns) = size, content
    how = "none" if tuple(content) == tuple(image[:2]) else interpolation
    return (int(height), int(width), how, (0, int(height - rows), 0, int(width - columns)))


def pil_interpolation(resample: Any) -> str:
    """Return the name of a Pillow filter, given by its number.

    Example:
        >>> pil_interpolation(2)
        'bilinear-antialiased'
    """
    name = PIL_FILTERS.get(int(resample), "unknown")
    return name if name in ("nearest", "unknown") else f"{name}-antialiased"


def uncompiled(function: Any) -> Any:
    """Return a function that torch.compile does not trace, if this torch can compile."""
    disable = getattr(getattr(torch, "compiler", None), "disable", None)
    return function if disable is None else disable(function)
