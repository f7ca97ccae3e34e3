"""A model of detectron2. Runs where detectron2 is installed: in a foreign environment, or in segharness's own.

Imports nothing of segharness, only those modules of `segharness_torch` that run without it. Python 3.8 or later.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import detectron2
import numpy as np
import torch
from detectron2.checkpoint.c2_model_loading import align_and_update_state_dicts
from detectron2.config import CfgNode, LazyConfig, get_cfg, instantiate
from detectron2.data import MetadataCatalog
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.modeling import PanopticFPN, build_model
from omegaconf import OmegaConf
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
from segharness_torch.input_watch import InputWatch, network_input, pil_interpolation
from segharness_torch.nan_checks import NanDetector
from segharness_torch.temporary_seed import torch_seeded
from segharness_torch.threads import torch_threads


class Recipe:
    """The content of a config: how to make the network, how to prepare images, and its data set.

    Attributes:
        make: returns the network, on the CPU.
        resize: detectron2's augmentation of one image; None if images keep their size.
        order: the order of the channels, ``"BGR"`` or ``"RGB"``.
        dataset: the name of the data set that it is tested on; None if it names none.
    """

    def __init__(self, make: Any, resize: Any, order: str, dataset: Any) -> None:
        self.make, self.resize, self.order, self.dataset = make, resize, order, dataset


class Predictor:
    """A network of detectron2; images are prepared as detectron2's DefaultPredictor does, one at a time.

    Args:
        network: in evaluation mode, on its device.
        recipe: the content of its config.
        categories: label i is categories[i].
        precision: the precision that it predicts in.
        things: of a network whose segments are wanted, how many of the categories are things; else None.
    """

    def __init__(self, network: Any, recipe: Recipe, categories: Any, precision: Precision, things: Any = None) -> None:
        self.categories, self.facts = list(categories), network_facts(network)
        self._network, self._recipe, self._precision, self._things = network, recipe, precision, things
        self._nan_detector, self._watch = NanDetector(network), InputWatch(network.backbone)

    def predict(self, images: Any, prompts: Any = None) -> list[ForeignInstances]:
        """Return the instances of uint8 RGB images (H, W, 3); masks are encoded on the network's device."""
        with torch_threads(1):  # with several threads sums have another last bit
            return [self._predict_image(image) for image in images]

    def _predict_image(self, image: Any) -> ForeignInstances:
        ordered = np.ascontiguousarray(image if self._recipe.order == "RGB" else image[..., ::-1])
        height, width = image.shape[:2]
        pixels = ordered
        if self._recipe.resize is not None:
            pixels = self._recipe.resize.get_transform(ordered).apply_image(ordered)
        inputs = {
            "image": torch.as_tensor(pixels.astype("float32").transpose(2, 0, 1)),
            "height": height,
            "width": width,
        }
        with torch.no_grad(), self._nan_detector.active(), self._precision.of(self._network):
            answer = self._network([inputs])[0]
        interpolation = pil_interpolation(getattr(self._recipe.resize, "interp", 2))
        given = network_input(self._watch.take(), pixels.shape[:2], (height, width), interpolation)
        if self._things is not None:
            found = self._segments(*answer["panoptic_seg"])
            found.network_input = given
            return found
        if "instances" not in answer:
            raise ValueError("this model of detectron2 gives no instances")
        instances = answer["instances"]
        masks = encode(instances.pred_masks) if instances.has("pred_masks") else None
        boxes, scores = (value.float().cpu().numpy() for value in (instances.pred_boxes.tensor, instances.scores))
        return ForeignInstances(boxes, scores, instances.pred_classes.cpu().numpy(), masks, given)

    def _segments(self, ids: Any, infos: Any) -> ForeignInstances:
        """Return a panoptic answer: stuff 0 stands for all things, and is no segment."""
        labels = {
            info["id"]: info["category_id"] + (0 if info["isthing"] else self._things - 1)
            for info in infos
            if info["isthing"] or info["category_id"] > 0
        }
        return segments(ids, labels, {info["id"]: info["score"] for info in infos if "score" in info})


