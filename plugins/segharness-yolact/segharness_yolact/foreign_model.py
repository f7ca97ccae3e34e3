"""YOLACT and YOLACT++. Runs where torch, torchvision, OpenCV and pycocotools are: in a foreign environment, or here.

Imports nothing of segharness, only modules of `segharness_torch` and of this package that run without it. Python 3.8 or
later.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
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
)
from segharness_torch.input_watch import InputWatch, network_input
from segharness_torch.nan_checks import NanDetector
from segharness_torch.temporary_seed import torch_seeded
from segharness_torch.threads import torch_threads

from segharness_yolact.authors_code import AuthorsCode
from segharness_yolact.original_size import keep_sizes, least_side, patch_anchors


class Predictor:
    """A network of the authors. It predicts as their eval.py does for COCO, one image at a time.

    Args:
        network: the network.
        code: the modules that it was made by.
        categories: label i is categories[i].
        precision: the precision that it predicts in.
        least: images that have fewer pixels than this, either way, are padded at the right and the bottom.
    """

    def __init__(self, network: Any, code: AuthorsCode, categories: Any, precision: Precision, least: int = 1) -> None:
        self.categories, self.facts = list(categories), network_facts(network)
        self._network, self._code, self._precision, self._least = network, code, precision, least
        self._transform = _transform(code)
        self._nan_detector, self._watch = NanDetector(network), InputWatch(network.backbone)

    def predict(self, images: Any, prompts: Any = None) -> list[ForeignInstances]:
        """Return the instances of uint8 RGB images (H, W, 3); masks are encoded on the network's device."""
        with torch_threads(1):  # with several threads sums have another last bit
            return [self._predict_image(image) for image in images]

    def _predict_image(self, image: Any) -> ForeignInstances:
        height, width = image.shape[:2]
        down, right = max(0, self._least - height), max(0, self._least - width)
        device = next(self._network.parameters()).device
        pixels = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).to(device).float()
        batch = self._transform(pixels.unsqueeze(0))
        content = batch.shape[-2:]
        batch = torch.nn.functional.pad(batch, (0, right, 0, down))  # zero is the mean, as where the authors pad
        with torch.no_grad(), self._nan_detector.active(), self._precision.of(self._network):
            classes, scores, boxes, masks = self._code.output_utils.postprocess(
                self._network(batch), width + right, height + down, crop_masks=True, score_threshold=0
            )
        given = network_input(self._watch.take(), content, (height, width), "bilinear")
        if isinstance(scores, list):  # the box's score, and that times the mask's predicted IoU
            scores = scores[1]
        if not len(classes):
            return ForeignInstances(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, int), [], given)
        boxes = torch.minimum(boxes, boxes.new_tensor([width, height, width, height]))
        sound = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])  # as in eval.py's files
        rles = None
        if self._code.config.cfg.eval_mask_branch:
            rles = encode(masks[sound, :height, :width] > 0.5)
        boxes, scores = boxes[sound].float().cpu().numpy(), scores[sound].float().cpu().numpy()
        return ForeignInstances(boxes, scores, classes[sound].cpu().numpy(), rles, given)


def build(
    config: str,
    weights: str,
    source: str,
    seed: int = 0,
    categories: Any = None,
    overrides: Any = None,
    precision: str = "float32",
    resolution: str = "model",
    device: str = "cpu",
) -> Predictor:
    """Return a model.

    Args:
        config: the name of a config in the checkout's data/config.py.
        weights: a file that the authors' train.py wrote, or ``random``.
        source: a checkout of the authors' code.
        seed: the seed of random weights.
        categories: a text file with one name per line, if they are not those of the config's data set.
        overrides: new values for settings of the config: ``{"nms_conf_thresh": 0.0}``.
        precision: as in `segharness_torch.foreign.Precision`.
        resolution: ``"model"``, or ``"original"``: images are not scaled.
        device: torch's name for the device.

    Raises:
        ValueError: there is no such config or setting, or the weights are another network's.
    """
    how = Precision(precision)
    with file_errors(source, "cannot be imported"):
        code = AuthorsCode(Path(source))
    _choose_config(code, config, Path(source) / "data/config.py")
    _override(code.config, overrides)
    cfg = code.config.cfg
    original = resolution == "original"
    patch_anchors(code, original)
    if original:
        keep_sizes(code)
    with file_errors(source, f"cannot make the network of {config}"), torch_seeded(seed):
        network = code.yolact.Yolact()
    network.eval()
    network.detect.use_fast_nms = True  # eval.py's default, not the class's
    if weights != RANDOM:
        _load_weights(network, cfg, Path(weights))
    names = category_names(categories, cfg.dataset.class_names, cfg.num_classes - 1)
    return Predictor(network.to(device), code, names, how, least_side(cfg) if original else 1)


def _transform(code: AuthorsCode) -> Any:
    """Return the authors' FastBaseTransform. Its own constructor moves two constants to CUDA, whatever the device."""
    transform_class = code.augmentations.FastBaseTransform
    transform = transform_class.__new__(transform_class)
    torch.nn.Module.__init__(transform)
    means, deviations = (torch.tensor(values) for values in (code.config.MEANS, code.config.STD))
    transform.mean, transform.std = means[None, :, None, None], deviations[None, :, None, None]
    transform.transform = code.config.cfg.backbone.transform
    return transform


def _choose_config(code: AuthorsCode, name: str, file: Path) -> None:
    """Make a config the settings of this model. `set_cfg` would evaluate any expression; only names are given to it."""
    configs = [key for key, value in vars(code.config).items() if getattr(value, "backbone", None) is not None]
    if name not in configs:
        raise ValueError(f"{file}: has no config {name}; it has {', '.join(sorted(set(configs) - {'cfg'}))}")
    code.config.set_cfg(name)
    code.config.cfg.mask_proto_debug = False  # no config has it; eval.py sets it


def _override(config: Any, overrides: Any) -> None:
    """Give settings new values."""
    for key, value in checked_overrides(_as_mapping(config.cfg, config.Config), overrides).items():
        owner, *rest = config.cfg, *key.split(".")
        for part in rest[:-1]:
            owner = owner[int(part)] if isinstance(owner, list) else getattr(owner, part)
        if isinstance(owner, list):
            owner[int(rest[-1])] = value
        else:
            setattr(owner, rest[-1], value)


def _as_mapping(value: Any, config_class: Any) -> Any:
    if isinstance(value, config_class):
        return {key: _as_mapping(child, config_class) for key, child in vars(value).items()}
    return value


def _load_weights(network: Any, cfg: Any, path: Path) -> None:
    """Load a file of weights as the authors' `load_weights` does, but without running anything that it contains."""
    tensors: Mapping[str, torch.Tensor] = {
        name: tensor for name, tensor in as_tensors(read_checkpoint(path), path).items() if not _is_obsolete(name, cfg)
    }
    unknown = next((name for name in tensors if name not in network.state_dict()), None)
    if unknown is not None:  # a ResNet-50 would load from the weights of a ResNet-101, and ignore the rest
        raise ValueError(f"{path}: weights of another network: this one has no `{unknown}`")
    load_state(network, tensors, path)


def _is_obsolete(name: str, cfg: Any) -> bool:
    """Return whether weights of this name are only in files of earlier versions of the authors' code."""
    if name.startswith("backbone.layer") and not name.startswith("backbone.layers"):
        return True
    parts = name.split(".")
    of_fpn = parts[:2] == ["fpn", "downsample_layers"] and cfg.fpn is not None and parts[2:3] and parts[2].isdigit()
    return bool(of_fpn) and int(parts[2]) >= cfg.fpn.num_downsample
