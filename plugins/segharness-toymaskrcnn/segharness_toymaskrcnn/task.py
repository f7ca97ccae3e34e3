"""What Mask R-CNN learns: its own losses, on the toy problem's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from segharness_torch.seeding import torch_seeded
from segharness_toycells.boxes import boxes_of
from segharness_toycells.scene import Scene
from segharness_toycells.training import Recipe
from torch import Tensor

from segharness_toymaskrcnn.model import ToyMaskRCNNModel
from segharness_toymaskrcnn.network import NORMS, ToyMaskRCNN, seeded


class ToyTask:
    """Boxes and masks of the visible parts.

    torchvision draws which anchors and regions count from torch's own generator: it is seeded anew from the step's.
    """

    def __init__(self, norm: str) -> None:
        self.name = f"toymaskrcnn-{norm}"
        self._norm = norm

    def network(self, seed: int) -> ToyMaskRCNN:
        return seeded(self._norm, seed)

    def loss(self, network: ToyMaskRCNN, scenes: Sequence[Scene], rng: np.random.Generator) -> Mapping[str, Tensor]:
        device = next(network.parameters()).device
        images = [torch.from_numpy(scene.pixels).to(device).permute(2, 0, 1).float() / 255 for scene in scenes]
        targets = [{key: value.to(device) for key, value in _targets(scene).items()} for scene in scenes]
        with torch_seeded(int(rng.integers(1 << 62)), device):
            losses: Mapping[str, Tensor] = network(images, targets)
        return losses

    def model(self, network: ToyMaskRCNN) -> ToyMaskRCNNModel:
        return ToyMaskRCNNModel(network, device=str(next(network.parameters()).device))


_RECIPE = Recipe(steps=3200, batch=4, learning_rate=2e-3, validate_every=400, validation_images=32)
TASKS = {norm: (ToyTask(norm), _RECIPE) for norm in NORMS}
"""What can be trained, each with the recipe of its shipped weights."""


def _targets(scene: Scene) -> dict[str, Tensor]:
    return {
        "boxes": torch.from_numpy(boxes_of(scene.masks)),
        "labels": torch.ones(len(scene.masks), dtype=torch.int64),
        "masks": torch.from_numpy(scene.masks.astype(np.uint8)),
    }
