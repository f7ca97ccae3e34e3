"""What planning finds out of a model, once: which weights it gets and what they are, and the environment it runs in.

Workers load by it (`segharness.model.load`) and compare; they fetch and choose nothing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segharness.digests import content_digest
from segharness.errors import UsageError
from segharness.model.foreign_environment import environment_of
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import ModelSpec
from segharness.plugin.weights import files_of_weights, find_weights, is_name
from segharness.suite import ModelEntry
from segharness.user.config import settings
from segharness.user.user_dirs import config_file


@dataclass(frozen=True)
class ResolvedWeights:
    """The weights of a model on a data set.

    Attributes:
        argument: what the model's factory gets: a path, a name that it knows itself, or None.
        content: what is known of their content, as identities have it: a sha256, ``{"files": digest}`` of a folder, a name
            with either; None without weights.
    """

    argument: str | None
    content: Any

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def resolve_weights(entry: ModelEntry, dataset: str, host: PluginHost, fetching: bool = True) -> ResolvedWeights:
    """Find the weights of a model on a data set, and get them there if they have a name.

    Without `fetching`, weights that have a name are known by what the model's spec says of them.

    Raises:
        UsageError: they cannot be fetched, or are not those that the name stands for.
    """
    spec = host.find(entry.model, ModelSpec) if entry.local is None else None
    if spec is None:
        path = Path(entry.weights) if entry.weights else None
        return ResolvedWeights(entry.weights, content_of(path, None))
    named = entry.weights is not None and is_name(spec, entry.weights)
    path = find_weights(spec, entry.weights, entry.options_on(dataset)) if fetching or not named else None
    argument = entry.weights if path is None else str(path)
    content = content_of(path, spec)
    if named:
        known = {"sha256": spec.weights_names.get(str(entry.weights), "")}
        of_path = {"sha256": content} if isinstance(content, str) else content
        return ResolvedWeights(argument, {"name": entry.weights, **(of_path or known)})
    return ResolvedWeights(argument, content)


def content_of(path: Path | None, spec: ModelSpec | None) -> Any:
    """Return what is known of the content of weights: a sha256, or ``{"files": digest}`` of a folder; None without any."""
    if path is None:
        return None
    content = content_digest(path, files_of_weights(spec, path) if spec is not None else None)
    return content.get("sha256") or content or None


def resolve_environment(entry: ModelEntry, host: PluginHost) -> Mapping[str, Any] | None:
    """See that a model can run: its framework is installed here, or under its interpreter.

    Returns:
        What is installed under its interpreter; None if it runs in this environment.

    Raises:
        UsageError: the model cannot run.
    """
    spec = host.find(entry.model, ModelSpec) if entry.local is None else None
    framework = spec.imports if spec is not None else None
    if entry.python is not None:
        try:
            return environment_of(entry.python, framework)
        except UsageError as error:
            key = f"python.{framework}"
            if settings().get(key) != entry.python:
                raise
            raise UsageError(f"{config_file()}: {key}: {error}") from error
    if spec is not None and framework is not None and importlib.util.find_spec(framework) is None:
        advice = (
            ""
            if spec.foreign is None
            else f", or name the interpreter of an environment that has it: `python: PATH` in the suite, or once "
            f"and for all `segharness config set python.{framework} PATH`"
        )
        raise UsageError(f"{framework} is not installed: install it here{advice}")
    return None
