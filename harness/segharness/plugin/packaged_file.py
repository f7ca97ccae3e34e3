"""A file inside an installed package, found without importing the package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from segharness.errors import PluginError


def packaged_file(reference: str, owner: str) -> Path:
    """Return the path that ``"package:path/in/it"`` names, whether or not there is such a file.

    Args:
        reference: the package is a top-level one.
        owner: where the reference stands, for messages: ``ModelSpec `acme/tiny`: weights.shipped``.

    Raises:
        PluginError: there is no such package.
    """
    package, _, name = reference.partition(":")
    try:
        module = importlib.util.find_spec(package)
    except ValueError:  # a module without a file, such as __main__
        module = None
    if module is None or not module.submodule_search_locations:
        raise PluginError(f"{owner} {reference!r}: no package `{package}`")
    return Path(module.submodule_search_locations[0]) / name
