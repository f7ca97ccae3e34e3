"""A model of mmdet, made and run where mmdet is: in its own environment or in ours.

Imports nothing of segharness, but what `segharness_torch` has for others.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import mmdet
import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.apis import inference_detector, init_detector
from mmdet.registry import DATASETS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from segharness_torch.checkpoints import read_checkpoint
from segharness_torch.encoding import encode
from segharness_torch.finite import NanDetector
from segharness_torch.foreign import (
    RANDOM,
    ForeignInstances,
    Precision,
    changed,
    load_state,
    names_of,
    naming,
    tensors_of,
)
from segharness_torch.seeding import torch_seeded
from segharness_torch.threads import torch_threads


class Detector:
    """A detector of mmdet, asked through mmdet's own inference function, one image at a time.

    Args:
        network: the detector.
        categories: label i is categories[i].
        precision: in which it predicts.
    """

    def __init__(self, network: Any, categories: Any, precision: Precision) -> None:
        self.categories = list(categories)
        self._network, self._precision, self._nan_detector = network, precision, NanDetector(network)
        pipeline = get_test_pipeline_cfg(network.cfg.copy())
        pipeline[0].type = "mmdet.LoadImageFromNDArray"
        self._pipeline = Compose(pipeline)

    def predict(self, images: Any, prompts: Any = None) -> list[ForeignInstances]:
        """Return the instances of uint8 RGB images (H, W, 3); masks are encoded where the network is."""
        with torch_threads(1):  # sums of several threads have another last bit
            return [self._one(image) for image in images]

    def _one(self, image: Any) -> ForeignInstances:
        with self._nan_detector.active(), self._precision.of(self._network):
            sample = inference_detector(self._network, np.ascontiguousarray(image[..., ::-1]), self._pipeline)
        if "pred_instances" not in sample:
            raise ValueError("this model of mmdet gives no instances")
        found = sample.pred_instances
        masks = encode(torch.as_tensor(found.masks).bool()) if "masks" in found else None
        boxes, scores = (found[key].float().cpu().numpy() for key in ("bboxes", "scores"))
        if masks is not None and not boxes.any():  # SOLO and its like predict none, and mmdet has zeros in their place
            boxes = None
        return ForeignInstances(boxes, scores, found.labels.cpu().numpy(), masks)


def build(
    config: str,
    weights: str,
    seed: int = 0,
    categories: Any = None,
    overrides: Any = None,
    precision: str = "float32",
    device: str = "cpu",
) -> Detector:
    """Return a model.

    Args:
        config: a file, or a path below mmdet's configs/.
        weights: a checkpoint, or ``random``.
        seed: of random weights.
        categories: a text file with a name a line, where neither checkpoint nor the config's data set say.
        overrides: settings of the config that are to have other values: ``{"model.test_cfg.rcnn.score_thr": 0.3}``.
        precision: as `segharness_torch.foreign.Precision`.
        device: torch's name.

    Raises:
        ValueError: there is no such config or setting, or the checkpoint is no such network's.
    """
    how = Precision(precision)
    file = _file(config)
    with naming(file):
        settings = Config.fromfile(str(file))
    changes = {key: _like(settings, key, value) for key, value in changed(dict(settings.items()), overrides).items()}
    if changes:
        with naming(file, f"cannot be given {changes}"):
            settings.merge_from_dict(changes)
    if "model" not in settings:
        raise ValueError(f"{file}: has no `model`, which a config of mmdet has")
    with naming(file, "mmdet cannot make its network"), torch_seeded(seed):
        network = init_detector(settings, None, "coco", "cpu")
    count, known = _count(settings.model), [_of_dataset(settings)]
    if weights != RANDOM:
        known.insert(0, _load(network, Path(weights)))
    said = [names for names in known if names]
    fitting = [names for names in said if count in (None, len(names))]  # a panoptic checkpoint may say stuff, too
    names = names_of(categories, next(iter(fitting or said), None), count)
    return Detector(network.to(device), names, how)


def _file(config: str) -> Path:
    file = Path(config) if Path(config).is_absolute() else Path(mmdet.__file__).parent / ".mim" / "configs" / config
    if not file.is_file():
        raise ValueError(f"mmdet {mmdet.__version__} has no config {config}: no file {file}")
    return file


def _like(settings: Any, key: str, value: Any) -> Any:
    """Return an override as the config has such a value: a tuple where it has one, which suites cannot write."""
    found: Any = settings
    for part in key.split("."):
        found = found[int(part)] if isinstance(found, (list, tuple)) else found[part]
    return tuple(value) if isinstance(found, tuple) and isinstance(value, list) else value


def _of_dataset(settings: Any) -> Any:
    """Return the names of the categories of the data set that a config is tested on; None where it has none."""
    dataset = (settings.get("test_dataloader") or {}).get("dataset") or {}
    while "dataset" in dataset:  # wrapped
        dataset = dataset["dataset"]
    kind = DATASETS.get(dataset["type"]) if isinstance(dataset.get("type"), str) else dataset.get("type")
    return _names(dataset.get("metainfo")) or _names(getattr(kind, "METAINFO", None))


def _names(meta: Any) -> Any:
    """Return the names in what mmdet says of a data set; those of things where it has stuff, too."""
    lower = {str(key).lower(): value for key, value in (meta or {}).items()}
    found = lower.get("thing_classes") or lower.get("classes")
    return (found,) if isinstance(found, str) else found


def _count(model: Any) -> Any:
    """Return how many categories the heads of a config have; None where they do not agree, or do not say."""
    found = set()
    for part in ("bbox_head", "mask_head", "panoptic_head"):
        for owner in (model, model.get("roi_head") or {}):
            heads = owner.get(part) or []
            for head in heads if isinstance(heads, (list, tuple)) else [heads]:
                found |= {head[key] for key in ("num_classes", "num_things_classes") if head.get(key) is not None}
    return found.pop() if len(found) == 1 else None


_NOT_LOOKED_AT = ("mmengine.logging.history_buffer.HistoryBuffer",)
"""Classes of what training keeps beside the weights."""


def _load(network: Any, path: Path) -> Any:
    """Give a network a checkpoint's weights; return the names of its categories, where it has them."""
    content = read_checkpoint(path, _NOT_LOOKED_AT)
    content = content if isinstance(content, dict) else {}
    state = content.get("state_dict", content)
    tensors = OrderedDict(
        (key[7:] if key.startswith("module.") else key, value) for key, value in tensors_of(state, path).items()
    )
    tensors._metadata = getattr(state, "_metadata", OrderedDict())  # versions of modules, which move old names
    load_state(network, tensors, path)
    meta = content.get("meta") or {}
    return _names(meta.get("dataset_meta")) or _names(meta)
