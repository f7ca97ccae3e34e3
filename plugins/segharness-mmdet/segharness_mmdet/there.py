"""A model of mmdet, made and run where mmdet is: in its own environment or in ours.

Imports nothing of segharness, but what `segharness_torch` has for others.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import mmdet
import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.apis import inference_detector, init_detector
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.logging.history_buffer import HistoryBuffer
from segharness_torch.checkpoints import read_checkpoint
from segharness_torch.encoding import encode
from segharness_torch.seeding import torch_seeded
from segharness_torch.threads import torch_threads

RANDOM = "random"
PRECISIONS = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}


class Found:
    """What was found in one image: as `segharness.Instances`."""

    def __init__(self, boxes: Any, scores: Any, labels: Any, masks: Any) -> None:
        self.boxes, self.scores, self.labels, self.masks = boxes, scores, labels, masks


class Detector:
    """A detector of mmdet, asked through mmdet's own inference function, one image at a time.

    Args:
        network: the detector.
        categories: label i is categories[i].
        precision: a key of `PRECISIONS`.
    """

    def __init__(self, network: Any, categories: Any, precision: str) -> None:
        self.categories = list(categories)
        self._network, self._kind = network, PRECISIONS[precision]
        pipeline = get_test_pipeline_cfg(network.cfg.copy())
        pipeline[0].type = "mmdet.LoadImageFromNDArray"
        self._pipeline = Compose(pipeline)

    def predict(self, images: Any, prompts: Any = None) -> list[Found]:
        """Return the instances of uint8 RGB images (H, W, 3); masks are encoded where the network is."""
        with torch_threads(1):  # sums of several threads have another last bit
            return [self._one(image) for image in images]

    def _one(self, image: Any) -> Found:
        device = next(self._network.parameters()).device.type
        cast = torch.autocast(device, self._kind) if self._kind is not None else contextlib.nullcontext()
        with cast:
            sample = inference_detector(self._network, np.ascontiguousarray(image[..., ::-1]), self._pipeline)
        if "pred_instances" not in sample:
            raise ValueError("this model of mmdet gives no instances")
        found = sample.pred_instances
        masks = found.masks if "masks" in found else None
        if masks is not None:
            masks = encode(torch.as_tensor(masks).bool())
        boxes, scores = (found[key].float().cpu().numpy() for key in ("bboxes", "scores"))
        return Found(boxes, scores, found.labels.cpu().numpy(), masks)


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
        categories: a text file with a name a line, where the checkpoint does not say and they are not COCO's.
        overrides: settings of the config that are to have other values: ``{"model.test_cfg.rcnn.score_thr": 0.3}``.
        precision: a key of `PRECISIONS`.
        device: torch's name.

    Raises:
        ValueError: there is no such config, or the checkpoint is no such network's.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"`precision` is {precision!r}, not {', '.join(PRECISIONS)}")
    settings = Config.fromfile(str(_file(config)))
    changes = {key: _like(settings, key, value) for key, value in (overrides or {}).items()}
    with torch_seeded(seed):
        network = init_detector(settings, None, "coco", "cpu", changes or None)
    names = network.dataset_meta["classes"]
    if weights != RANDOM:
        names = _load(network, Path(weights)) or names
    if categories is not None:
        names = [line.strip() for line in Path(categories).read_text(encoding="utf-8").splitlines() if line.strip()]
    return Detector(network.to(device), names, precision)


def _file(config: str) -> Path:
    file = Path(config) if Path(config).is_absolute() else Path(mmdet.__file__).parent / ".mim" / "configs" / config
    if not file.is_file():
        raise ValueError(f"mmdet {mmdet.__version__} has no config {config}: no file {file}")
    return file


def _like(settings: Any, key: str, value: Any) -> Any:
    """Return an override as the config has such a value: a tuple where it has one, which suites cannot write."""
    found: Any = settings
    for part in key.split("."):
        if isinstance(found, (list, tuple)):
            found = found[int(part)] if part.isdigit() and int(part) < len(found) else None
        else:
            found = found.get(part) if hasattr(found, "get") else None
    return tuple(value) if isinstance(found, tuple) and isinstance(value, list) else value


def _load(network: Any, path: Path) -> Any:
    """Give a network a checkpoint's weights; return the names of its categories, where it has them."""
    content = read_checkpoint(path, [HistoryBuffer])
    state = content.get("state_dict", content)
    if not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path}: holds no state dict")
    metadata = getattr(state, "_metadata", None)
    state = type(state)((key[7:] if key.startswith("module.") else key, value) for key, value in state.items())
    if metadata is not None:
        state._metadata = metadata
    missing, _ = network.load_state_dict(state, strict=False)
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing:
        raise ValueError(f"{path}: weights of another network: they lack `{missing[0]}`, and {len(missing) - 1} more")
    meta = content.get("meta") or {}
    described = {key.lower(): value for key, value in (meta.get("dataset_meta") or {}).items()}
    return described.get("classes") or meta.get("CLASSES")
