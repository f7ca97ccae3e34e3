"""Planning resolves each model once: its weights with their digest, and the environment that it runs in.

Workers load the resolved weights (`segharness.model.load`) and check that they are unchanged. They fetch and choose
nothing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segharness.digests import content_digest
from segharness.errors import UsageError, coded
from segharness.model.foreign_environment import environment_of
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import ModelSpec
from segharness.plugin.weights import find_weights, is_weights_name, origin_of, weights_files
from segharness.suite import ModelEntry
from segharness.user.config import settings
from segharness.user.user_dirs import config_file


@dataclass(frozen=True)
class ResolvedWeights:
    """The weights of a model on a data set.

    Attributes:
        argument: the argument for the model's factory: a path, a name that the factory resolves, or None.
        content: their content, as identities contain it: a sha256, ``{"files": digest}`` for a folder, or a name with
            either of them; None without weights.
        origin: where fetched weights came from, such as ``owner/name@commit``; None if it is not known.
        note: what the user should know of that.
    """

    argument: str | None
    content: Any
    origin: str | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the weights as a JSON object."""
        return asdict(self)


def resolve_weights(entry: ModelEntry, dataset: str, host: PluginHost, fetching: bool = True) -> ResolvedWeights:
    """Find the weights of a model on a data set, and fetch them if they have a name.

    Without `fetching`, the content of weights with a name comes from the model's spec.

    Raises:
        UsageError: the weights cannot be fetched, or are not those that the name stands for.
    """
    spec = host.find(entry.model, ModelSpec) if entry.local_function is None else None
    if spec is None:
        path = Path(entry.weights) if entry.weights else None
        return ResolvedWeights(entry.weights, content_of(path, None))
    named = entry.weights is not None and is_weights_name(spec, entry.weights)
    path = find_weights(spec, entry.weights, entry.options_on(dataset)) if fetching or not named else None
    argument = entry.weights if path is None else str(path)
    content = content_of(path, spec)
    if named:
        declared = {"sha256": spec.weights.names.get(str(entry.weights), "")}
        fetched = {"sha256": content} if isinstance(content, str) else content
        origin = origin_of(spec, str(entry.weights), path, entry.options_on(dataset)) if path is not None else None
        recorded = (origin.address, origin.note) if origin is not None else (None, "")
        return ResolvedWeights(argument, {"name": entry.weights, **(fetched or declared)}, *recorded)
    return ResolvedWeights(argument, content)


def content_of(path: Path | None, spec: ModelSpec | None) -> Any:
    """Return the content of weights: a sha256, or ``{"files": digest}`` for a folder; None without weights."""
    if path is None:
        return None
    content = content_digest(path, weights_files(spec, path) if spec is not None else None)
    return content.get("sha256") or content or None


def resolve_environment(entry: ModelEntry, host: PluginHost) -> Mapping[str, Any] | None:
    """Check that a model can run: its framework is installed here, or under its foreign interpreter.

    Returns:
        The packages under its foreign interpreter; None if it runs in this environment.

    Raises:
        UsageError: the model cannot run.
    """
    spec = host.find(entry.model, ModelSpec) if entry.local_function is None else None
    framework = spec.imports if spec is not None else None
    if entry.python is not None:
        try:
            return environment_of(entry.python, framework)
        except UsageError as error:
            key = f"python.{framework}"
            if settings().get(key) != entry.python:
                raise
            raise UsageError(f"{config_file()}: {key}: {error}") from error
    if (problem := missing_framework(entry, host)) is not None:
        raise UsageError(problem)
    return None


def missing_framework(entry: ModelEntry, host: PluginHost) -> str | None:
    """Return what to install if a model's framework is not in this environment and no other is named, or None."""
    spec = host.find(entry.model, ModelSpec) if entry.local_function is None else None
    if entry.python is not None or spec is None or spec.imports is None:
        return None
    if importlib.util.find_spec(spec.imports) is not None:
        return None
    advice = (
        ""
        if spec.foreign is None
        else f", or name the interpreter of an environment that has it: `python: PATH` in the suite, or once "
        f"and for all `segharness config set python.{spec.imports} PATH`"
    )
    return coded("T20", f"{spec.imports} is not installed: install it here (pip install {spec.imports}){advice}")


def model_list(ids: Sequence[str]) -> str:
    """Return models for a message: up to three of them, and how many more there are.

    Example:
        >>> model_list(["`a`", "`b`", "`c`", "`d`"])
        'models `a`, `b`, `c` and 1 more'
    """
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return f"model{'s' if len(ids) > 1 else ''} {', '.join(ids[:3])}{more}"
