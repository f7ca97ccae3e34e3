"""A run folder for predictions that were made elsewhere under a named protocol.

Everything that it says comes from the protocol on this machine: data, conditions, scoring and the reference. Of the
stranger it has the model's id and what its files say they were made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from segharness.digests import digest
from segharness.errors import UsageError
from segharness.identity import Inputs, StoredRun, protocol_inputs, stored_run
from segharness.plugin.host import PluginHost
from segharness.protocols.named_protocol import NamedProtocol
from segharness.protocols.seal import check_sealed, seal_of_run
from segharness.score.data_sources import DataSources, GivenPlaces, find_data_sources
from segharness.store import RunFolder, manifest_of, read_results, read_shard
from segharness.suite import ModelEntry, StoredReference
from segharness.suite.shared_suite import shared_suite
from segharness.suite.suite import Group


@dataclass(frozen=True)
class AdoptedModel:
    """What a stranger says of a model.

    Attributes:
        id: its id.
        name: of the model, as its plugin offers it.
        inputs: what its files were made from, by data set, as `segharness.identity.Inputs` has it.
    """

    id: str
    name: str
    inputs: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class AdoptedRun:
    """A run folder under a protocol, without its predictions.

    Attributes:
        folder: has the manifest; predictions go to its `shard_files`.
        run: what the manifest says.
        sources: its open data sets and the protocol's reference.
    """

    folder: RunFolder
    run: StoredRun
    sources: DataSources

    def predictions(self, dataset: str, condition: str) -> pa.Table:
        """Return all predictions of a cell, a table of `segharness.store.PREDICTIONS`; check the files before."""
        [model] = self.run.suite.models
        shards = self.sources.datasets[dataset].shards
        files = (self.folder.shard_files(model.id, dataset, condition, shard.index) for shard in shards)
        return pa.concat_tables(read_shard(file).predictions for file in files)


def protocol_run(named: NamedProtocol) -> StoredRun:
    """Return the run of the reference that a protocol was sealed with: its suite, resolved, and its inputs.

    Raises:
        UsageError: the protocol is a draft.
        StoreError: its files are damaged.
    """
    named.sealed()
    return stored_run(manifest_of(read_results(named.results), named.results), named.results)


def run_inputs(folder: RunFolder) -> Inputs:
    """Return what the manifest of a run says its files were made from.

    Raises:
        StoreError: the folder holds no run, or its manifest is not what it says.
    """
    return stored_run(folder.read_manifest(), folder.manifest).inputs


def adopt_run(
    named: NamedProtocol, host: PluginHost, path: Path, model: AdoptedModel, given: GivenPlaces | None = None
) -> AdoptedRun:
    """Make a run folder for a model that was run elsewhere.

    Args:
        named: the protocol, on this machine.
        host: the plugins that offer its data sets and metrics.
        path: of the folder to make.
        model: what the stranger says of the model.
        given: where the protocol's data lie; None for what this machine remembers.

    Raises:
        UsageError: the protocol is a draft or of another scorer, its data are not known on this machine, or the model's
            inputs are not those of the protocol's data sets.
    """
    given = given or GivenPlaces()
    sealed = protocol_run(named)
    datasets = [entry.id for entry in sealed.suite.datasets]
    if sorted(model.inputs) != sorted(datasets):
        raise UsageError(f"the model has inputs on {', '.join(sorted(model.inputs))}; the protocol has {datasets}")
    reference = StoredReference(
        str(named.results), named.sealed().reference["model"], named.sealed().reference["numbers"]
    )
    suite = replace(
        sealed.suite,
        models=(ModelEntry(model.id, model.name),),
        groups=(Group(sealed.suite.groups[0].name, (model.id,), reference),),
    )
    inputs = Inputs({model.id: model.inputs}, sealed.inputs.datasets, sealed.inputs.conditions)
    check_sealed(named.name, named.sealed(), seal_of_run(suite, inputs))
    folder = RunFolder(path)
    path.mkdir(parents=True, exist_ok=True)
    folder.write_manifest(
        {
            "suite": shared_suite(suite),
            "plugin_arguments": {"include": [], "folders": []},
            "protocol": digest(protocol_inputs(suite, inputs)),
            "inputs": inputs.to_json(),
        }
    )
    places = GivenPlaces(given.datasets, (named.reference,), given.variables)
    return AdoptedRun(
        folder, stored_run(folder.read_manifest(), folder.manifest), find_data_sources(folder, host, places)
    )
