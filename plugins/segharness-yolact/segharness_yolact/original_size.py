"""Makes the authors' code take images at their own size. Needs torch; Python 3.8 or later.

Nothing else changes: an anchor keeps its size in pixels of what enters the network, and so does the grid of anchors.
"""

from __future__ import annotations

from typing import Any

import torch

from segharness_yolact.authors_code import AuthorsCode


class Unscaled:
    """Stands in for `Resize`, which the authors' transform asks for the size of an image if its ratio is to be kept."""

    @staticmethod
    def calc_size_preserve_ar(width: int, height: int, max_size: int) -> tuple[int, int]:
        """Return the size that an image has."""
        return width, height


def keep_sizes(code: AuthorsCode) -> None:
    """Let the authors' transform leave the size of images as it is."""
    code.augmentations.Resize, code.config.cfg.preserve_aspect_ratio = Unscaled, True


def patch_anchors(code: AuthorsCode, original: bool) -> None:
    """Let anchors be made on the CPU and moved; at images' own size, let them keep their size in pixels.

    The authors make anchors by a constructor that takes no other device, unless torch makes all tensors on it.

    Their anchors are relative to the input, with sides scale / max_size. At another size these would be scaled with the
    image; they are multiplied by max_size / width and max_size / height. `use_square_anchors` sets the relative height
    to the relative width, which is a square in a square input, and stays one.

    Args:
        code: of one model.
        original: whether images enter at their own size.
    """
    cfg, make = code.config.cfg, code.yolact.PredictionModule.make_priors

    def make_priors(layer: Any, rows: int, columns: int, device: Any) -> Any:
        anchors = make(layer, rows, columns, torch.device("cpu"))
        if original:
            anchors = anchors * torch.tensor([1.0, 1.0, *_anchor_factors(cfg)])
        return anchors.to(device)

    code.yolact.PredictionModule.make_priors = make_priors


def _anchor_factors(cfg: Any) -> tuple[float, float]:
    """Return what relative widths and heights of anchors are multiplied by, for the image of now."""
    width, height = cfg._tmp_img_w, cfg._tmp_img_h
    if cfg.backbone.use_pixel_scales:
        return cfg.max_size / width, cfg.max_size / height
    return 1.0, width / height if cfg.backbone.use_square_anchors else 1.0  # relative to a cell of the grid


def least_side(cfg: Any) -> int:
    """Return how many pixels an image must have each way, so that the network that rescores masks has an output.

    That network of YOLACT++ halves masks five times without padding. Masks have two pixels for each cell of the first
    grid, which is as fine as an eighth of the image.
    """
    if not cfg.use_maskiou:
        return 1
    need = 1
    for _, kernel, more in reversed(cfg.maskiou_net):
        need = (need - 1) * more.get("stride", 1) + kernel - 2 * more.get("padding", 0)
    return 8 * (-(-need // 2) - 1) + 1
