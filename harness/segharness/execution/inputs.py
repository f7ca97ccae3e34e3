"""Finds the inputs that a suite's predictions are made from: specs, options, weights and local source, as digests."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
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
from segharness.suite import ModelEntry, Suite
from segharness.suite.local_models import local_reference, sources

Weights = Mapping[str, Mapping[str, ResolvedWeights]]
"""Of every model on every data set, by their ids."""


def resolve_all_weights(
    suite: Suite, host: PluginHost, selected: Collection[str], objects: Collection[str] = ()
) -> Weights:
    """Find the weights of every model of a suite that is no object; fetch those of the `selected` ones.

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
    suite: Suite, host: PluginHost, dataset_digests: Mapping[str, str], weights: Weights, objects: Collection[str] = ()
) -> Inputs:
    """Hash what a suite names.

    Args:
        suite: what will be run.
        host: its plugins.
        dataset_digests: of the data sets, by id.
        weights: as `resolve_all_weights` found them.
        objects: the ids of models that are objects; what those are made from is known to this run only.
    """
    this_run = uuid.uuid4().hex
    return Inputs(
        {
            model.id: {
                dataset.id: {"object": this_run}
                if model.id in objects
                else model_inputs(model, dataset.id, host, weights[model.id][dataset.id])
                for dataset in suite.datasets
            }
            for model in suite.models
        },
        {entry.id: dataset_inputs(entry.dataset, dataset_digests[entry.id], host) for entry in suite.datasets},
        {condition.name: condition_inputs(condition, suite.seed, host) for condition in suite.conditions},
    )


def source_digest(file: Path) -> str:
    """Return a digest of a Python file and of all that it imports from its own folder and below."""
    folder = file.resolve().parent
    return digest([[str(path.relative_to(folder)), file_digest(path)] for path in sources(file)])


def model_inputs(entry: ModelEntry, dataset: str, host: PluginHost, weights: ResolvedWeights) -> dict[str, Any]:
    """Return what of a model decides its predictions on a data set: spec, options, weights, local source."""
    inputs: dict[str, Any] = {}
    known: Mapping[str, Option] = {}
    if (local := entry.local) is not None:
        inputs["source"] = source_digest(local[0])
        inputs["function"] = local[1]
    elif (spec := host.find(entry.model, ModelSpec)) is not None:
        inputs["name"], inputs["version"], known = spec.name, spec.version, spec.options
        inputs |= _local_source(spec, host)
    else:
        inputs["name"] = entry.model
    inputs["weights"] = weights.content
    inputs["options"] = _by_content(entry.options_on(dataset), known)
    return inputs


def _by_content(options: Mapping[str, Any], known: Mapping[str, Option]) -> dict[str, Any]:
    """Return what options decide: every one that names a file, a folder or code as a digest of its content."""
    inputs = {key: value for key, value in options.items() if key not in known or known[key].decides}
    for key, value in options.items():
        option = known.get(key)
        if option is None or not option.decides:
            continue
        if option.code and (code := local_reference(str(value))) is not None:
            inputs[key] = {"source": source_digest(Path(code[0])), "function": code[1]}
            continue
        path = Path(str(value))
        if option.path and path.exists():
            inputs[key] = content_digest(path, load(option.files)(path) if option.files is not None else None)
    return inputs


def dataset_inputs(name: str, dataset_digest: str, host: PluginHost) -> dict[str, Any]:
    """Return what a data set is; its plugin's version of it only if that is not the first."""
    version = host.get(name, DatasetSpec).version
    inputs = {"name": name, "digest": dataset_digest}
    return inputs if version == "1" else {**inputs, "version": version}


def condition_inputs(condition: Condition, seed: int, host: PluginHost) -> dict[str, Any]:
    """Return what decides the pixels; of a corruption that a plugin beside the suite offers, its source too."""
    if condition.corruption is None:
        return {"name": condition.name}
    inputs = {"name": condition.name, "corruption": condition.corruption, "version": condition.version, "seed": seed}
    return inputs | _local_source(host.get(condition.corruption, CorruptionSpec, MixtureSpec), host)


def _local_source(spec: Any, host: PluginHost) -> dict[str, str]:
    """Return the digest of the local plugin that offers a spec; nothing for one that is installed and has a version."""
    owner = Path(host.owner(spec).name)
    return {"source": source_digest(owner)} if owner.name == BESIDE_SUITE else {}