def build(
    config: str,
    weights: str,
    seed: int = 0,
    categories: Any = None,
    source: Any = None,
    overrides: Any = None,
    precision: str = "float32",
    output: str = "instances",
    resolution: str = "model",
    device: str = "cpu",
) -> Predictor:
    """Return a model.

    Args:
        config: a file, or a path as in the catalogue.
        weights: a checkpoint, or ``random``.
        seed: the seed of random weights.
        categories: a text file with one name per line, if they are not those of the config's data set.
        source: a checkout of detectron2, for configs of its projects.
        overrides: new values for settings of the config: ``{"MODEL.ROI_HEADS.SCORE_THRESH_TEST": 0.0}``.
        precision: as in `segharness_torch.foreign.Precision`.
        output: ``"instances"``, or ``"panoptic"``: the segments of a Panoptic FPN, things and stuff.
        resolution: ``"model"``, or ``"original"``: images are neither scaled nor padded to a fixed square.
        device: torch's name for the device.

    Raises:
        ValueError: there is no such config or setting, or the checkpoint is another network's.
    """
    how = Precision(precision)
    file = _config_file(config, source)
    recipe = _lazy_recipe(file, overrides) if file.suffix == ".py" else _yaml_recipe(file, overrides)
    with file_errors(file, "detectron2 cannot make its network"), torch_seeded(seed):
        network = recipe.make()
    if resolution == "original":
        recipe.resize = None
        if getattr(network.backbone, "_square_pad", 0):  # a larger image would be cut off
            network.backbone._square_pad = 0
    if weights != RANDOM:
        _load_checkpoint(network, Path(weights))
    if output == "panoptic":
        if not isinstance(network, PanopticFPN):
            raise ValueError(f"{file}: makes a {type(network).__name__}, which gives no panoptic segments")
        things = _category_count(network)
        classes = network.sem_seg_head.predictor.out_channels
        names = category_names(categories, _panoptic_names(recipe.dataset), things + classes - 1)
        return Predictor(network.to(device).eval(), recipe, names, how, things)
    dataset_names = MetadataCatalog.get(recipe.dataset).get("thing_classes") if recipe.dataset else None
    names = category_names(categories, dataset_names, _category_count(network))
    return Predictor(network.to(device).eval(), recipe, names, how)


def _panoptic_names(dataset: Any) -> Any:
    """Return the names of a data set's things, then of its stuff; the first stuff stands for all things."""
    metadata = MetadataCatalog.get(dataset) if dataset else None
    things, stuff = (getattr(metadata, f"{part}_classes", None) for part in ("thing", "stuff"))
    return [*things, *stuff[1:]] if things and stuff else None


def _category_count(network: Any) -> Any:
    """Return how many categories a network has; None if it does not say."""
    return getattr(getattr(network, "roi_heads", network), "num_classes", None)


def _config_file(config: str, source: Any) -> Path:
    if Path(config).is_absolute():
        return Path(config)
    package = Path(detectron2.__file__).parent
    checkouts = [Path(source)] if source is not None else [package.parent]
    paths = (
        [c / config for c in checkouts] if config.startswith("projects/") else [package / "model_zoo/configs" / config]
    )
    for path in paths:
        if path.is_file():
            return path
    advice = "; give the option `source`, a checkout of detectron2" if config.startswith("projects/") else ""
    raise ValueError(f"detectron2 {detectron2.__version__} has no config {config}: no file {paths[0]}{advice}")


def _yaml_recipe(file: Path, overrides: Any) -> Recipe:
    cfg = get_cfg()
    if "PointRend" in file.parts:
        from detectron2.projects.point_rend import add_pointrend_config

        add_pointrend_config(cfg)
    with file_errors(file):
        cfg.merge_from_file(str(file))
    cfg.MODEL.WEIGHTS, cfg.MODEL.DEVICE = "", "cpu"
    changes = [part for item in checked_overrides(cfg, overrides).items() for part in item]
    with file_errors(file, f"cannot be given {overrides}"):
        cfg.merge_from_list(changes)
    assert isinstance(cfg, CfgNode)
    short, longest = cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST
    resize = ResizeShortestEdge([short, short], longest)
    return Recipe(lambda: build_model(cfg), resize, cfg.INPUT.FORMAT, next(iter(cfg.DATASETS.TEST), None))


def _lazy_recipe(file: Path, overrides: Any) -> Recipe:
    for project in ("ViTDet", "MViTv2"):
        if project in file.parts:
            sys.path.append(str(Path(*file.parts[: file.parts.index(project) + 1])))
    with file_errors(file):
        cfg = LazyConfig.load(str(file))
    for key, value in checked_overrides(OmegaConf.to_container(cfg, resolve=False), overrides).items():
        with file_errors(file, f"cannot be given {overrides}"):
            OmegaConf.update(cfg, key, value, merge=False)
    with file_errors(file, "lacks a part that a config of detectron2 has"):
        test = cfg.dataloader.test
        [resize] = instantiate(test.mapper.augmentations)
        order = cfg.model.get("input_format") or test.mapper.image_format
    return Recipe(lambda: instantiate(cfg.model), resize, order, test.dataset.names)


def _load_checkpoint(network: Any, path: Path) -> None:
    """Load a checkpoint into a network. Names are matched by detectron2's own rules if the file says so."""
    content = read_checkpoint(path)
    content = content if isinstance(content, dict) else {}
    tensors: Any = as_tensors(content.get("model", content.get("state_dict", content)), path)
    if content.get("matching_heuristics", False):
        tensors = align_and_update_state_dicts(network.state_dict(), tensors, c2_conversion=False)
    # the config or code sets these
    load_state(network, tensors, path, ("pixel_mean", "pixel_std", "cell_anchors"))
