"""``toymaskrcnn/bn`` and ``toymaskrcnn/gn``: the models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from segharness import Instances
from segharness_torch.threads import torch_threads
from segharness_torch.weights import load_weights
from segharness_toycells.enlarged import enlarged, shrunk
from segharness_toycells.options import SHRINK

from segharness_toymaskrcnn.network import ToyMaskRCNN, seeded

Image = npt.NDArray[np.uint8]


def batch_norm(weights: str, shrink: int = 1, device: str = "cpu") -> ToyMaskRCNNModel:
    """Return the model in batch norm on a weights file.

    Raises:
        UsageError: an option is wrong, or the weights are damaged or another network's.
    """
    return _model("bn", weights, shrink, device)


def group_norm(weights: str, shrink: int = 1, device: str = "cpu") -> ToyMaskRCNNModel:
    """Return the model in group norm on a weights file.

    Raises:
        UsageError: an option is wrong, or the weights are damaged or another network's.
    """
    return _model("gn", weights, shrink, device)


def _model(norm: str, weights: str, shrink: int, device: str) -> ToyMaskRCNNModel:
    network = seeded(norm, 0)
    load_weights(network, Path(weights))
    return ToyMaskRCNNModel(network, shrink, device)


class ToyMaskRCNNModel:
    """A trained network as a `segharness.Model`.

    Args:
        network: in any mode; it is put into evaluation mode.
        shrink: so many pixels of an image, along a side, are one of the network's images: 4 for images enlarged 4 times.
            It enlarges them again itself, smoothly.
        device: the network's.
    """

    categories: Sequence[str] = ("cell",)

    def __init__(self, network: ToyMaskRCNN, shrink: int = 1, device: str = "cpu") -> None:
        self._network, self._device = network.to(device).eval(), device
        self._shrink = SHRINK.checked("shrink", shrink)

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return the instances of uint8 RGB images (H, W, 3)."""
        return [self._predict(image) for image in images]

    def _predict(self, image: Image) -> Instances:
        pixels = torch.from_numpy(np.array(shrunk(image, self._shrink))).to(self._device).permute(2, 0, 1).float() / 255
        with torch.inference_mode(), torch_threads(1):
            [found] = self._network([pixels])
        masks = enlarged((found["masks"][:, 0] >= 0.5).cpu().numpy(), self._shrink, (1, 2))
        boxes = found["boxes"].cpu().numpy() * np.float32(self._shrink)
        return Instances(boxes, found["scores"].cpu().numpy(), np.zeros(len(masks), dtype=np.int64), masks)
