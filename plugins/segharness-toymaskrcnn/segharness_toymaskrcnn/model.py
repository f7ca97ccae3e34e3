"""The models ``toymaskrcnn/bn`` and ``toymaskrcnn/gn``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from segharness import Instances, NetworkInput
from segharness_torch.input_watch import InputWatch
from segharness_torch.threads import torch_threads
from segharness_torch.weights import load_weights
from segharness_toycells.options import SHRINK
from segharness_toycells.scaling import enlarged, shrunk

from segharness_toymaskrcnn.network import Enlarged, ToyMaskRCNN, seeded

Image = npt.NDArray[np.uint8]


def batch_norm(weights: str, shrink: int = 1, resolution: str = "model", device: str = "cpu") -> ToyMaskRCNNModel:
    """Return the model with batch norm and weights from a file; arguments as for `ToyMaskRCNNModel`.

    Raises:
        UsageError: an option is wrong, or the weights are damaged or belong to another network.
    """
    return _model("bn", weights, shrink, resolution, device)


def group_norm(weights: str, shrink: int = 1, resolution: str = "model", device: str = "cpu") -> ToyMaskRCNNModel:
    """Return the model with group norm and weights from a file; arguments as for `ToyMaskRCNNModel`.

    Raises:
        UsageError: an option is wrong, or the weights are damaged or belong to another network.
    """
    return _model("gn", weights, shrink, resolution, device)


def _model(norm: str, weights: str, shrink: int, resolution: str, device: str) -> ToyMaskRCNNModel:
    network = seeded(norm, 0)
    if resolution == "original":
        network.transform = Enlarged(1)
    load_weights(network, Path(weights))
    return ToyMaskRCNNModel(network, shrink, device)


class ToyMaskRCNNModel:
    """A trained network as a `segharness.Model`.

    Args:
        network: in any mode; it is put into evaluation mode.
        shrink: images are shrunk this many times before the network; 4 for images that were enlarged 4 times. The
            network enlarges every image again itself, by interpolation, unless it has another transform.
        device: where the network runs.
    """

    categories: Sequence[str] = ("cell",)

    def __init__(self, network: ToyMaskRCNN, shrink: int = 1, device: str = "cpu") -> None:
        self._network, self._device = network.to(device).eval(), device
        self._shrink = SHRINK.checked("shrink", shrink)
        self._watch = InputWatch(self._network.backbone)

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return the instances of uint8 RGB images (H, W, 3)."""
        return [self._predict(image) for image in images]

    def _predict(self, image: Image) -> Instances:
        pixels = torch.from_numpy(np.array(shrunk(image, self._shrink))).to(self._device).permute(2, 0, 1).float() / 255
        with torch.inference_mode(), torch_threads(1):
            [detections] = self._network([pixels])
        masks = enlarged((detections["masks"][:, 0] >= 0.5).cpu().numpy(), self._shrink, (1, 2))
        times = self._network.transform.times
        content = (times * image.shape[0] // self._shrink, times * image.shape[1] // self._shrink)
        (height, width), (rows, columns) = self._watch.take(), content
        ways = [*(["area"] if self._shrink > 1 else []), *(["bilinear"] if times > 1 else [])]
        given = NetworkInput(height, width, "-".join(ways) or "none", (0, height - rows, 0, width - columns))
        boxes = detections["boxes"].cpu().numpy() * np.float32(self._shrink)
        return Instances(boxes, detections["scores"].cpu().numpy(), np.zeros(len(masks), dtype=np.int64), masks, given)
