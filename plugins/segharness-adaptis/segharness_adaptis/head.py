"""The instance-selection head: it takes a point and returns the mask of the object under it.

The controller turns the features at the point into the scales and biases of an AdaIN layer. Relative CoordConv tells
the head where the point is. (AdaptIS, arXiv:1909.07829, sections 3.1 and 3.2)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


def features_at(features: Tensor, points: Tensor) -> Tensor:
    """Return the features at points by bilinear interpolation; outside the map, those of its border.

    Args:
        features: (B, C, H, W).
        points: (B, P, 2), x and y in pixels; the centre of the first pixel is (0.5, 0.5).

    Returns:
        (B, P, C).
    """
    height, width = features.shape[-2:]
    size = torch.tensor([width, height], dtype=points.dtype, device=points.device)
    grid = points / size * 2 - 1
    sampled = functional.grid_sample(features, grid[:, :, None], padding_mode="border", align_corners=False)
    return sampled[..., 0].transpose(1, 2)


def relative_coordinates(points: Tensor, height: int, width: int, radius: float) -> Tensor:
    """Return the maps of relative CoordConv: x and y offsets of each pixel's centre from the point.

    Args:
        points: (N, 2), x and y in pixels.
        height, width: size of the maps, pixels.
        radius: R in pixels; offsets are divided by it and clamped to +-1.

    Returns:
        (N, 2, height, width).
    """
    x = torch.arange(width, dtype=points.dtype, device=points.device) + 0.5 - points[:, 0, None]
    y = torch.arange(height, dtype=points.dtype, device=points.device) + 0.5 - points[:, 1, None]
    x, y = (x / radius).clamp(-1, 1), (y / radius).clamp(-1, 1)
    return torch.stack([x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=1)


def adain(features: Tensor, scale: Tensor, bias: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Return the features normalised to mean 0 and variance 1 over each map, times `scale`, plus `bias`.

    (Huang and Belongie, 2017)

    Args:
        features: (N, C, H, W).
        scale, bias: (N, C).
        epsilon: added to the variance.
    """
    normal = functional.instance_norm(features, eps=epsilon)
    return normal * scale[..., None, None] + bias[..., None, None]


@dataclass(frozen=True)
class HeadShape:
    """Widths and constants of the head.

    Attributes:
        controller: channels of each of the controller's three layers.
        before, after: channels of the three layers before AdaIN, and of the layer after it.
        radius: R of relative CoordConv, pixels.
    """

    controller: int
    before: int
    after: int
    radius: float


class Controller(nn.Module):
    """Three fully connected layers (ReLU, batch norm), then AdaIN's scales and biases. Initial scales are around 1."""

    def __init__(self, inputs: int, width: int, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels_in in (inputs, width, width):
            layers += [nn.Linear(channels_in, width), nn.ReLU(True), nn.BatchNorm1d(width)]
        self.hidden = nn.Sequential(*layers)
        self.scale, self.bias = nn.Linear(width, channels), nn.Linear(width, channels)
        nn.init.ones_(self.scale.bias)
        nn.init.zeros_(self.bias.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return scales and biases (N, channels) of features (N, inputs)."""
        hidden = self.hidden(features)
        return self.scale(hidden), self.bias(hidden)


class InstanceHead(nn.Module):
    """The network from features and points to masks, one mask a point.

    The first convolution takes the features and the two coordinate maps. It is linear, so its part over the features is
    computed once per image and its part over the maps once per point. Their sum equals the convolution of both together.
    """

    def __init__(self, inputs: int, shape: HeadShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.before
        self.controller = Controller(inputs, shape.controller, width)
        self.features = nn.Conv2d(inputs, width, 3, padding=1)
        self.coordinates = nn.Conv2d(2, width, 3, padding=1, bias=False)
        self.first = _activation(width)
        self.before = nn.Sequential(*_layer(width, width), *_layer(width, width))
        self.after = nn.Sequential(*_layer(width, shape.after), nn.Conv2d(shape.after, 1, 1))

    def prepare(self, features: Tensor) -> Tensor:
        """Return the part of the first convolution that all points of an image share, (B, before, H, W)."""
        shared: Tensor = self.features(features)
        return shared

    def forward(self, features: Tensor, shared: Tensor, points: Tensor) -> Tensor:
        """Return the logits of the masks under the points.

        Args:
            features: (B, C, H, W), from the backbone.
            shared: the result of `prepare` for them.
            points: (B, P, 2), x and y in pixels.

        Returns:
            (B, P, H, W).
        """
        images, count = points.shape[:2]
        height, width = features.shape[-2:]
        scale, bias = self.controller(features_at(features, points).flatten(0, 1))
        maps = relative_coordinates(points.flatten(0, 1), height, width, self.shape.radius)
        x = self.coordinates(maps).unflatten(0, (images, count)) + shared[:, None]
        x = self.before(self.first(x.flatten(0, 1)))
        x = self.after(adain(x, scale, bias))
        logits: Tensor = 0.2 * x - 1.7
        return logits.view(images, count, height, width)


def _activation(width: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(True), nn.BatchNorm2d(width))


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), *_activation(outputs)]
