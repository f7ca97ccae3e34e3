"""A model of mmdet. Runs where mmdet is installed: in a foreign environment, or in segharness's own.

Imports nothing of segharness, only those modules of `segharness_torch` that run without it. Python 3.8 or later.
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
from mmdet.evaluation import INSTANCE_OFFSET
from mmdet.registry import DATASETS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from segharness_torch.checkpoints import read_checkpoint
from segharness_torch.encoding import encode
from segharness_torch.facts import network_facts
from segharness_torch.foreign import (
    RANDOM,
    ForeignInstances,
    Precision,
    as_tensors,
    category_names,
    checked_overrides,
    file_errors,
    load_state,
    segments,
)
from segharness_torch.input_watch import InputWatch, network_input
from segharness_torch.nan_checks import NanDetector
from segharness_torch.temporary_seed import torch_seeded
from segharness_torch.threads import torch_threads


class Detector:
    """A detector of mmdet. It predicts through mmdet's own inference function, one image at a time.

    Args:
        network: the detector.
        categories: label i is categories[i].
        precision: the precision that it predicts in.
        unscaled: whether images keep their size.
        panoptic: whether it gives segments instead of instances.
    """

    def __init__(
        self, network: Any, categories: Any, precision: Precision, unscaled: bool = False, panoptic: bool = False
    ) -> None:
        self.categories, self.facts = list(categories), network_facts(network)
        self._network, self._precision, self._nan_detector = network, precision, NanDetector(network)
        self._panoptic = panoptic
        pipeline = get_test_pipeline_cfg(network.cfg.copy())
        pipeline[0].type = "mmdet.LoadImageFromNDArray"
        pipeline = [step for step in pipeline if _name(step) != "LoadPanopticAnnotations"]  # needs a further package
        self._pipeline = Compose([*map(_unscaled, pipeline)] if unscaled else pipeline)
        ways = [f"{step.interpolation}" for step in self._pipeline.transforms if hasattr(step, "interpolation")]
        antialiased = any(getattr(step, "backend", "cv2") == "pillow" for step in self._pipeline.transforms)
        self._interpolation = (ways[-1] if ways else "none") + ("-antialiased" if ways and antialiased else "")
        self._watch = InputWatch(network.backbone) if hasattr(network, "backbone") else None

    def predict(self, images: Any, prompts: Any = None) -> list[ForeignInstances]:
        """Return the instances of uint8 RGB images (H, W, 3); masks are encoded on the network's device."""
        with torch_threads(1):  # with several threads sums have another last bit
            return [self._predict_image(image) for image in images]

    def _predict_image(self, image: Any) -> ForeignInstances:
        with self._nan_detector.active(), self._precision.of(self._network):
            sample = inference_detector(self._network, np.ascontiguousarray(image[..., ::-1]), self._pipeline)
        size = self._watch.take() if self._watch is not None else None
        given = network_input(size, _content(sample.metainfo, image), image.shape, self._interpolation)
        if self._panoptic:
            found = self._segments(sample)
            found.network_input = given
            return found
        if "pred_instances" not in sample:
            raise ValueError("this model of mmdet gives no instances")
        instances = sample.pred_instances
        masks = encode(torch.as_tensor(instances.masks).bool()) if "masks" in instances else None
        boxes, scores = (instances[key].float().cpu().numpy() for key in ("bboxes", "scores"))
        if masks is not None and not boxes.any():  # SOLO predicts no boxes; mmdet fills in zeros
            boxes = None
        return ForeignInstances(boxes, scores, instances.labels.cpu().numpy(), masks, given)

    def _segments(self, sample: Any) -> ForeignInstances:
        """Return a panoptic answer: a pixel's number is its label, plus 1000 times the number of its instance."""
        if "pred_panoptic_seg" not in sample:
            raise ValueError("this model of mmdet gives no panoptic segments")
        ids = torch.as_tensor(sample.pred_panoptic_seg.sem_seg)[0]
        labels = {number: number % INSTANCE_OFFSET for number in torch.unique(ids).tolist()}
        return segments(ids, {n: label for n, label in labels.items() if label < len(self.categories)}, {})


def _content(meta: Any, image: Any) -> Any:
    """Return the (height, width) of an image after scaling; ``img_shape`` may contain padding."""
    if "scale_factor" not in meta:
        return meta["img_shape"][:2]
    across, down = meta["scale_factor"][:2]
    return (round(image.shape[0] * down), round(image.shape[1] * across))


def _name(step: Any) -> str:
    """Return the name of a step of a pipeline, without its module."""
    return str(step["type"]).rpartition(".")[2].rstrip("'>")


def _unscaled(step: Any) -> Any:
    """Return a step of a test pipeline that leaves the size of an image as it is.

    Raises:
        ValueError: the step makes several images of one.
    """
    name = _name(step)
    if name in ("Resize", "FixScaleResize", "FixShapeResize"):
        return {"type": "mmdet.Resize", "scale_factor": 1.0, "keep_ratio": True}  # later steps need what it notes
    if name == "Pad" and "size_divisor" not in step:
        return {"type": "mmdet.Pad", "size_divisor": 32, "pad_val": step.get("pad_val", {"img": 0})}
    if name in ("MultiScaleFlipAug", "TestTimeAug"):
        raise ValueError(f"{name} scales images, and `resolution: original` says not to")
    return step


