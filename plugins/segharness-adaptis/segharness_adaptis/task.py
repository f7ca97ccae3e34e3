"""The training task of AdaptIS: masks under points, foreground, and the quality of points."""

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
    """The task as a `segharness_toycells.training.Task`.

    The loss has three parts: the normalized focal loss of the masks, the focal loss of the foreground (weight .75), and
    the cross entropy of the point proposals. The target of a proposal is the IoU of the mask that the network returns
    for the point.

    Args:
        shape: a name in `SHAPES`.
        points: how many points an image; each lies in the visible part of a random object.
    """

    def __init__(self, shape: str = "toy", points: int = 6) -> None:
        self.name = f"adaptis-{shape}"
        self._shape, self._points = SHAPES[shape], points

    def network(self, seed: int) -> AdaptIS:
        """Return the untrained network of a seed."""
        return seeded(seed, self._shape)

    def loss(self, network: AdaptIS, scenes: Sequence[Scene], rng: np.random.Generator) -> Mapping[str, Tensor]:
        """Return the three losses of a batch, by name."""
        device = network.foreground.weight.device
        pixels = torch.from_numpy(np.stack([scene.pixels for scene in scenes])).to(device)
        foreground = torch.from_numpy(np.stack([scene.masks.any(axis=0) for scene in scenes])).to(device)
        points, masks = (values.to(device) for values in _sampled(scenes, self._points, rng))
        images = pixels.permute(0, 3, 1, 2).float() / 255
        features = network.features(images)
        logits = network.masks(features, points)
        quality = _iou(logits.detach() > 0, masks)
        proposed = network.proposal_logits(features)[_pixel_indices(points)]
        return {
            "masks": normalized_focal(logits.flatten(0, 1), masks.flatten(0, 1)).mean(),
            "foreground": _FOREGROUND_WEIGHT * focal(network.foreground_logits(features), foreground),
            "proposals": functional.binary_cross_entropy_with_logits(proposed, quality),
        }

    def model(self, network: AdaptIS) -> AdaptISModel:
        """Return the network as a model that takes its points from the proposals, for validation."""
        return AdaptISModel(network, points="proposals", device=str(network.foreground.weight.device))


TASKS = {
    "toy": (ToyTask("toy"), Recipe(steps=4400, batch=8, learning_rate=2e-3, validate_every=400, validation_images=32)),
    "full": (ToyTask("full", points=12), Recipe(steps=100_000, batch=14, learning_rate=5e-4, weight_decay=0.0)),
}
"""The tasks and recipes of the shipped network and of the paper's (140 epochs of 10000 images in batches of 14)."""


def _sampled(scenes: Sequence[Scene], count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return random points (B, P, 2), x and y in pixels, and the masks that they lie in, bool (B, P, H, W)."""
    points, masks = [], []
    for scene in scenes:
        for index in rng.integers(0, len(scene.masks), count):
            rows, columns = np.nonzero(scene.masks[index])
            pixel = rng.integers(len(rows))
            points.append((columns[pixel] + 0.5, rows[pixel] + 0.5))
            masks.append(scene.masks[index])
    shape = (len(scenes), count)
    return (
        torch.tensor(points, dtype=torch.float32).view(*shape, 2),
        torch.from_numpy(np.stack(masks)).view(*shape, *masks[0].shape),
    )


def _iou(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return the IoU of masks, float32 (B, P)."""
    shared, either = (predicted & truth).sum((2, 3)), (predicted | truth).sum((2, 3))
    return shared / either.clamp_min(1)


def _pixel_indices(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the index of each point's pixel in maps (B, H, W)."""
    image = torch.arange(points.shape[0], device=points.device)[:, None].expand(points.shape[:2])
    return image, points[..., 1].long(), points[..., 0].long()
