"""Identities: all inputs that a prediction file was made from, and the inputs that make two results comparable.

Device count, paths, batch size and time are not part of them. `segharness.execution.input_digests` collects the inputs of a
suite.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from segharness.data.open_dataset import Shard
from segharness.suite import Suite

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
    """Return the inputs of the protocol, without those of models: data, conditions, seed and scoring."""
    return {
        "identity": VERSION,
        "datasets": {d.id: {**inputs.datasets[d.id], "limit": d.limit, **d.policy} for d in suite.datasets},
        "conditions": [inputs.conditions[name] for name in sorted(c.name for c in suite.conditions)],
        "scoring": suite.scoring.to_json(),
    }


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Return one line for every input that differs.

    Example:
        >>> differences({"model": {"threshold": 0.5}}, {"model": {"threshold": 0.7}})
        ['model.threshold: 0.5 -> 0.7']
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        lines = []
        for key in sorted({*old, *new}):
            lines += differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        return lines
    return [] if old == new else [f"{path}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
