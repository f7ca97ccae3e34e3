"""Where the pixels of an image lie in what a network is given, and what that makes of its boxes. Needs numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

_STRIDE = 128
"""Model Garden pads what it scaled to multiples of 2 ** max_level, which is 128 at most."""


class Frame:
    """An image, the array that a signature was given of it, and how the graph scaled that.

    Args:
        image: the (height, width) of the image.
        array: the (height, width) of the array given to the signature.
        content: the (height, width) of the image in that array, at its upper left.
        info: float32 (4, 2), Model Garden's ``image_info``: the array's size, the size that it was scaled to fit,
            the scales and the offset, each y before x; None if the model does not give it.

    Raises:
        ValueError: `info` is of another array, not finite, or says that part of the image was cut off.
    """

    def __init__(self, image: Any, array: Any, content: Any, info: Any = None) -> None:
        self.image, self.array, self.content, self.info = tuple(image), tuple(array), tuple(content), info
        if info is None:
            return
        if not np.isfinite(info).all() or (info[1:3] <= 0).any():
            raise ValueError(f"image_info is {info.tolist()}, not sizes and scales")
        if tuple(info[0]) != self.array:
            raise ValueError(f"image_info says that the image is {info[0].tolist()}, but it is {list(self.array)}")
        if info[3].any():
            raise ValueError(
                f"image_info says that the image was cut at {info[3].tolist()}, which is for training only"
            )

    def pixels(self, boxes: Any, unit: str) -> Any:
        """Return boxes (N, 4), y1 x1 y2 x2 in a unit of `units.UNITS`, in pixels of the image; float32.

        Raises:
            ValueError: the unit needs `info`.
        """
        boxes = np.asarray(boxes, dtype=np.float32)
        if unit.startswith("network") and self.info is None:
            raise ValueError(f"`boxes: {unit}` needs the output image_info, which this model does not give")
        if unit == "network_normalised":
            boxes = boxes * _twice(self.info[1])
        if unit.startswith("network"):
            boxes = boxes / _twice(self.info[2])
        if unit == "normalised":
            boxes = boxes * _twice(self.array)
        if self.content != self.image:
            boxes = boxes * _twice(np.array(self.image, np.float64) / np.array(self.content, np.float64))
        return boxes

    def fractions(self, boxes: Any, unit: str) -> Any:
        """Return boxes like `pixels`, but as fractions of the image's sides."""
        if unit == "normalised" and self.array == self.image:
            return np.asarray(boxes, dtype=np.float32)
        return self.pixels(boxes, unit) / _twice(self.image)

    def check_unscaled(self, fixed: bool) -> None:
        """Raise ValueError unless the image is known to enter the network at its own size; padding is no matter.

        Args:
            fixed: whether the array was made for a signature that takes one size only.
        """
        height, width = self.image
        advice = f"`resolution: original` needs a SavedModel that was exported for images of {height}x{width}"
        if self.info is None and not fixed:
            raise ValueError(f"{advice}; this one does not say what its network is given")
        scale = np.ones(2) if self.info is None else self.info[2]
        rows, columns = (round(float(side)) for side in np.array(self.content, np.float32) * scale)
        if (rows, columns) != self.image:
            raise ValueError(f"{advice}; this one scales them to {rows}x{columns}")

    def network_input(self, scaled: bool) -> Any:
        """Return the four values of a `segharness.NetworkInput`; None if they are not known.

        Args:
            scaled: whether the array was made for a signature that takes one size only.
        """
        if self.info is None:
            if not scaled:
                return None
            (height, width), (rows, columns) = self.array, self.content
        else:
            (height, width), scale = (int(side) for side in self.info[1]), self.info[2]
            if height % _STRIDE or width % _STRIDE:  # it may have been padded further
                return None
            rows, columns = (round(float(side)) for side in np.array(self.content, np.float32) * scale)
            if rows > height or columns > width:
                return None
        how = "none" if (rows, columns) == self.image else "bilinear"
        return (height, width, how, (0, height - rows, 0, width - columns))


def _twice(sides: Any) -> Any:
    return np.tile(np.asarray(sides, dtype=np.float32), 2)
