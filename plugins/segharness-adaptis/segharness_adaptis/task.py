"""What AdaptIS learns: masks under points, foreground, and which points are good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from segharness_toycells.scene import Scene
from segharness_toycells.training import Recipe
from torch import Tensor
from torch.nn import functional

from segharness_adaptis.loss import focal, normalized_focal
from segharness_adaptis.model import AdaptISModel
from segharness_adaptis.network import SHAPES, AdaptIS, seeded

_FOREGROUND_WEIGHT = 0.75


class ToyTask:
    """A network of a shape of `SHAPES`; `points` points an image, each in the visible part of a random object.

    The loss has three parts: the normalized focal loss of the masks, the focal loss of the foreground (weight .75), and the
    cross entropy of the point proposals, whose target at a point is the IoU of the mask that the network makes of it.
    """

    def __init__(self, shape: str = "toy", points: int = 6) -> None:
        self.name = f"adaptis-{shape}"
        self._shape, self._points = SHAPES[shape], points

    def network(self, seed: int) -> AdaptIS:
        return seeded(seed, self._shape)

    def loss(self, network: AdaptIS, scenes: Sequence[Scene], rng: np.random.Generator) -> Mapping[str, Tensor]:
        device = network.foreground.weight.device
        pixels = torch.from_numpy(np.stack([scene.pixels for scene in scenes])).to(device)
        foreground = torch.from_numpy(np.stack([scene.masks.any(axis=0) for scene in scenes])).to(device)
        points, masks = (values.to(device) for values in _sampled(scenes, self._points, rng))
        images = pixels.permute(0, 3, 1, 2).float() / 255
        features = network.features(images)
        logits = network.masks(features, points)
        quality = _iou(logits.detach() > 0, masks)
        proposed = network.proposal_logits(features)[_places(points)]
        return {
            "masks": normalized_focal(logits.flatten(0, 1), masks.flatten(0, 1)).mean(),
            "foreground": _FOREGROUND_WEIGHT * focal(network.foreground_logits(features), foreground),
            "proposals": functional.binary_cross_entropy_with_logits(proposed, quality),
        }

    def model(self, network: AdaptIS) -> AdaptISModel:
        return AdaptISModel(network, points="proposals", device=str(network.foreground.weight.device))


TASKS = {
    "toy": (ToyTask("toy"), Recipe(steps=4400, batch=8, learning_rate=2e-3, validate_every=400, validation_images=32)),
    "full": (ToyTask("full", points=12), Recipe(steps=100_000, batch=14, learning_rate=5e-4, weight_decay=0.0)),
}
"""What can be trained: the shipped network, and the paper's own (140 epochs of 10000 images in batches of 14)."""


def _sampled(scenes: Sequence[Scene], count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return points (B, P, 2), x and y in pixels, and the masks they lie in, bool (B, P, H, W)."""
    points, masks = [], []
    for scene in scenes:
        for number in rng.integers(0, len(scene.masks), count):
            rows, columns = np.nonzero(scene.masks[number])
            one = rng.integers(len(rows))
            points.append((columns[one] + 0.5, rows[one] + 0.5))
            masks.append(scene.masks[number])
    shape = (len(scenes), count)
    return (
        torch.tensor(points, dtype=torch.float32).view(*shape, 2),
        torch.from_numpy(np.stack(masks)).view(*shape, *masks[0].shape),
    )


def _iou(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the IoU of masks, float32 (B, P)."""
    shared, either = (found & wanted).sum((2, 3)), (found | wanted).sum((2, 3))
    return shared / either.clamp_min(1)


def _places(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the index of each point's pixel in maps (B, H, W)."""
    image = torch.arange(points.shape[0], device=points.device)[:, None].expand(points.shape[:2])
    return image, points[..., 1].long(), points[..., 0].long()