def build(
    config: str,
    weights: str,
    seed: int = 0,
    categories: Any = None,
    overrides: Any = None,
    precision: str = "float32",
    output: str = "instances",
    resolution: str = "model",
    device: str = "cpu",
) -> Detector:
    """Return a model.

    Args:
        config: a file, or a path below mmdet's configs/.
        weights: a checkpoint, or ``random``.
        seed: the seed of random weights.
        categories: a text file with one name per line, for use if neither checkpoint nor the config's data set name them.
        overrides: new values for settings of the config: ``{"model.test_cfg.rcnn.score_thr": 0.3}``.
        precision: as in `segharness_torch.foreign.Precision`.
        output: ``"instances"``, or ``"panoptic"``: the segments of a panoptic network, things and stuff.
        resolution: ``"model"``, or ``"original"``: images are neither scaled nor padded to a fixed size.
        device: torch's name for the device.

    Raises:
        ValueError: there is no such config or setting, or the checkpoint is another network's.
    """
    how = Precision(precision)
    file = _config_file(config)
    with file_errors(file):
        settings = Config.fromfile(str(file))
    changes = {
        key: _as_tuple(settings, key, value)
        for key, value in checked_overrides(dict(settings.items()), overrides).items()
    }
    if changes:
        with file_errors(file, f"cannot be given {changes}"):
            settings.merge_from_dict(changes)
    if "model" not in settings:
        raise ValueError(f"{file}: has no `model`, which every config of mmdet has")
    with file_errors(file, "mmdet cannot make its network"), torch_seeded(seed):
        network = init_detector(settings, None, "coco", "cpu")
    panoptic = output == "panoptic"
    if panoptic and not hasattr(network, "panoptic_fusion_head"):
        raise ValueError(f"{file}: makes a {type(network).__name__}, which gives no panoptic segments")
    count = network.panoptic_fusion_head.num_classes if panoptic else _category_count(settings.model)
    candidates = [_dataset_names(settings, panoptic)]
    if weights != RANDOM:
        candidates.insert(0, _load_checkpoint(network, Path(weights), panoptic))
    named = [names for names in candidates if names]
    fitting = [names for names in named if count in (None, len(names))]  # a panoptic checkpoint may name stuff, too
    names = category_names(categories, next(iter(fitting or named), None), count)
    return Detector(network.to(device), names, how, resolution == "original", panoptic)


def _config_file(config: str) -> Path:
    file = Path(config) if Path(config).is_absolute() else Path(mmdet.__file__).parent / ".mim" / "configs" / config
    if not file.is_file():
        raise ValueError(f"mmdet {mmdet.__version__} has no config {config}: no file {file}")
    return file


def _as_tuple(settings: Any, key: str, value: Any) -> Any:
    """Return an override, as a tuple if the config has a tuple there; a suite cannot express tuples."""
    current: Any = settings
    for part in key.split("."):
        current = current[int(part)] if isinstance(current, (list, tuple)) else current[part]
    return tuple(value) if isinstance(current, tuple) and isinstance(value, list) else value


def _dataset_names(settings: Any, stuff: bool) -> Any:
    """Return the category names of the data set that a config is tested on, or None; `stuff`: also those of stuff."""
    dataset = (settings.get("test_dataloader") or {}).get("dataset") or {}
    while "dataset" in dataset:  # a wrapper around another data set
        dataset = dataset["dataset"]
    dataset_class = DATASETS.get(dataset["type"]) if isinstance(dataset.get("type"), str) else dataset.get("type")
    return _names_in(dataset.get("metainfo"), stuff) or _names_in(getattr(dataset_class, "METAINFO", None), stuff)


def _names_in(meta: Any, stuff: bool) -> Any:
    """Return the category names in mmdet's metadata of a data set; those of stuff, too, if `stuff` says so."""
    lower = {str(key).lower(): value for key, value in (meta or {}).items()}
    names = lower.get("classes") if stuff else lower.get("thing_classes") or lower.get("classes")
    return (names,) if isinstance(names, str) else names


def _category_count(model: Any) -> Any:
    """Return how many categories the heads of a config have; None if they disagree or do not say."""
    counts = set()
    for part in ("bbox_head", "mask_head", "panoptic_head"):
        for module in (model, model.get("roi_head") or {}):
            heads = module.get(part) or []
            for head in heads if isinstance(heads, (list, tuple)) else [heads]:
                counts |= {head[key] for key in ("num_classes", "num_things_classes") if head.get(key) is not None}
    return counts.pop() if len(counts) == 1 else None


_IGNORED = ("mmengine.logging.history_buffer.HistoryBuffer",)
"""Classes of objects that training stores beside the weights."""


def _load_checkpoint(network: Any, path: Path, stuff: bool) -> Any:
    """Load a checkpoint into a network; return the names of its categories, or None if it has none."""
    content = read_checkpoint(path, _IGNORED)
    content = content if isinstance(content, dict) else {}
    state = content.get("state_dict", content)
    tensors: Any = OrderedDict(
        (key[7:] if key.startswith("module.") else key, value) for key, value in as_tensors(state, path).items()
    )
    tensors._metadata = getattr(
        state, "_metadata", OrderedDict()
    )  # versions of modules, by which torch renames old weights
    load_state(network, tensors, path)
    meta = content.get("meta") or {}
    return _names_in(meta.get("dataset_meta"), stuff) or _names_in(meta, stuff)
