"""Where a user's own files are, by the XDG rules: the configuration, and what can be made again at any time."""

from __future__ import annotations

import os
from pathlib import Path


def config_file() -> Path:
    """Return the file of `segharness config`: ``~/.config/segharness/config.toml`` where XDG_CONFIG_HOME is not set."""
    return _home("XDG_CONFIG_HOME", ".config") / "segharness" / "config.toml"


def cache_folder() -> Path:
    """Return the folder of what is kept to be quick: ``~/.cache/segharness`` where XDG_CACHE_HOME is not set."""
    return _home("XDG_CACHE_HOME", ".cache") / "segharness"


def _home(variable: str, usual: str) -> Path:
    given = os.environ.get(variable, "")
    return Path(given) if Path(given).is_absolute() else Path.home() / usual
