"""From a suite's model entry to an object that predicts, in this process or in another interpreter."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from segharness.errors import UsageError
from segharness.identity import weights_inputs
from segharness.model.foreign import ForeignModel
from segharness.model.foreign_environment import environment_of
from segharness.plugin.host import PluginHost, import_file
from segharness.plugin.import_strings import load
from segharness.plugin.packages import packaged
from segharness.plugin.specs import ModelSpec
from segharness.plugin.weights import problem_with
from segharness.records import Model, Recalled
from segharness.suite import ModelEntry
from segharness.suite.local_models import local_reference
from segharness.user.config import settings
from segharness.user.user_dirs import config_file

ANYTHING = object()
"""Of weights of which nothing is expected."""


def load_model(
    entry: ModelEntry, dataset: str, host: PluginHost, device: str, expected: Any = ANYTHING
) -> Model | Recalled:
    """Make the model of an entry, with its options on a data set.

    Args:
        entry, dataset, host, device: which, and where.
        expected: what identities say of the weights; others are refused.

    Raises:
        UsageError: the weights are not those that the spec declares, or what was made is no `Model`.
        Exception: whatever the model's own code raises.
    """
    options = entry.options_on(dataset)
    factory: Callable[..., Any]
    spec: ModelSpec | None = None
    weights, packages = entry.weights, {}
    if entry.local is None:
        spec = host.get(entry.model, ModelSpec)
        if (problem := problem_with(spec, weights)) is not None:
            raise UsageError(problem)
        path, found = weights_inputs(entry, dataset, host)
        if expected is not ANYTHING and found != expected:
            raise UsageError(
                f"the weights of model `{entry.id}` are not those that the run began with: {path or weights}; run again"
            )
        weights = weights if path is None else str(path)
        options = {**options, **spec.fixed}
        owner = f"ModelSpec `{spec.name}`: foreign_packages"
        packages = {name: str(packaged(f"{name}:", owner)) for name in spec.foreign_packages}
    if entry.python is not None and (local := entry.under_python) is not None:
        return ForeignModel(entry.python, local, options, weights, device, packages)
    if entry.local is not None:
        file, function = entry.local
        factory = getattr(import_file(file), function)
    else:
        assert spec is not None
        options = {**options, **_functions(options, spec)}
        assert spec.factory is not None  # one that needs `python:` was refused without it
        factory = load(spec.factory)
    model = factory(**options, **engine_arguments(factory, options, device, weights))
    check_model(model)
    declared = spec.categories if spec is not None else None
    if declared is not None and not is_recalled(model) and list(declared) != list(model.categories):
        raise UsageError(f"the plugin of `{entry.model}` declares other `categories` than the model has")
    return model  # type: ignore[no-any-return]


def check_framework(entry: ModelEntry, host: PluginHost) -> Mapping[str, Any] | None:
    """See that a model can run: its framework is here, or its interpreter has it.

    Returns:
        What is installed under its interpreter; None where it runs in this environment.

    Raises:
        UsageError: it cannot.
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
        elsewhere = (
            ""
            if spec.foreign is None
            else f", or name the interpreter of an environment that has it: `python: PATH` in the suite, or once "
            f"and for all `segharness config set python.{framework} PATH`"
        )
        raise UsageError(f"{framework} is not installed: install it here{elsewhere}")
    return None


def _functions(options: Mapping[str, Any], spec: ModelSpec) -> dict[str, Callable[..., Any]]:
    """Return the functions that options of code name."""
    found = {}
    for key, option in spec.options.items():
        if option.code and (code := local_reference(str(options.get(key)))) is not None:
            found[key] = getattr(import_file(Path(code[0])), code[1])
    return found


def engine_arguments(factory: Callable[..., Any], options: Any, device: str, weights: str | None) -> dict[str, str]:
    """Return `device` and `weights` where the factory has parameters of those names."""
    given = {"device": device, **({"weights": weights} if weights else {})}
    parameters = inspect.signature(factory).parameters
    if weights and "weights" not in parameters and not _takes_anything(parameters):
        raise UsageError("there are `weights`, but the model's factory has no parameter of that name")
    anything = _takes_anything(parameters)
    return {key: value for key, value in given.items() if (key in parameters or anything) and key not in options}


def _takes_anything(parameters: Any) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def is_recalled(model: Any) -> TypeGuard[Recalled]:
    """Return whether an object has detections instead of making them: `recall`, and no `predict`."""
    return isinstance(model, Recalled) and not hasattr(model, "predict")


def check_model(model: Any) -> None:
    """Raise UsageError if an object is neither a `Model` nor a `Recalled`."""
    if is_recalled(model):
        return
    if not callable(getattr(model, "predict", None)):
        raise UsageError(f"a {type(model).__name__} has no method `predict`, which a model needs")
    categories = getattr(model, "categories", None)
    if not isinstance(categories, Sequence) or isinstance(categories, str):
        raise UsageError(f"a {type(model).__name__} has no `categories`: a sequence of names, one a label")
