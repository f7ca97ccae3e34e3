"""Which weights file a model gets, and whether it is the one that its spec declares."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from segharness.digests import file_digest
from segharness.errors import PluginError
from segharness.specs import ModelSpec


def shipped(spec: ModelSpec) -> Path | None:
    """Return the weights that come with the plugin, which a model gets when its suite gives none.

    The package is found, not imported.

    Raises:
        PluginError: there is no such package.
    """
    if spec.weights_file is None:
        return None
    package, _, name = spec.weights_file.partition(":")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise PluginError(f"ModelSpec `{spec.name}`: weights_file {spec.weights_file!r}: no package `{package}`")
    return Path(found.submodule_search_locations[0]) / name


def weights_of(spec: ModelSpec, given: str | None) -> Path | None:
    """Return the file a model gets: the suite's, or else the plugin's own."""
    return Path(given) if given else shipped(spec)


def problem_with(spec: ModelSpec, given: str | None) -> str | None:
    """Return what is wrong with the weights a model would get, in one line; None if nothing is.

    `weights_digest` belongs to the plugin's own file, if it has one; else to whatever file a suite gives.
    """
    path = weights_of(spec, given)
    if path is None or spec.weights_digest is None or (given and spec.weights_file):
        return None
    advice = "" if given else "; install its plugin again"
    if not path.is_file():
        return f"the weights of model `{spec.name}` are missing: no file {path}{advice}"
    found = file_digest(path)
    if found == spec.weights_digest:
        return None
    return (
        f"the weights of model `{spec.name}` are not the ones it declares: {path} has sha256 {found[:16]}..., "
        f"not {spec.weights_digest[:16]}... (damaged, or of another model){advice}"
    )
