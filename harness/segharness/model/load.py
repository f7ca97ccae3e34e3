"""Makes the model of a suite's entry, in this process or under a foreign interpreter."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from segharness.errors import UsageError
from segharness.model.foreign import ForeignModel
from segharness.model.interface import has_stored_predictions, require_model
from segharness.model.resolve import ResolvedWeights, content_of
from segharness.plugin.host import PluginHost
from segharness.plugin.import_file import import_file
from segharness.plugin.import_strings import load
from segharness.plugin.packaged_file import packaged_file
from segharness.plugin.specs import ModelSpec
from segharness.records import Model, StoredPredictions
from segharness.suite import DatasetEntry, ModelEntry
from segharness.suite.local_functions import local_reference
from segharness.suite.suite import AS_PUBLISHED


def load_model(
    entry: ModelEntry, dataset: DatasetEntry, host: PluginHost, device: str, weights: ResolvedWeights
) -> Model | StoredPredictions:
    """Make the model of an entry with its options for a data set.

    Args:
        entry: the model's entry in the suite.
        dataset: the data set.
        host: the plugins.
        device: torch's name of the device.
        weights: the weights that planning resolved.

    Raises:
        UsageError: the weights have changed since planning, or the factory returned no model.
        Exception: any error of the model's own code.
    """
    options = entry.options_on(dataset.id)
    from_engine = {"device": device, "weights": weights.argument or None}
    is_stored = entry.local_function is None and host.get(entry.model, ModelSpec).stored
    if entry.resolution_on(dataset) != AS_PUBLISHED and not is_stored:
        from_engine["resolution"] = entry.resolution_on(dataset)
    factory: Callable[..., Any]
    spec: ModelSpec | None = None
    packages: dict[str, str] = {}
    if entry.local_function is None:
        spec = host.get(entry.model, ModelSpec)
        options = {**options, **spec.fixed}
        owner = f"ModelSpec `{spec.name}`: foreign.packages"
        of_foreign = spec.foreign.packages if spec.foreign is not None else ()
        packages = {name: str(packaged_file(f"{name}:", owner)) for name in of_foreign}
    _check_unchanged(entry, spec, weights)
    if entry.python is not None and (foreign := entry.foreign_function) is not None:
        return ForeignModel(entry.python, foreign, options, from_engine, packages)
    if entry.local_function is not None:
        file, function = entry.local_function
        factory = getattr(import_file(file), function)
    else:
        assert spec is not None
        options = {**options, **_functions(options, spec)}
        assert spec.factory is not None  # a model that needs `python:` was refused without it
        factory = load(spec.factory)
    model = factory(**options, **_engine_arguments(factory, options, from_engine))
    require_model(model)
    declared = spec.categories if spec is not None else None
    if declared is not None and not has_stored_predictions(model) and list(declared) != list(model.categories):
        raise UsageError(f"the plugin of `{entry.model}` declares other `categories` than the model has")
    return model  # type: ignore[no-any-return]


def _check_unchanged(entry: ModelEntry, spec: ModelSpec | None, weights: ResolvedWeights) -> None:
    """Raise UsageError if a model's weights have changed since planning."""
    if weights.argument is None or not Path(weights.argument).is_absolute():
        return  # no weights, or a name that the factory resolves
    expected = weights.content
    if isinstance(expected, Mapping) and "name" in expected:
        expected = expected.get("sha256") or {"files": expected["files"]}
    if not Path(weights.argument).exists():
        raise UsageError(f"the weights of model `{entry.id}` are missing: no file {weights.argument}; run again")
    if content_of(Path(weights.argument), spec) != expected:
        raise UsageError(
            f"the weights of model `{entry.id}` are not those that the run began with: {weights.argument}; run again"
        )


def _functions(options: Mapping[str, Any], spec: ModelSpec) -> dict[str, Callable[..., Any]]:
    """Return the functions that are named by options of code."""
    functions = {}
    for key, option in spec.options.items():
        if option.code and (code := local_reference(str(options.get(key)))) is not None:
            functions[key] = getattr(import_file(Path(code[0])), code[1])
    return functions


def _engine_arguments(factory: Callable[..., Any], options: Any, given: Mapping[str, str | None]) -> dict[str, str]:
    """Return those arguments of the engine that the factory has parameters for."""
    parameters = inspect.signature(factory).parameters
    takes_anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    arguments = {key: value for key, value in given.items() if value is not None}
    for key in ("weights", "resolution"):
        if key in arguments and key not in parameters and not takes_anything:
            raise UsageError(f"there is `{key}`, but the model's factory has no parameter of that name")
    return {
        key: value for key, value in arguments.items() if (key in parameters or takes_anything) and key not in options
    }
