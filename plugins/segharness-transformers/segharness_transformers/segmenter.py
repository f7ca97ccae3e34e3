"""Mask2Former, MaskFormer, OneFormer, EoMT and DETR as `segharness.Model`s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from segharness import Instances, UsageError
from segharness_torch.encoding import encode
from segharness_torch.execution import Execution
from segharness_torch.facts import network_facts
from segharness_torch.input_watch import network_input, pil_interpolation
from segharness_torch.nan_checks import NotANumberError
from segharness_torch.threads import torch_threads
from transformers.image_transforms import get_size_with_aspect_ratio

from segharness_transformers import queries
from segharness_transformers.loading import Loaded, load
from segharness_transformers.options import OUTPUT

Image = npt.NDArray[np.uint8]


class Segmenter:
    """A network whose queries predict a class and a mask, or a class, a box and perhaps a mask.

    The network gets images one at a time: a batch would be padded to one size, which changes the results.

    Args:
        loaded: network and image processor.
        execution: device, precision and so on.
        output: ``"instances"`` or ``"panoptic"``.
        things: names of the categories that are things, or n: the first n are; None: all are.
        most: the largest number of instances per image.
        settings: further arguments of `queries.instances` or `queries.panoptic`.
        extra: further inputs of the network, the same for every image.
        unscaled: whether images keep their size.
    """

    def __init__(
        self,
        loaded: Loaded,
        execution: Execution,
        output: str,
        things: Sequence[str] | int | None,
        most: int,
        settings: dict[str, Any],
        extra: dict[str, torch.Tensor],
        unscaled: bool = False,
    ) -> None:
        names = loaded.config.id2label
        self.categories = [str(names[i]) for i in sorted(names)]
        self.facts = network_facts(loaded.network)
        self._network, self._execution = execution.prepared(loaded.network), execution
        self._processor, self._output, self._most, self._settings = loaded.processor, output, most, settings
        if unscaled:
            self._processor.do_resize = False
            if getattr(self._processor, "pad_size", None) is not None:
                self._processor.pad_size = None
        self._extra = {name: tensor.to(execution.device) for name, tensor in extra.items()}
        is_thing = _thing_flags(things, self.categories)
        self._things = None if is_thing is None else torch.tensor(is_thing, device=execution.device)

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return the instances, or segments, of uint8 RGB images (H, W, 3)."""
        return [self._segment(image) for image in images]

    def _segment(self, image: Image) -> Instances:
        with torch_threads(1):
            batch = self._processor(images=[np.ascontiguousarray(image)], return_tensors="pt", **_LAST)
        pixels = batch["pixel_values"].to(self._execution.device)
        inputs = {"pixel_values": pixels, **self._extra}
        mask = batch.get("pixel_mask")
        if mask is not None:
            inputs["pixel_mask"] = mask.to(self._execution.device)
        geometry = queries.Geometry(
            (pixels.shape[-2], pixels.shape[-1]),
            self._content(mask, image, (pixels.shape[-2], pixels.shape[-1])),
            (image.shape[0], image.shape[1]),
        )
        given = network_input(
            geometry.padded, geometry.content, geometry.image, pil_interpolation(self._processor.resample)
        )
        with self._execution.predicting():
            return _instances(self._decode(self._network(**inputs), geometry), given)

    def _content(self, mask: torch.Tensor | None, image: Image, padded: queries.Size) -> queries.Size:
        """Return the size of the image in the padded input, from the processor's pixel mask. EoMT has no such mask."""
        if mask is not None:
            return int(mask[0].any(dim=1).sum()), int(mask[0].any(dim=0).sum())
        size = self._processor.size
        if getattr(self._processor, "do_pad", False) and "shortest_edge" in size and "longest_edge" in size:
            rows, columns = get_size_with_aspect_ratio(image.shape[:2], size["shortest_edge"], size["longest_edge"])
            return min(rows, padded[0]), min(columns, padded[1])
        return padded

    def _decode(self, answer: Any, geometry: queries.Geometry) -> queries.QueryMasks:
        boxes = answer.get("pred_boxes")
        if boxes is None:
            classes, masks = answer["class_queries_logits"][0], answer["masks_queries_logits"][0]
        else:
            classes, masks = answer["logits"][0], answer.get("pred_masks")
            masks = None if masks is None else masks[0]
        if any(bool(torch.isnan(part).any()) for part in (classes, masks) if part is not None):
            raise NotANumberError("what the network answers")
        if self._output == "panoptic":
            return queries.panoptic(classes, masks, geometry, self._things, **self._settings)
        if boxes is None:
            return queries.instances(classes, masks, geometry, self._most, self._things, **self._settings)
        return queries.detections(classes, boxes[0], masks, geometry, self._most, self._things)


