"""Collects the inputs of a suite's predictions as digests: specs, options, weights and local source."""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from segharness.digests import content_digest, digest, file_digest
from segharness.identity import Inputs
from segharness.model.resolve import ResolvedWeights, resolve_weights
from segharness.plugin.host import BESIDE_SUITE, PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.options import Option
from segharness.plugin.specs import CorruptionSpec, DatasetSpec, MixtureSpec, ModelSpec
from segharness.records import Condition
from segharness.suite import DatasetEntry, ModelEntry, Suite
from segharness.suite.local_functions import code_of, local_reference, source_files
from segharness.suite.shared_suite import names_place
from segharness.suite.suite import AS_PUBLISHED

Weights = Mapping[str, Mapping[str, ResolvedWeights]]
"""The weights of every model on every data set: model id -> data set id -> weights."""


def resolve_all_weights(
    suite: Suite, host: PluginHost, selected: Collection[str], objects: Collection[str] = ()
) -> Weights:
    """Find the weights of every model in a suite that is not an object. Fetch those of the `selected` models.

    Raises:
        UsageError: weights cannot be fetched.
    """
    return {
        model.id: {
            dataset.id: resolve_weights(model, dataset.id, host, fetching=model.id in selected)
            for dataset in suite.datasets
        }
        for model in suite.models
        if model.id not in objects
    }


def find_inputs(
    suite: Suite,
    host: PluginHost,
    dataset_digests: Mapping[str, str],
    weights: Weights,
    objects: Collection[str] = (),
    earlier: Callable[[], Inputs | None] = lambda: None,
) -> Inputs:
    """Hash everything that a suite names.

    Args:
        suite: the suite to run.
        host: its plugins.
        dataset_digests: the digests of the data sets, by id.
        weights: the result of `resolve_all_weights`.
        objects: the ids of models that are objects. Nothing identifies them beyond this run.
        earlier: returns the inputs that the run's folder records, if it has a run already.
    """

    @functools.cache
    def recorded() -> Collection[str]:
        inputs = earlier()
        return recorded_sources(inputs.models) if inputs is not None else set()

    this_run = uuid.uuid4().hex
    return Inputs(
        {
            model.id: {
                dataset.id: {"object": this_run}
                if model.id in objects
                else model_inputs(model, dataset, host, weights[model.id][dataset.id], recorded)
                for dataset in suite.datasets
            }
            for model in suite.models
        },
        {entry.id: dataset_inputs(entry, dataset_digests[entry.id], host) for entry in suite.datasets},
        {condition.name: condition_inputs(condition, suite.seed, host) for condition in suite.conditions},
    )


def source_digest(file: Path) -> str:
    """Return a digest of a Python file and of everything that it imports from its own folder and below, to the byte."""
    folder = file.resolve().parent
    return digest([[str(path.relative_to(folder)), file_digest(path)] for path in source_files(file)])


Recorded = Callable[[], Collection[str]]
"""Returns the digests of code that the run's folder records; only asked where there is code of one's own."""


def code_digest(file: Path, recorded: Recorded = tuple) -> str:
    """Return a digest of the code of a Python file, and of what it imports from its own folder and below.

    Comments and blank lines do not count. Runs of earlier versions recorded `source_digest`, where they did.

    Args:
        file: the Python file.
        recorded: the digests of an earlier run. If `source_digest` is one of them, it is returned, and the run goes on.
    """
    if (as_written := source_digest(file)) in recorded():
        return as_written
    folder = file.resolve().parent
    codes = [(path, hashlib.sha256(code_of(path.read_bytes())).hexdigest()) for path in source_files(file)]
    return digest([[path.relative_to(folder).as_posix(), code] for path, code in codes])


def recorded_sources(inputs: Any) -> set[str]:
    """Return every digest of code in the inputs of an earlier run, at any depth."""
    if isinstance(inputs, Mapping):
        own = {inputs["source"]} if isinstance(inputs.get("source"), str) else set()
        return own.union(*(recorded_sources(value) for value in inputs.values()))
    return set()


