"""The deformable convolution of YOLACT++, which the authors' own extension computes on CUDA devices only.

Needs torch and torchvision, not segharness; Python 3.8 or later.
"""

from __future__ import annotations

from typing import Any

import torch
from torchvision.ops import deform_conv2d


class DCN(torch.nn.Module):
    """A modulated deformable convolution that predicts its own offsets and mask (arXiv 1811.11168, equation 1).

    It stands in for the class of this name in the module ``dcn_v2``: parameters, weights' names and the order in which
    initial weights are drawn are the same. ``conv_offset_mask`` gives 3 * groups * taps channels: twice groups * taps
    offsets, where channels 2k and 2k + 1 of a group are how far tap k is moved down and to the right, then what a
    sigmoid makes the mask of. A tap that is moved out of the image by a pixel or more reads zero.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: height and width of the kernel, as one number or two.
        stride: likewise.
        padding: likewise.
        dilation: likewise. The convolution that predicts offsets is not dilated.
        deformable_groups: how many groups of channels have offsets of their own.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any = 1,
        deformable_groups: int = 1,
    ) -> None:
        super().__init__()
        height, width = _pair(kernel_size)
        self.stride, self.padding, self.dilation = _pair(stride), _pair(padding), _pair(dilation)
        self.weight = torch.nn.Parameter(torch.empty(out_channels, in_channels, height, width))
        self.bias = torch.nn.Parameter(torch.zeros(out_channels))
        bound = (in_channels * height * width) ** -0.5
        torch.nn.init.uniform_(self.weight, -bound, bound)
        self.conv_offset_mask = torch.nn.Conv2d(
            in_channels, 3 * deformable_groups * height * width, (height, width), self.stride, self.padding
        )
        for parameter in self.conv_offset_mask.parameters():
            torch.nn.init.zeros_(parameter)

    def forward(self, features: Any) -> Any:
        """Return the convolution of features (N, C, H, W)."""
        predicted = self.conv_offset_mask(features).float()
        taps = predicted.shape[1] // 3
        offsets, mask = predicted[:, : 2 * taps], predicted[:, 2 * taps :].sigmoid()
        arguments = (self.weight, self.bias, self.stride, self.padding, self.dilation, mask)
        return deform_conv2d(features.float(), offsets, *arguments)  # CPUs have it for no lower precision


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)
