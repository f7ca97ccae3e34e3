"""From a folder to a network and its preprocessing: safetensors only, no code of others, nothing fetched."""

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
from segharness_torch.finite import first_nonfinite
from segharness_torch.seeding import torch_seeded

from segharness_transformers.files import problem


@dataclass(frozen=True)
class Family:
    """Names of transformers' classes."""

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
    """Return what a folder, or `RANDOM` with a configuration, stands for.

    Raises:
        UsageError: it is another network's, damaged, or no safetensors.
    """
    known = FAMILIES[family]
    if (wrong := problem(weights, family, config)) is not None:
        raise UsageError(wrong)
    if config is not None:
        folder = Path(config).parent if Path(config).is_file() else Path(config)
        file = Path(config) if Path(config).is_file() else folder / "config.json"
        settings = _config(known, file)
        with torch_seeded(seed):
            network = _made(lambda: _class(known, settings)(settings), file)
    else:
        folder = Path(weights)
        settings = _config(known, folder / "config.json")
        network = _made(lambda: _weights(_class(known, settings), settings, folder), folder)
    return Loaded(network, settings, _processor(known, folder, weights == RANDOM), folder)


def _config(known: Family, file: Path) -> Any:
    try:
        found, _ = transformers.PretrainedConfig.get_config_dict(file.parent, _configuration_file=file.name)
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: no configuration that can be read: {_first(error)}") from error
    return _made(lambda: getattr(transformers, known.config).from_dict(found), file)


def _class(known: Family, config: Any) -> Any:
    """Return the network's class; DETR with a mask head is another one."""
    masked = "DetrForSegmentation" in (config.architectures or ())
    return getattr(transformers, "DetrForSegmentation" if masked else known.network)


def _weights(kind: Any, config: Any, folder: Path) -> torch.nn.Module:
    with _quiet():
        network, about = kind.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
        )
    missing = sorted(
        key
        for key in about["missing_keys"]
        if not key.startswith("criterion.") and not key.endswith("num_batches_tracked")  # what only training looks at
    )
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(f"{folder}: weights of another network than {kind.__name__}: they lack `{missing[0]}`{more}")
    for key, *sizes in sorted(about["mismatched_keys"]):
        theirs, own = (list(size) for size in sizes)
        raise UsageError(f"{folder}: weights of another {kind.__name__}: `{key}` is {theirs}, not {own}")
    if (key := first_nonfinite(network.state_dict())) is not None:
        raise UsageError(f"{folder}: `{key}` is not finite")
    return network


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars out of a run's messages."""
    log = transformers.utils.logging
    shown = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            log.enable_progress_bar()


def _processor(known: Family, folder: Path, random: bool) -> Any:
    """Return the checkpoint's image processor; that of random weights may be the family's default."""
    kind = getattr(transformers, known.processor)
    if not any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        assert random  # others were refused
        return kind()
    if known.network.startswith("OneFormer"):  # its class file would be fetched, and is for training
        found, _ = kind.get_image_processor_dict(folder, local_files_only=True)
        return _made(lambda: kind.from_dict({**found, "class_info_file": None}), folder)
    load = transformers.AutoImageProcessor.from_pretrained
    return _made(lambda: load(folder, local_files_only=True, trust_remote_code=False), folder)


def _made(make: Any, where: Path) -> Any:
    """Return what a function makes; what transformers says is wrong with the files is the user's to know."""
    try:
        return make()
    except ImportError as error:
        raise UsageError(f"{where}: needs a package that is not installed: {_first(error)}") from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise UsageError(f"{where}: transformers cannot load it: {_first(error)}") from error


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:240] or type(error).__name__
