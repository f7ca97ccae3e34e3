"""torchvision's detectors as `segharness.Model`s."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torchvision
from segharness import RANDOM, Instances, UsageError
from segharness_torch.category_names import read_names
from segharness_torch.encoding import encode
from segharness_torch.execution import Execution
from segharness_torch.facts import network_facts
from segharness_torch.input_watch import network_input, uncompiled
from segharness_torch.nan_checks import NanDetector
from segharness_torch.temporary_seed import torch_seeded
from segharness_torch.weights import load_weights
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FrozenBatchNorm2d

from segharness_torchvision.catalogue import CATALOGUE, COCO

Image = npt.NDArray[np.uint8]


class TorchvisionDetector:
    """A network of torchvision's detection convention: takes a list of images, returns boxes, scores, labels and masks.

    Args:
        network: the network.
        categories: label i is categories[i]; 0 is the background.
        execution: device, precision and so on.
    """

    def __init__(self, network: torch.nn.Module, categories: Sequence[str], execution: Execution) -> None:
        self.categories, self.facts = categories, network_facts(network)
        self._given: list[Any] = []
        if isinstance(transform := getattr(network, "transform", None), GeneralizedRCNNTransform):
            transform.register_forward_hook(uncompiled(self._note))
        self._nan_detector = NanDetector(network, 1 if execution.compile else 3)  # each hook breaks a compiled graph
        self._network, self._execution = execution.prepared(network), execution

    def _note(self, transform: Any, inputs: Any, outputs: Any) -> None:
        """Note what the transform of a network gives it."""
        batch = outputs[0]
        self._given = [(tuple(batch.tensors.shape[-2:]), size) for size in batch.image_sizes]

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return the instances of uint8 RGB images (H, W, 3); masks are thresholded at 0.5 and encoded on the device.

        Raises:
            ValueError: the network's output does not follow torchvision's convention.
        """
        self._given = []
        with self._execution.predicting():
            with self._nan_detector.active():
                outputs = self._network(self._execution.tensors(images))
            if not isinstance(outputs, (list, tuple)) or not all(_is_output(output) for output in outputs):
                raise ValueError(
                    f"the network returned {_described(outputs)}, "
                    "not a list of mappings with boxes, scores, labels, one for each image"
                )
            given = self._given if len(self._given) == len(images) else [(None, None)] * len(images)
            return [
                _instances(output, network_input(size, content, image.shape, "bilinear"))
                for output, (size, content), image in zip(outputs, given, images, strict=True)
            ]


class Unscaled(GeneralizedRCNNTransform):
    """torchvision's transform without its resizing: images are normalised and padded.

    Args:
        other: the transform whose other settings it takes.
    """

    def __init__(self, other: GeneralizedRCNNTransform) -> None:
        super().__init__(other.min_size, other.max_size, other.image_mean, other.image_std, other.size_divisible)

    def resize(self, image: torch.Tensor, target: Any = None) -> tuple[torch.Tensor, Any]:
        """Return the image and its target as they are."""
        return image, target


def _is_output(output: Any) -> bool:
    return isinstance(output, Mapping) and all(
        torch.is_tensor(output.get(key)) for key in ("boxes", "scores", "labels")
    )


def _described(value: Any) -> str:
    inner = value[0] if isinstance(value, (list, tuple)) and value else value
    keys = f" with {', '.join(map(str, inner))}" if isinstance(inner, Mapping) else ""
    return f"a {type(value).__name__}" + (f" of {type(inner).__name__}" if inner is not value else "") + keys


def _instances(output: dict[str, torch.Tensor], given: Any) -> Instances:
    masks = encode(_probabilities(output["masks"])[:, 0] > 0.5) if "masks" in output else None
    boxes, scores = (output[key].float().cpu().numpy() for key in ("boxes", "scores"))
    return Instances(boxes, scores, output["labels"].cpu().numpy(), masks, given)


_OVERSHOOT = 0.1
"""How far probabilities may lie outside 0 to 1 after a cubic resize."""


def _probabilities(masks: torch.Tensor) -> torch.Tensor:
    """Return masks (N, 1, H, W) after checking that they are probabilities; logits would be thresholded wrongly."""
    if masks.ndim != 4 or masks.shape[1] != 1:
        raise ValueError(f"masks have the shape {tuple(masks.shape)}, not (N, 1, H, W)")
    if masks.numel():
        low, high = (float(value) for value in masks.aminmax())
        if not (low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT):
            raise ValueError(f"masks reach from {low:g} to {high:g}; they must be probabilities, 0 to 1")
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
    resolution: str = "model",
    device: str = "cpu",
    **execution: Any,
) -> TorchvisionDetector:
    """Return one of torchvision's own detectors.

    Args:
        name: the name of torchvision's constructor.
        weights: a file, or `RANDOM`.
        seed: the seed of random weights.
        categories: a text file with one name per line, without background, for weights with other categories than COCO's.
        min_size, max_size: the sides that images are resized to, pixels; the network's own if None.
        score: detections with a lower score are dropped; the network's own if None: 0.05.
        detections: the largest number per image; the network's own if None: 100, for RetinaNet 300.
        resolution: ``"model"``, or ``"original"``: images are not scaled.
        device: torch's name for the device.
        execution: `precision`, `channels_last`, `compile`, as in `segharness_torch.options`.

    Raises:
        UsageError: an option is wrong, or the weights are another network's.
    """
    if resolution == "original" and (min_size or max_size):
        raise UsageError("`min_size` and `max_size` scale images, and `resolution: original` says not to")
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
        _set_published_eps(network, name, Path(weights))
    if resolution == "original":
        network.transform = Unscaled(network.transform)
    return TorchvisionDetector(network, names, Execution(device, **execution))


def _set_published_eps(network: torch.nn.Module, name: str, weights: Path) -> None:
    """Give batch norms the epsilon that torchvision gives some published weights: 0, with which they were trained."""
    [entry] = [entry for entry in CATALOGUE if entry.name == name]
    if entry.zero_eps and _sha256(weights).startswith(entry.digits):
        for part in network.modules():
            if isinstance(part, (torch.nn.BatchNorm2d, FrozenBatchNorm2d)):
                part.eps = 0.0


def _sha256(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def custom(
    builder: Any, weights: str | None = None, categories: str | None = None, device: str = "cpu", **execution: Any
) -> TorchvisionDetector:
    """Return a detector around a network that a user's function makes.

    Args:
        builder: returns a ``torch.nn.Module`` with the inputs and outputs of torchvision's detectors.
        weights: a file for the network; None if the function loads its own.
        categories: a text file with one name per line, without background; COCO's if None.
        device: torch's name for the device.
        execution: `precision`, `channels_last`, `compile`, as in `segharness_torch.options`.

    Raises:
        UsageError: the function does not return a network, or the weights are another network's.
    """
    name = getattr(builder, "__name__", "builder")
    try:
        inspect.signature(builder).bind()
    except TypeError as error:
        raise UsageError(f"`{name}` is called without arguments, but needs some: {error}") from error
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
