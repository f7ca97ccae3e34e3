"""AdaptIS as one module: backbone, foreground, point proposals, instance-selection head."""

from __future__ import annotations

from dataclasses import dataclass

from segharness_torch.temporary_seed import torch_seeded
from torch import Tensor, nn
from torch.nn import functional

from segharness_adaptis.head import HeadShape, InstanceHead
from segharness_adaptis.unet import UNet


@dataclass(frozen=True)
class Shape:
    """The widths of a network.

    Attributes:
        backbone: channels of the U-Net's five levels, the finest first.
        head: see `HeadShape`.
    """

    backbone: tuple[int, ...]
    head: HeadShape


TOY = Shape((24, 32, 64, 96, 128), HeadShape(controller=64, before=16, after=16, radius=42.0))
"""The shipped network."""

FULL = Shape((32, 64, 128, 256, 512), HeadShape(controller=128, before=32, after=16, radius=42.0))
"""The widths of the paper's authors, for training on a GPU."""

SHAPES = {"toy": TOY, "full": FULL}

_MEAN, _DEVIATION = 0.25, 0.25


class AdaptIS(nn.Module):
    """The network of the toy problem."""

    def __init__(self, shape: Shape = TOY) -> None:
        super().__init__()
        width = shape.backbone[0]
        self.backbone = UNet(shape.backbone)
        self.foreground = nn.Conv2d(width, 2, 1)
        self.proposals = nn.Sequential(nn.Conv2d(width, 16, 3, padding=1), nn.ReLU(True), nn.Conv2d(16, 1, 1))
        self.head = InstanceHead(width, shape.head)

    def features(self, images: Tensor) -> Tensor:
        """Return Q, the backbone's features (B, C, H, W), of RGB images in [0, 1] (B, 3, H, W).

        Images whose sides are not multiples of the backbone's are padded by repeating the border; the features are
        cropped.
        """
        height, width = images.shape[-2:]
        below, right = -height % self.backbone.multiple, -width % self.backbone.multiple
        if below or right:
            images = functional.pad(images, (0, right, 0, below), mode="replicate")
        features: Tensor = self.backbone((images - _MEAN) / _DEVIATION)
        return features[..., :height, :width]

    def foreground_logits(self, features: Tensor) -> Tensor:
        """Return the log-odds of foreground (B, H, W)."""
        scores = self.foreground(features)
        difference: Tensor = scores[:, 1] - scores[:, 0]
        return difference

    def proposal_logits(self, features: Tensor) -> Tensor:
        """Return log-odds of how good a mask each pixel would give (B, H, W); no gradient reaches the backbone."""
        logits: Tensor = self.proposals(features.detach())
        return logits[:, 0]

    def masks(self, features: Tensor, points: Tensor) -> Tensor:
        """Return the logits of the masks under points (B, P, 2), x and y in pixels: (B, P, H, W)."""
        logits: Tensor = self.head(features, self.head.prepare(features), points)
        return logits


def seeded(seed: int, shape: Shape = TOY) -> AdaptIS:
    """Return an untrained network, the same for the same seed. The global random state does not change."""
    with torch_seeded(seed):
        return AdaptIS(shape)