_LAST = {"input_data_format": "channels_last"}


def _instances(decoded: queries.QueryMasks, given: Any) -> Instances:
    masks = None
    if decoded.masks is not None:
        rles, mask_indices = encode(decoded.masks), decoded.which.tolist()
        masks = [rles[i] for i in mask_indices]
    boxes, scores = (value.float().cpu().numpy() for value in (decoded.boxes, decoded.scores))
    return Instances(boxes, scores, decoded.labels.cpu().numpy(), masks, given)


def _thing_flags(things: Sequence[str] | int | None, categories: list[str]) -> list[bool] | None:
    if things is None:
        return None
    if isinstance(things, int):
        if things > len(categories):
            raise UsageError(f"`things` is {things}, not 1 to {len(categories)}, the number of categories")
        return [i < things for i in range(len(categories))]
    for name in things:
        if name not in categories:
            raise UsageError(f"`things`: the model has no category {name!r:.60}; it has {', '.join(categories)[:200]}")
    return [name in things for name in categories]


def make(
    family: str,
    weights: str,
    *,
    output: str = "instances",
    things: Sequence[str] | int | None = None,
    most: int = 100,
    object_threshold: float = 0.8,
    overlap: float = 0.8,
    mask_score: bool = True,
    config: str | None = None,
    seed: int = 0,
    revision: str | None = None,
    local_files_only: bool = False,
    resolution: str = "model",
    device: str = "cpu",
    **execution: Any,
) -> Segmenter:
    """Return a model of a family of `segharness_transformers.loading.FAMILIES`.

    Args:
        family: its name.
        weights: a folder, or ``random``.
        output, things, most, object_threshold, overlap, mask_score: as in the plugin's options.
        config, seed: as in `segharness_transformers.loading.load`.
        revision, local_files_only: used by `segharness_transformers.hub.fetch`, which has run before.
        resolution: ``"model"``, or ``"original"``: images are not scaled.
        device: torch's name for the device.
        execution: `precision`, `channels_last`, `compile`, as in `segharness_torch.options`.

    Raises:
        UsageError: an option is wrong, or the weights cannot be loaded, or are another network's.
    """
    OUTPUT["output"].checked("output", output)
    how = Execution(device, **execution)
    loaded = load(family, weights, config, seed)
    settings: dict[str, Any] = {"mask_score": mask_score}
    if output == "panoptic":
        settings = {"object_threshold": object_threshold, "overlap": overlap}
        if type(loaded.network).__name__ == "DetrForObjectDetection":
            raise UsageError(f"{loaded.folder}: a DETR without mask head has no panoptic output")
    if getattr(loaded.processor, "do_split_image", False):
        raise UsageError(f"{loaded.folder}: splits images into patches, which is for semantic segmentation only")
    extra = {"task_inputs": _task(loaded, output)} if family == "oneformer" else {}
    return Segmenter(loaded, how, output, things, most, settings, extra, resolution == "original")


def _task(loaded: Loaded, output: str) -> torch.Tensor:
    """Return OneFormer's task input: the tokens of a sentence, (1, task_seq_len), padded with zeros."""
    problem = UsageError(
        f"{loaded.folder}: has no readable tokenizer, with which OneFormer is told its task: "
        "vocab.json, merges.txt and tokenizer_config.json"
    )
    files = {file.name for file in loaded.folder.iterdir()}
    if "tokenizer.json" not in files and not {"vocab.json", "merges.txt"} <= files:
        raise problem  # transformers would make a tokenizer without words
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            loaded.folder, config=loaded.config, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError, KeyError, TypeError) as error:
        raise problem from error
    sentence = f"the task is {'panoptic' if output == 'panoptic' else 'instance'}"
    length = loaded.config.task_seq_len
    tokens = tokenizer(sentence, truncation=True, max_length=length)["input_ids"]
    return torch.tensor([tokens + [0] * (length - len(tokens))])
