"""The deformable convolution of YOLACT++ against its definition, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segharness_yolact.deformable import DCN


def read(plane, y, x):
    """Return a bilinear sample of a plane; beyond the border are zeros."""
    total = 0.0
    top, left = int(np.floor(y)), int(np.floor(x))
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                total += plane[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def convolve(image, weight, bias, predicted, stride, padding, dilation, groups):
    """Return the sum over channels and taps, tap by tap; image (C, H, W), predicted (3 * groups * taps, H', W')."""
    outputs, channels, height, width = weight.shape
    taps = height * width
    offsets = predicted[: 2 * groups * taps].reshape(groups, taps, 2, *predicted.shape[1:])
    mask = 1 / (1 + np.exp(-predicted[2 * groups * taps :])).reshape(groups, taps, *predicted.shape[1:])
    result = np.zeros((outputs, *predicted.shape[1:]))
    for row, column in np.ndindex(*predicted.shape[1:]):
        for channel in range(channels):
            group = channel // (channels // groups)
            for tap in range(taps):
                down, right = offsets[group, tap, :, row, column]
                y = row * stride - padding + (tap // width) * dilation + down
                x = column * stride - padding + (tap % width) * dilation + right
                value = read(image[channel], y, x) * mask[group, tap, row, column]
                result[:, row, column] += weight[:, channel, tap // width, tap % width] * value
    return result + bias[:, None, None]


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 1, 1, 1), (2, 1, 1, 1), (1, 1, 1, 2), (1, 0, 1, 4)]
)
def test_it_is_the_sum_over_moved_and_masked_taps(stride, padding, dilation, groups):
    torch.manual_seed(stride + groups)
    layer = DCN(4, 3, kernel_size=3, stride=stride, padding=padding, dilation=dilation, deformable_groups=groups)
    torch.nn.init.normal_(layer.conv_offset_mask.weight, 0, 0.4)
    torch.nn.init.uniform_(layer.conv_offset_mask.bias, -4, 4)  # some taps leave the image, some by less than a pixel
    torch.nn.init.normal_(layer.bias)
    images = torch.randn(2, 4, 7, 6)
    with torch.no_grad():
        predicted, found = layer.conv_offset_mask(images).double().numpy(), layer(images).numpy()
    for i, image in enumerate(images.double().numpy()):
        weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        wanted = convolve(image, weight, bias, predicted[i], stride, padding, dilation, groups)
        assert np.allclose(found[i], wanted, atol=1e-5), abs(found[i] - wanted).max()
        assert wanted.std() > 0.1


def test_a_new_layer_is_a_convolution_of_half_the_strength_and_its_weights_have_the_authors_names():
    layer = DCN(4, 3, kernel_size=3, stride=1, padding=1, dilation=1, deformable_groups=1)
    assert {*layer.state_dict()} == {"weight", "bias", "conv_offset_mask.weight", "conv_offset_mask.bias"}
    assert layer.conv_offset_mask.weight.shape == (27, 4, 3, 3)
    images = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        plain = torch.nn.functional.conv2d(images, layer.weight / 2, padding=1)
        assert torch.allclose(layer(images), plain, atol=1e-6)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.allclose(layer(images.bfloat16()).float(), plain, atol=0.05)
