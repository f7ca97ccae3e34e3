"""The training task of Mask R-CNN: torchvision's losses on the toy problem's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from segharness_torch.temporary_seed import torch_seeded
from segharness_toycells.boxes import boxes_of
from segharness_toycells.scene import Scene
from segharness_toycells.training import Recipe
from torch import Tensor

from segharness_toymaskrcnn.model import ToyMaskRCNNModel
from segharness_toymaskrcnn.network import NORMS, ToyMaskRCNN, seeded


class ToyTask:
    """The task as a `segharness_toycells.training.Task`: boxes and masks of the visible parts.

    torchvision samples anchors and regions with torch's own generator, which every step seeds from its `rng`.

    Args:
        norm: a key of `NORMS`.
    """

    def __init__(self, norm: str) -> None:
        self.name = f"toymaskrcnn-{norm}"
        self._norm = norm

    def network(self, seed: int) -> ToyMaskRCNN:
        """Return the untrained network of a seed."""
        return seeded(self._norm, seed)

    def loss(self, network: ToyMaskRCNN, scenes: Sequence[Scene], rng: np.random.Generator) -> Mapping[str, Tensor]:
        """Return torchvision's losses of a batch, by name."""
        device = next(network.parameters()).device
        images = [torch.from_numpy(scene.pixels).to(device).permute(2, 0, 1).float() / 255 for scene in scenes]
        targets = [{key: value.to(device) for key, value in _targets(scene).items()} for scene in scenes]
        with torch_seeded(int(rng.integers(1 << 62)), device):
            losses: Mapping[str, Tensor] = network(images, targets)
        return losses

    def model(self, network: ToyMaskRCNN) -> ToyMaskRCNNModel:
        """Return the network as a model, for validation."""
        return ToyMaskRCNNModel(network, device=str(next(network.parameters()).device))


_RECIPE = Recipe(steps=3200, batch=4, learning_rate=2e-3, validate_every=400, validation_images=32)
TASKS = {norm: (ToyTask(norm), _RECIPE) for norm in NORMS}
"""The tasks by name, each with the recipe of its shipped weights."""


def _targets(scene: Scene) -> dict[str, Tensor]:
    return {
        "boxes": torch.from_numpy(boxes_of(scene.masks)),
        "labels": torch.ones(len(scene.masks), dtype=torch.int64),
        "masks": torch.from_numpy(scene.masks.astype(np.uint8)),
    }