def model_inputs(
    entry: ModelEntry, dataset: DatasetEntry, host: PluginHost, weights: ResolvedWeights, recorded: Recorded = tuple
) -> dict[str, Any]:
    """Return the inputs that determine a model's predictions on a data set: spec, options, weights, code, resolution.

    `recorded` are digests of an earlier run, as of `code_digest`.
    """
    inputs: dict[str, Any] = {}
    declared: Mapping[str, Option] = {}
    spec: ModelSpec | None = None
    if (local := entry.local_function) is not None:
        inputs["source"] = code_digest(local[0], recorded)
        inputs["function"] = local[1]
    elif (spec := host.find(entry.model, ModelSpec)) is not None:
        inputs["name"], inputs["version"], declared = spec.name, spec.version, spec.options
        if (plugin_file := _local_plugin(spec, host)) is not None:
            inputs["source"] = code_digest(plugin_file, recorded)
    else:
        inputs["name"] = entry.model
    inputs["weights"] = weights.content
    inputs["options"] = _by_content(entry, dataset.id, declared, recorded)
    is_stored = spec is not None and spec.stored  # its predictions are made, whatever the suite says
    if (resolution := entry.resolution_on(dataset)) != AS_PUBLISHED and not is_stored:
        inputs["resolution"] = resolution
    return inputs


def _by_content(entry: ModelEntry, dataset: str, declared: Mapping[str, Option], recorded: Recorded) -> dict[str, Any]:
    """Return the options that change predictions. One that names a file, a folder or code becomes a content digest.

    One that the value of a variable went into becomes a digest, too: it may be a secret, and identities are shared. So
    does a path in an option that the model's plugin does not declare. `declared` are those that it does.
    """
    options = entry.options_on(dataset)
    inputs = {key: value for key, value in options.items() if key not in declared or declared[key].decides}
    for key, value in options.items():
        option = declared.get(key)
        if option is not None and not option.decides:
            continue
        if entry.is_from_variable(key, dataset) or (option is None and names_place(value)):
            inputs[key] = {"digest": digest(value)}
        if option is None:
            continue
        if option.code and (code := local_reference(str(value))) is not None:
            inputs[key] = {"source": code_digest(Path(code[0]), recorded), "function": code[1]}
            continue
        path = Path(str(value))
        if option.path and path.exists():
            inputs[key] = content_digest(path, load(option.files)(path) if option.files is not None else None)
    return inputs


def dataset_inputs(entry: DatasetEntry, dataset_digest: str, host: PluginHost) -> dict[str, Any]:
    """Return the inputs of a data set: its name and digest, the size of its sample, and the version of its plugin.

    The version is left out while it is ``"1"``, and the sample where none is drawn: identities do not change by them.
    """
    version = host.get(entry.dataset, DatasetSpec).version
    inputs: dict[str, Any] = {"name": entry.dataset, "digest": dataset_digest}
    inputs |= {} if version == "1" else {"version": version}
    return inputs if entry.sample is None else {**inputs, "sample": entry.sample}


def condition_inputs(condition: Condition, seed: int, host: PluginHost) -> dict[str, Any]:
    """Return the inputs that determine the pixels. A corruption of a plugin beside the suite adds its source.

    They are part of the protocol id, which others compare, so the source counts as it is written.
    """
    if condition.corruption is None:
        return {"name": condition.name}
    inputs = {"name": condition.name, "corruption": condition.corruption, "version": condition.version, "seed": seed}
    plugin_file = _local_plugin(host.get(condition.corruption, CorruptionSpec, MixtureSpec), host)
    return inputs if plugin_file is None else {**inputs, "source": source_digest(plugin_file)}


def _local_plugin(spec: Any, host: PluginHost) -> Path | None:
    """Return the file of the local plugin that offers a spec; None if the plugin is installed."""
    plugin_file = Path(host.owner(spec).name)
    return plugin_file if plugin_file.name == BESIDE_SUITE else None
