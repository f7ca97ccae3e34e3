"""What is still to do: shards that are missing, gathered into units; and the job that all workers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from segharness.data.dataset import OpenDataset, Shard
from segharness.digests import digest
from segharness.errors import StoreError
from segharness.execution.inputs import Weights
from segharness.identity import Inputs, differences
from segharness.model.resolve import ResolvedWeights
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.specs import ModelSpec, Needs
from segharness.store import RunFolder, ShardState, shard_state
from segharness.suite import Plan, Suite

_ShardKey: TypeAlias = tuple[str, str, str, Shard]
"""Model, data set, condition and shard: what has a pair of files."""

_LOOKING_THREADS = 16


@dataclass(frozen=True)
class Unit:
    """What a worker takes: one model on one shard, with the conditions still missing."""

    index: int
    model: str
    dataset: str
    shard: Shard
    conditions: tuple[str, ...]

    @property
    def images(self) -> int:
        """The number of predictions that the unit makes."""
        return (self.shard.stop - self.shard.start) * len(self.conditions)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Unit:
        return cls(data["index"], data["model"], data["dataset"], Shard(**data["shard"]), tuple(data["conditions"]))


@dataclass(frozen=True)
class Job:
    """All that a worker needs besides its units; travels as JSON.

    Attributes:
        suite: what is run.
        folder: the run folder, a path or URL.
        plugins: which to load.
        inputs: those seen when planning; a worker that opens other data refuses to work.
        weights: of every model on every data set, as planning resolved them.
        threads: how many a worker may keep busy beside the one that predicts.
        needs: of the models, by id.
    """

    suite: Suite
    folder: str
    plugins: PluginArguments
    inputs: Inputs
    weights: Weights
    threads: int = 1
    needs: Mapping[str, Needs] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "suite": self.suite.to_json(),
            "folder": self.folder,
            "plugins": asdict(self.plugins),
            "inputs": self.inputs.to_json(),
            "weights": {
                model: {dataset: weights.to_json() for dataset, weights in by_dataset.items()}
                for model, by_dataset in self.weights.items()
            },
            "threads": self.threads,
            "needs": {model: asdict(needs) for model, needs in self.needs.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        plugins = data["plugins"]
        return cls(
            Suite.from_json(data["suite"]),
            data["folder"],
            PluginArguments(tuple(plugins["include"]), tuple(plugins["folders"]), plugins["strict"]),
            Inputs(**data["inputs"]),
            {
                model: {dataset: ResolvedWeights(**weights) for dataset, weights in by_dataset.items()}
                for model, by_dataset in data["weights"].items()
            },
            data["threads"],
            {model: Needs(**needs) for model, needs in data["needs"].items()},
        )


def needs_of(suite: Suite, host: PluginHost) -> dict[str, Needs]:
    """Return what every model needs of a device: what its plugin says, and the suite over it."""
    needs = {}
    for entry in suite.models:
        spec = host.find(entry.model, ModelSpec)
        needs[entry.id] = replace(spec.needs if spec is not None else Needs(), **entry.needs)
    return needs


@dataclass(frozen=True)
class Remaining:
    """The work that is left, and what was found on disk.

    Attributes:
        units: what to run.
        reused: predictions (image x condition) that are there already.
        damaged: one line for every file that is there but broken, and is made again.
    """

    units: tuple[Unit, ...]
    reused: int
    damaged: tuple[str, ...]


def remaining(
    plan: Plan, datasets: Mapping[str, OpenDataset], inputs: Inputs, folder: RunFolder, fresh: bool
) -> Remaining:
    """Return the units that the selected cells still need; with `fresh`, all of them, and nothing is in the way.

    Raises:
        StoreError: files of the suite's cells, selected or not, were made from other inputs; the message says which.
    """
    selected = {cell.key for cell in plan.selected}
    by_shards: dict[tuple[str, str], list[str]] = {}
    for cell in plan.cells:
        by_shards.setdefault((cell.model, cell.dataset), []).append(cell.condition.name)
    units: list[Unit] = []
    damaged: list[str] = []
    stale: dict[str, str] = {}
    reused = 0
    shard_keys = [
        (model, dataset, condition, shard)
        for (model, dataset), conditions in by_shards.items()
        for shard in datasets[dataset].shards
        for condition in conditions
    ]
    states = {} if fresh else _states_on_disk(shard_keys, inputs, folder)
    for (model, dataset), conditions in by_shards.items():
        for shard in datasets[dataset].shards:
            missing = []
            for condition in conditions:
                if fresh:
                    missing += [condition] if (model, dataset, condition) in selected else []
                    continue
                on_disk = states[model, dataset, condition, shard]
                if on_disk.state == "stale":
                    now = inputs.of(model, dataset, condition, shard)
                    files = folder.shard(model, dataset, condition, shard.index)
                    stale.setdefault(_changed(on_disk.inputs or {}, now), str(files.predictions))
                if (model, dataset, condition) not in selected:
                    continue
                if on_disk.state == "damaged":
                    damaged.append(on_disk.detail)
                if on_disk.state == "done":
                    reused += shard.stop - shard.start
                else:
                    missing.append(condition)
            if missing:
                units.append(Unit(len(units), model, dataset, shard, tuple(missing)))
    if stale:
        raise StoreError(
            f"{file} (and others) were made from other inputs: {changed}. "
            "Give --fresh to replace them, or --out DIR to keep them"
            for changed, file in stale.items()
        )
    return Remaining(tuple(units), reused, tuple(damaged))


def _states_on_disk(shard_keys: Sequence[_ShardKey], inputs: Inputs, folder: RunFolder) -> dict[_ShardKey, ShardState]:
    """Return what is on disk for each shard; a store answers slowly, so several threads ask it."""

    def state(key: _ShardKey) -> ShardState:
        model, dataset, condition, shard = key
        files = folder.shard(model, dataset, condition, shard.index)
        return shard_state(files, digest(inputs.of(model, dataset, condition, shard)))

    with ThreadPoolExecutor(1 if isinstance(folder.path, Path) else _LOOKING_THREADS, "look") as pool:
        return dict(zip(shard_keys, pool.map(state, shard_keys), strict=True))


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return what differs between two shards' inputs, in words."""
    old, new = before.get("shard"), now["shard"]
    lines = [line for line in differences(before, now) if not line.startswith("shard")]
    if old != new and old:
        lines.append(f"limit or shard size: images {old[1]}-{old[2]} -> {new[1]}-{new[2]}")
    return "; ".join(lines)
