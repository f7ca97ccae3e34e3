"""A file inside an installed package, found without importing the package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from segharness.errors import PluginError


def packaged_file(reference: str, owner: str) -> Path:
    """Return where ``"package:path/in/it"`` lies, whether or not there is such a file.

    Args:
        reference: of a top-level package.
        owner: what messages call whoever says so, e.g. ``ModelSpec `acme/tiny`: weights_file``.

    Raises:
        PluginError: there is no such package.
    """
    package, _, name = reference.partition(":")
    try:
        found = importlib.util.find_spec(package)
    except ValueError:  # a module that was not imported from anywhere, such as __main__
        found = None
    if found is None or not found.submodule_search_locations:
        raise PluginError(f"{owner} {reference!r}: no package `{package}`")
    return Path(found.submodule_search_locations[0]) / name
