"""Masks on a device to COCO's run-length encoding: the device finds the runs, and only their lengths leave it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pycocotools import mask as rle

_PIXELS = 1 << 27
"""How many pixels are encoded together; each takes a few bytes on the device."""


def encode(masks: torch.Tensor) -> list[dict[str, Any]]:
    """Return the compressed RLEs of masks, equal to those of pycocotools to the bit.

    Args:
        masks: bool (N, H, W), on any device.

    Returns:
        N COCO RLEs, ``{"size": [H, W], "counts": bytes}``.

    Example:
        >>> encode(torch.ones(1, 2, 3, dtype=torch.bool))
        [{'size': [2, 3], 'counts': b'06'}]
    """
    if masks.device.type == "cpu":
        return [rle.encode(np.asfortranarray(mask.view(np.uint8))) for mask in masks.numpy()]
    return runs(masks)


def runs(masks: torch.Tensor) -> list[dict[str, Any]]:
    """Return the same RLEs, computed on the masks' device. On the CPU pycocotools is faster.

    Args:
        masks: bool (N, H, W), on any device.
    """
    count, height, width = masks.shape
    step = max(1, _PIXELS // max(1, height * width))
    rles: list[dict[str, Any]] = []
    for first in range(0, count, step):
        rles += _encode_chunk(masks[first : first + step], height, width)
    return rles


def _encode_chunk(masks: torch.Tensor, height: int, width: int) -> list[dict[str, Any]]:
    size = [height, width]
    if not height * width:
        return [{"size": size, "counts": b""} for _ in masks]
    flat = masks.transpose(1, 2).reshape(len(masks), height * width)  # COCO's runs go down the columns
    starts = torch.cat([flat[:, :1], flat[:, 1:] != flat[:, :-1]], dim=1).nonzero()  # sorted by mask, then by pixel
    owner, pixel = starts.cpu().numpy().T
    bounds = np.searchsorted(owner, np.arange(1, len(masks)))
    return [
        {
            "size": size,
            "counts": rle.frPyObjects(
                {"size": size, "counts": np.diff(pixels, prepend=0, append=height * width).tolist()}, height, width
            )["counts"],
        }
        for pixels in np.split(pixel, bounds)
    ]
