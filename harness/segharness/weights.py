"""Which weights file a model gets, and whether it is the one that its spec declares."""

from __future__ import annotations

from pathlib import Path

from segharness.digests import file_digest
from segharness.errors import PluginError
from segharness.packages import packaged
from segharness.specs import ModelSpec

RANDOM = "random"
"""The name, among those that a model may know, of weights that were never trained."""


def shipped(spec: ModelSpec) -> Path | None:
    """Return the weights that come with the plugin, which a model gets when its suite gives none.

    The package is found, not imported.

    Raises:
        PluginError: there is no such package.
    """
    if spec.weights_file is None:
        return None
    return packaged(spec.weights_file, f"ModelSpec `{spec.name}`: weights_file")


def weights_of(spec: ModelSpec, given: str | None) -> Path | None:
    """Return the file a model gets: the suite's, or else the plugin's own; None for weights that it fetches by name."""
    if given is not None and given in spec.weights_names:
        return None
    return Path(given) if given else shipped(spec)


def problem_with(spec: ModelSpec, given: str | None) -> str | None:
    """Return what is wrong with the weights a model would get, in one line; None if nothing is.

    `weights_digest` belongs to the plugin's own file, if it has one; else to whatever file a suite gives.
    """
    try:
        path = weights_of(spec, given)
    except PluginError as error:
        return str(error)
    if path is None:
        return None
    advice = "" if given else "; install its plugin again"
    declared = None if given and spec.weights_file else spec.weights_digest
    try:
        with path.open("rb") as file:
            file.read(1)
        found = file_digest(path) if declared is not None else None
    except FileNotFoundError:
        return f"the weights of model `{spec.name}` are missing: no file {path}{advice}"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return f"the weights of model `{spec.name}` cannot be read: {path}: {why}{advice}"
    if found == declared:
        return None
    return (
        f"the weights of model `{spec.name}` are not the ones it declares: {path} has sha256 {str(found)[:16]}..., "
        f"not {str(declared)[:16]}... (damaged, or of another model){advice}"
    )
