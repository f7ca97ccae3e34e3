"""The places of a user's files, by the XDG rules: settings, what is remembered, and caches that can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def config_file() -> Path:
    """Return the file of `segharness config`: ``~/.config/segharness/config.toml``, unless XDG_CONFIG_HOME is set."""
    return _home("XDG_CONFIG_HOME", ".config") / "segharness" / "config.toml"


def cache_folder() -> Path:
    """Return the folder of caches: ``~/.cache/segharness``, unless XDG_CACHE_HOME is set."""
    return _home("XDG_CACHE_HOME", ".cache") / "segharness"


def state_folder() -> Path:
    """Return the folder of what is remembered: ``~/.local/state/segharness``, unless XDG_STATE_HOME is set."""
    return _home("XDG_STATE_HOME", ".local/state") / "segharness"


def _home(variable: str, default: str) -> Path:
    folder = os.environ.get(variable, "")
    return Path(folder) if Path(folder).is_absolute() else Path.home() / default
