"""Which files of a repository of the hub are looked at. Imports no framework."""

from __future__ import annotations

from pathlib import Path

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
"""What describes a network; the last five are OneFormer's tokenizer."""

FILES = (*DESCRIPTION, "*.safetensors", "*.safetensors.index.json")
"""All that is fetched, and that predictions are made from: nothing that could run code."""


def described(config: Path) -> list[Path]:
    """Return the files that decide a network with random weights, of a config.json or its folder."""
    folder = config if config.is_dir() else config.parent
    return [
        *([] if config.is_dir() else [config]),
        *(folder / name for name in DESCRIPTION if (folder / name).is_file()),
    ]
