"""Loads a network and its image processor from a folder: safetensors only. Runs no code in it, and fetches nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
import transformers
from segharness import RANDOM, UsageError
from segharness_torch.nan_checks import first_nonfinite
from segharness_torch.temporary_seed import torch_seeded

from segharness_transformers.files import problem


@dataclass(frozen=True)
class Family:
    """The names of a family's classes in transformers: network, configuration, image processor."""

    network: str
    config: str
    processor: str


FAMILIES = {
    "mask2former": Family("Mask2FormerForUniversalSegmentation", "Mask2FormerConfig", "Mask2FormerImageProcessor"),
    "maskformer": Family("MaskFormerForInstanceSegmentation", "MaskFormerConfig", "MaskFormerImageProcessor"),
    "oneformer": Family("OneFormerForUniversalSegmentation", "OneFormerConfig", "OneFormerImageProcessor"),
    "eomt": Family("EomtForUniversalSegmentation", "EomtConfig", "EomtImageProcessor"),
    "detr": Family("DetrForObjectDetection", "DetrConfig", "DetrImageProcessor"),
    "sam": Family("SamModel", "SamConfig", "SamImageProcessor"),
    "sam2": Family("Sam2Model", "Sam2Config", "Sam2ImageProcessor"),
}


@dataclass(frozen=True)
class Loaded:
    """A network with its configuration, its image processor, and the folder of both."""

    network: torch.nn.Module
    config: Any
    processor: Any
    folder: Path


def load(family: str, weights: str, config: str | None = None, seed: int = 0) -> Loaded:
    """Return the network in a folder, or one with random weights from a configuration.

    Args:
        family: a key of `FAMILIES`.
        weights: a folder, or `RANDOM`.
        config: for random weights: a config.json, or its folder.
        seed: the seed of random weights.

    Raises:
        UsageError: the weights are another network's, are damaged, or are not safetensors.
    """
    classes = FAMILIES[family]
    if (message := problem(weights, family, config)) is not None:
        raise UsageError(message)
    if config is not None:
        folder = Path(config).parent if Path(config).is_file() else Path(config)
        file = Path(config) if Path(config).is_file() else folder / "config.json"
        settings = _read_config(classes, file)
        with torch_seeded(seed):
            network = _load_or_refuse(lambda: _network_class(classes, settings)(settings), file)
    else:
        folder = Path(weights)
        settings = _read_config(classes, folder / "config.json")
        network = _load_or_refuse(lambda: _load_weights(_network_class(classes, settings), settings, folder), folder)
    return Loaded(network, settings, _load_processor(classes, folder, weights == RANDOM), folder)


def _read_config(classes: Family, file: Path) -> Any:
    try:
        values, _ = transformers.PretrainedConfig.get_config_dict(file.parent, _configuration_file=file.name)
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: cannot be read as a configuration: {_first_lines(error)}") from error
    return _load_or_refuse(lambda: getattr(transformers, classes.config).from_dict(values), file)


def _network_class(classes: Family, config: Any) -> Any:
    """Return the network's class; DETR with a mask head has its own."""
    masked = "DetrForSegmentation" in (config.architectures or ())
    return getattr(transformers, "DetrForSegmentation" if masked else classes.network)


def _load_weights(network_class: Any, config: Any, folder: Path) -> torch.nn.Module:
    with _quiet():
        network, report = network_class.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, by name
        )
    missing = sorted(
        key
        for key in report["missing_keys"]
        if not key.startswith("criterion.") and not key.endswith("num_batches_tracked")  # only training uses them
    )
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(
            f"{folder}: weights of another network than {network_class.__name__}: they lack `{missing[0]}`{more}"
        )
    for key, *sizes in sorted(report["mismatched_keys"]):
        stored, own = (list(size) for size in sizes)
        raise UsageError(f"{folder}: weights of another {network_class.__name__}: `{key}` is {stored}, not {own}")
    if (key := first_nonfinite(network.state_dict())) is not None:
        raise UsageError(f"{folder}: `{key}` is not finite")
    loaded: torch.nn.Module = network
    return loaded


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars out of a run's messages."""
    log: Any = transformers.utils.logging
    shown = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            log.enable_progress_bar()


def _load_processor(classes: Family, folder: Path, random: bool) -> Any:
    """Return the checkpoint's image processor; with random weights it may be the family's default."""
    processor_class = getattr(transformers, classes.processor)
    if not any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        assert random  # `problem` refused other weights
        return processor_class()
    if classes.network.startswith("OneFormer"):  # its class_info_file would be fetched, but only training needs it
        values, _ = processor_class.get_image_processor_dict(folder, local_files_only=True)
        return _load_or_refuse(lambda: processor_class.from_dict({**values, "class_info_file": None}), folder)
    load: Any = transformers.AutoImageProcessor.from_pretrained
    return _load_or_refuse(lambda: load(folder, local_files_only=True, trust_remote_code=False), folder)


def _load_or_refuse(make: Any, path: Path) -> Any:
    """Return what a function makes; turn transformers' errors about the files into a UsageError."""
    try:
        return make()
    except ImportError as error:
        raise UsageError(f"{path}: needs a package that is not installed: {_first_lines(error)}") from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise UsageError(f"{path}: transformers cannot load it: {_first_lines(error)}") from error


def _first_lines(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:240] or type(error).__name__
