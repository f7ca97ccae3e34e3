"""torchvision's detectors as `segharness.Model`s."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torchvision
from segharness import RANDOM, Instances, UsageError
from segharness_torch.encoding import encode
from segharness_torch.execution import Execution
from segharness_torch.finite import NanDetector
from segharness_torch.names import read_names
from segharness_torch.seeding import torch_seeded
from segharness_torch.weights import load_weights

from segharness_torchvision.catalogue import COCO

Image = npt.NDArray[np.uint8]


class TorchvisionDetector:
    """A network of torchvision's detection convention: a list of images in; boxes, scores, labels, masks of each out.

    Args:
        network: the network.
        categories: label i is categories[i]; 0 is the background.
        execution: how it is executed.
    """

    def __init__(self, network: torch.nn.Module, categories: Sequence[str], execution: Execution) -> None:
        self.categories = categories
        self._nan_detector = NanDetector(network, 1 if execution.compile else 3)  # each hook breaks a compiled graph
        self._network, self._execution = execution.prepared(network), execution

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return the instances of uint8 RGB images (H, W, 3); masks are thresholded at 0.5 and encoded on the device."""
        with self._execution.predicting():
            with self._nan_detector.active():
                found = self._network(self._execution.tensors(images))
            if not isinstance(found, (list, tuple)) or not all(_is_answer(one) for one in found):
                raise ValueError(
                    f"the network returned {_shape(found)}, not a list of mappings with boxes, scores, labels: one an image"
                )
            return [_instances(one) for one in found]


def _is_answer(found: Any) -> bool:
    return isinstance(found, Mapping) and all(torch.is_tensor(found.get(key)) for key in ("boxes", "scores", "labels"))


def _shape(found: Any) -> str:
    inner = found[0] if isinstance(found, (list, tuple)) and found else found
    keys = f" with {', '.join(map(str, inner))}" if isinstance(inner, Mapping) else ""
    return f"a {type(found).__name__}" + (f" of {type(inner).__name__}" if inner is not found else "") + keys


def _instances(found: dict[str, torch.Tensor]) -> Instances:
    masks = encode(_probabilities(found["masks"])[:, 0] > 0.5) if "masks" in found else None
    boxes, scores = (found[key].float().cpu().numpy() for key in ("boxes", "scores"))
    return Instances(boxes, scores, found["labels"].cpu().numpy(), masks)


_OVERSHOOT = 0.1
"""How far probabilities may be out of 0 to 1 where they were resized by a cubic."""


def _probabilities(masks: torch.Tensor) -> torch.Tensor:
    """Return masks (N, 1, H, W) if they are what torchvision's networks give; logits would be thresholded wrongly."""
    if masks.ndim != 4 or masks.shape[1] != 1:
        raise ValueError(f"masks have the shape {tuple(masks.shape)}, and are to be (N, 1, H, W)")
    if masks.numel():
        low, high = (float(value) for value in masks.aminmax())
        if not (low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT):
            raise ValueError(f"masks reach from {low:g} to {high:g}, and are to be probabilities, 0 to 1")
    return masks


def make(
    name: str,
    weights: str,
    *,
    seed: int = 0,
    categories: str | None = None,
    min_size: int | None = None,
    max_size: int | None = None,
    score: float | None = None,
    detections: int | None = None,
    device: str = "cpu",
    **execution: Any,
) -> TorchvisionDetector:
    """Return a detector of torchvision's own.

    Args:
        name: of torchvision's constructor.
        weights: a file, or `RANDOM`.
        seed: of random weights.
        categories: a text file with a name a line, for weights of other categories than COCO's; without background.
        min_size, max_size: the sides that images are brought to, pixels; the network's own when None.
        score: detections below are dropped; the network's own when None: 0.05.
        detections: at most so many an image; the network's own when None: 100, of RetinaNet 300.
        device: torch's name.
        execution: those of `segharness_torch.options`.

    Raises:
        UsageError: an option is wrong, or the weights are another network's.
    """
    names = _names(categories)
    settings = {"min_size": min_size, "max_size": max_size, **_HEADS[name.split("_")[0]](score, detections)}
    settings = {key: value for key, value in settings.items() if value is not None}
    with torch_seeded(seed):
        try:
            network = torchvision.models.get_model(
                name, weights=None, weights_backbone=None, num_classes=len(names), **settings
            )
        except (TypeError, ValueError) as error:
            raise UsageError(f"torchvision's {name} cannot be made with {settings}: {error}") from error
    if weights != RANDOM:
        load_weights(network, Path(weights))
    return TorchvisionDetector(network, names, Execution(device, **execution))


def custom(
    builder: Any, weights: str | None = None, categories: str | None = None, device: str = "cpu", **execution: Any
) -> TorchvisionDetector:
    """Return a detector around a network that a function of the user's makes.

    Args:
        builder: returns a ``torch.nn.Module`` that takes and gives what torchvision's detectors do.
        weights: a file for it; None where the function loads its own.
        categories: a text file with a name a line, without background; COCO's when None.
        device: torch's name.
        execution: those of `segharness_torch.options`.

    Raises:
        UsageError: what it returns is no network, or the weights are another's.
    """
    name = getattr(builder, "__name__", "builder")
    try:
        inspect.signature(builder).bind()
    except TypeError as error:
        raise UsageError(f"`{name}` is called without arguments, and needs some: {error}") from error
    network = builder()
    if not isinstance(network, torch.nn.Module):
        raise UsageError(f"`{name}` returned a {type(network).__name__}, not a torch.nn.Module")
    if weights is not None:
        load_weights(network, Path(weights))
    return TorchvisionDetector(network, _names(categories), Execution(device, **execution))


def _names(file: str | None) -> Sequence[str]:
    if file is None:
        return COCO
    return ("__background__", *read_names(file))


_HEADS: dict[str, Any] = {
    "maskrcnn": lambda score, count: {"box_score_thresh": score, "box_detections_per_img": count},
    "fasterrcnn": lambda score, count: {"box_score_thresh": score, "box_detections_per_img": count},
    "retinanet": lambda score, count: {"score_thresh": score, "detections_per_img": count},
    "fcos": lambda score, count: {"score_thresh": score, "detections_per_img": count},
}
