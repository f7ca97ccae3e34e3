"""The network: torchvision's Mask R-CNN over a small residual backbone with a feature pyramid."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
from segharness_torch.temporary_seed import torch_seeded
from segharness_toycells.scene import SIZE
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

ENLARGED = 4
"""How many times images are enlarged, as in the paper's Mask R-CNN: from 96 to 384 pixels."""

NORMS: dict[str, Callable[[int], nn.Module]] = {"bn": nn.BatchNorm2d, "gn": partial(nn.GroupNorm, 8)}

_WIDTHS = (24, 48, 96)
_PYRAMID = 32
_HIDDEN = 128


class Backbone(nn.Module):
    """Features at strides 4, 8 and 16 of the enlarged image.

    The stem is a 4x4 convolution of stride 4, because enlarged images have no finer detail. Each stage is two residual
    blocks of two 3x3 convolutions. (He et al., 2016; Lin et al., 2017)
    """

    out_channels = _PYRAMID

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, _WIDTHS[0], 4, stride=4, bias=False), norm(_WIDTHS[0]), nn.ReLU(True))
        widths = (_WIDTHS[0], *_WIDTHS)
        self.stages = nn.ModuleList(
            nn.Sequential(Block(inputs, outputs, 1 if index == 0 else 2, norm), Block(outputs, outputs, 1, norm))
            for index, (inputs, outputs) in enumerate(zip(widths, _WIDTHS, strict=False))
        )
        self.pyramid = FeaturePyramidNetwork(list(_WIDTHS), _PYRAMID, norm_layer=norm)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the pyramid's maps, finest first, of images (B, 3, H, W)."""
        x = self.stem(images)
        stage_maps: OrderedDict[str, Tensor] = OrderedDict()
        for index, stage in enumerate(self.stages):
            x = stage(x)
            stage_maps[str(index)] = x
        maps: dict[str, Tensor] = self.pyramid(stage_maps)
        return maps


class Block(nn.Module):
    """A residual block: two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), norm(outputs), nn.ReLU(True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), norm(outputs),
        )  # fmt: skip
        self.shortcut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output (B, outputs, H', W') of a map (B, inputs, H, W)."""
        return torch.relu(self.body(x) + self.shortcut(x))


class Enlarged(GeneralizedRCNNTransform):
    """torchvision's resizing transform, which here enlarges every image by a whole factor.

    Args:
        times: the factor; 1 leaves images as they are.
    """

    def __init__(self, times: int = ENLARGED) -> None:
        super().__init__(SIZE * times, SIZE * times, [0.25] * 3, [0.25] * 3)
        self.times = times

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Return the enlarged image (C, H, W) and its target."""
        if self.times == 1:
            return image, target
        height, width = image.shape[-2:]
        self.min_size, self.max_size = (self.times * min(height, width),), self.times * max(height, width)
        resized: tuple[Tensor, dict[str, Tensor] | None] = super().resize(image, target)
        return resized


class ToyMaskRCNN(MaskRCNN):
    """torchvision's Mask R-CNN with one category, small heads, and the same norm in all parts (a key of `NORMS`)."""

    def __init__(self, norm: str) -> None:
        layer = NORMS[norm]
        names = [str(index) for index in range(len(_WIDTHS))]
        pool = partial(MultiScaleRoIAlign, featmap_names=names, sampling_ratio=2)
        super().__init__(
            Backbone(layer),
            rpn_anchor_generator=AnchorGenerator(((32,), (64,), (128,)), ((0.4, 1.0, 2.5),) * 3),
            rpn_pre_nms_top_n_train=600,
            rpn_pre_nms_top_n_test=300,
            rpn_post_nms_top_n_train=200,
            rpn_post_nms_top_n_test=150,
            box_roi_pool=pool(output_size=7),
            box_head=TwoMLPHead(_PYRAMID * 49, _HIDDEN),
            box_predictor=FastRCNNPredictor(_HIDDEN, 2),
            box_batch_size_per_image=64,
            mask_roi_pool=pool(output_size=14),
            mask_head=MaskRCNNHeads(_PYRAMID, [_PYRAMID] * 4, 1, norm_layer=layer),
            mask_predictor=MaskRCNNPredictor(_PYRAMID, _PYRAMID, 2),
        )
        self.transform = Enlarged()


def seeded(norm: str, seed: int) -> ToyMaskRCNN:
    """Return an untrained network, the same for the same seed. The global random state does not change."""
    with torch_seeded(seed):
        return ToyMaskRCNN(norm)
