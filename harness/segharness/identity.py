"""Identities: all inputs that a prediction file was made from, and the inputs that make two results comparable.

Device count, paths, batch size and time are not part of them. `segharness.execution.input_digests` collects the inputs of a
suite.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from segharness.data.open_dataset import Shard
from segharness.digests import digest
from segharness.errors import StoreError
from segharness.plugin.specs import slug
from segharness.records import CLEAN
from segharness.suite import Suite
from segharness.suite.stored_suite import stored_suite

VERSION = 1
"""The version of the form of identities."""


@dataclass(frozen=True)
class Inputs:
    """The inputs of all files of a run. They are stored in the manifest, so that scoring needs no model.

    Attributes:
        models: by model id and data set id.
        datasets: by data set id.
        conditions: by the name of the condition.
    """

    models: Mapping[str, Mapping[str, Any]]
    datasets: Mapping[str, Any]
    conditions: Mapping[str, Any]

    def of(self, model: str, dataset: str, condition: str, shard: Shard) -> dict[str, Any]:
        """Return all inputs of the files of one shard."""
        return {
            "identity": VERSION,
            "model": self.models[model][dataset],
            "dataset": self.datasets[dataset],
            "condition": self.conditions[condition],
            "shard": [shard.index, shard.start, shard.stop],
        }

    def merged_with(self, before: Inputs, selected: Collection[tuple[str, str]]) -> Inputs:
        """Return these inputs, but those of `before` for every (model, data set) that is not `selected`."""
        models = {
            model: {
                dataset: inputs if (model, dataset) in selected else before.models.get(model, {}).get(dataset, inputs)
                for dataset, inputs in on.items()
            }
            for model, on in self.models.items()
        }
        return Inputs(models, self.datasets, self.conditions)

    def to_json(self) -> dict[str, Any]:
        """Return the inputs as the manifest holds them."""
        return asdict(self)


def protocol_inputs(suite: Suite, inputs: Inputs) -> dict[str, Any]:
    """Return the inputs of the protocol as JSON, without those of models: data, conditions, seed and scoring."""
    protocol = {
        "identity": VERSION,
        "datasets": {d.id: {**inputs.datasets[d.id], **d.protocol} for d in suite.datasets},
        "conditions": [inputs.conditions[name] for name in sorted(c.name for c in suite.conditions)],
        "scoring": suite.scoring.to_json(),
    }
    as_read_back: dict[str, Any] = json.loads(json.dumps(protocol, default=str))
    return as_read_back


@dataclass(frozen=True)
class StoredRun:
    """What a manifest says of its run, checked.

    Attributes:
        suite: the resolved suite.
        inputs: what its files were made from.
        protocol: the inputs of the protocol id, as JSON.
    """

    suite: Suite
    inputs: Inputs
    protocol: Mapping[str, Any]


def stored_run(manifest: Mapping[str, Any], file: object) -> StoredRun:
    """Return what a manifest says of its run. It may come from anybody, so nothing in it is believed unchecked.

    Args:
        manifest: of a run folder or of a results table.
        file: where it stands, for messages.

    Raises:
        StoreError: its suite or inputs are not those of a run, or its protocol id is not that of its protocol.
    """
    suite = stored_suite(manifest, file)
    inputs = _stored_inputs(manifest.get("inputs"), suite, file)
    protocol = protocol_inputs(suite, inputs)
    if manifest.get("protocol") != digest(protocol):
        raise StoreError(
            f"{file}: its protocol id is {manifest.get('protocol')!r:.40}, and that of its protocol is "
            f"{digest(protocol)}: the manifest was changed"
        )
    return StoredRun(suite, inputs, protocol)


def _stored_inputs(data: Any, suite: Suite, file: object) -> Inputs:
    """Return the inputs of a manifest, which must have all models, data sets and conditions of its suite."""
    if not isinstance(data, Mapping) or data.keys() != {"models", "datasets", "conditions"}:
        raise StoreError(f"{file}: the inputs in its manifest are not those of a run")
    datasets = {entry.id for entry in suite.datasets}
    wanted: dict[str, Collection[str]] = {
        "models": {entry.id for entry in suite.models},
        "datasets": datasets,
        "conditions": {condition.name for condition in suite.conditions},
    }
    for key, ids in wanted.items():
        value = data[key]
        if not isinstance(value, Mapping) or not all(isinstance(item, Mapping) for item in value.values()):
            raise StoreError(f"{file}: `inputs.{key}` in its manifest is not a mapping of mappings")
        if lacking := sorted(set(ids) - value.keys()):
            raise StoreError(f"{file}: `inputs.{key}` in its manifest lacks `{lacking[0]}`")
    for id, on in data["models"].items():
        if id in wanted["models"] and not (on.keys() >= datasets and all(isinstance(v, Mapping) for v in on.values())):
            raise StoreError(f"{file}: `inputs.models` in its manifest lacks a data set of `{id}`")
    for entry in suite.datasets:
        recorded = data["datasets"][entry.id]
        if not isinstance(recorded.get("digest"), str):
            raise StoreError(f"{file}: `inputs.datasets` in its manifest has no digest of `{entry.id}`")
        if recorded.get("sample") != entry.sample:
            raise StoreError(f"{file}: its manifest says two things of the sample of `{entry.id}`")
    for condition in suite.conditions:
        recorded = data["conditions"][condition.name]
        name = CLEAN.name if condition.corruption is None else f"{slug(condition.corruption)}-{condition.severity}"
        same = recorded.get("name") == condition.name == name and recorded.get("corruption") == condition.corruption
        drawn = (recorded.get("version"), recorded.get("seed")) == (condition.version, suite.seed)
        if not same or (condition.corruption is not None and not drawn):
            raise StoreError(f"{file}: its manifest says two things of the condition `{condition.name}`")
    return Inputs(data["models"], data["datasets"], data["conditions"])


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Return one line for every input that differs. Items of lists are told apart by their names or ids.

    Example:
        >>> differences({"model": {"threshold": 0.5}}, {"model": {"threshold": 0.7}})
        ['model.threshold: 0.5 -> 0.7']
        >>> differences([{"name": "fog-3", "seed": 0}], [{"name": "fog-3", "seed": 1}, {"name": "snow-1"}])
        ['fog-3.seed: 0 -> 1', 'snow-1: only in the second']
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        lines = []
        for key in sorted({*old, *new}, key=str):
            lines += differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        return lines
    if isinstance(old, list) and isinstance(new, list) and old != new:
        before, after = _by_name(old), _by_name(new)
        if before is not None and after is not None:
            lines = []
            for name in dict.fromkeys((*before, *after)):
                place = f"{path}.{name}" if path else name
                if name not in after or name not in before:
                    lines.append(f"{place}: only in the {'first' if name in before else 'second'}")
                else:
                    lines += differences(before[name], after[name], place)
            return lines or [f"{path}: in another order"]
    return [] if old == new else [f"{path}: {_short(old)} -> {_short(new)}"]


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """Return the items of a list by what tells them apart; None if nothing does."""
    named = {}
    for item in items:
        name = next((item[key] for key in ("name", "id") if key in item), None) if isinstance(item, Mapping) else item
        if not isinstance(name, (str, int, float)) or str(name) in named:
            return None
        named[str(name)] = item
    return named


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
