"""The files of a model on the hub, and checks of them that need no framework."""

from __future__ import annotations

import json
from pathlib import Path

from segharness import RANDOM

DESCRIPTION = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
)
"""Files that describe a network; the last five are OneFormer's tokenizer."""

FILES = (*DESCRIPTION, "*.safetensors", "*.safetensors.index.json")
"""All files that are fetched and that predictions depend on. None of them can run code."""


def description_files(config: Path) -> list[Path]:
    """Return the files that define a network with random weights, from a config.json or its folder."""
    folder = config if config.is_dir() else config.parent
    return [
        *([] if config.is_dir() else [config]),
        *(folder / name for name in DESCRIPTION if (folder / name).is_file()),
    ]


TYPES = {
    "mask2former": ("mask2former",),
    "maskformer": ("maskformer",),
    "oneformer": ("oneformer",),
    "eomt": ("eomt",),
    "detr": ("detr",),
    "sam": ("sam",),
    "sam2": ("sam2", "sam2_video"),
}
"""The allowed values of `model_type` in config.json, by family."""


def problem(weights: str, family: str, config: str | None = None) -> str | None:
    """Return what is wrong with the files of a model, in a line; None if no problem shows without the framework.

    Args:
        weights: the absolute path of a folder, ``random``, or a name on the hub, whose files are checked when fetched.
        family: a key of `TYPES`.
        config: for random weights: a config.json, or its folder.
    """
    if weights == RANDOM:
        if config is None:
            return "`weights: random` needs the option `config`: a config.json, or a folder with one"
        file = Path(config)
        return _problem_with_config(file if file.is_file() else file / "config.json", family)
    if config is not None:
        return "the option `config` is for `weights: random`; other weights have their own"
    folder = Path(weights)
    if not folder.is_absolute():
        return None
    return problem_with_folder(folder) or _problem_with_config(folder / "config.json", family)


def problem_with_folder(folder: Path) -> str | None:
    """Return which file a folder of weights lacks, in a line; None if it is complete."""
    if not folder.is_dir():
        return f"{folder} is a file, not a folder with config.json and *.safetensors"
    if not (folder / "config.json").is_file():
        return f"{folder} has no config.json"
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in folder.glob(pattern))
        more = f"; {pickles[0]} is not loaded, for it could run any code" if pickles else ""
        return f"{folder} has no *.safetensors{more}"
    if not any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        return f"{folder} has no preprocessor_config.json, which says how images are prepared for the network"
    return None


def _problem_with_config(file: Path, family: str) -> str | None:
    try:
        settings = json.loads(file.read_bytes())
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"
    except (ValueError, RecursionError) as error:
        return f"{file} is no JSON: {error}"
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind not in TYPES[family]:
        mismatch = f"is of a model of type {kind!r:.60}" if isinstance(settings, dict) else "is no mapping"
        return f"{file} {mismatch}, not of {' or '.join(TYPES[family])}"
    return None
