"""The backbone: a U-Net that keeps the image's resolution."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class UNet(nn.Module):
    """A network that computes features of every pixel from several levels of resolution.

    Each level is two 3x3 convolutions with batch norm and ReLU. A step down halves the side by max pooling. A step up
    doubles it (bilinear) and concatenates the features that the way down had at this level. (Ronneberger et al., 2015)

    Args:
        widths: channels of each level, the finest first; the output has `widths[0]`.

    Attributes:
        multiple: both sides of an image must be multiples of this.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _level(channels, deeper) for channels, deeper in zip([3, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(_level(channels + deeper, channels) for channels, deeper in itertools.pairwise(widths))
        self.multiple = 1 << (len(widths) - 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (B, widths[0], H, W) of images (B, 3, H, W)."""
        passed: list[Tensor] = []
        x = images
        for index, level in enumerate(self.down):
            x = level(functional.max_pool2d(x, 2) if index else x)
            passed.append(x)
        for level, beside in zip(reversed(self.up), reversed(passed[:-1]), strict=True):
            x = functional.interpolate(x, size=beside.shape[-2:], mode="bilinear", align_corners=False)
            x = level(torch.cat([beside, x], dim=1))
        return x


def _level(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)]
    return nn.Sequential(*layers)
