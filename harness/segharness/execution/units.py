"""The remaining work: missing shards, grouped into units, and the job that all workers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from segharness.data.open_dataset import OpenDataset, Shard
from segharness.digests import digest
from segharness.errors import StoreError, coded
from segharness.execution.input_digests import Weights
from segharness.execution.settings import DEFAULT_GIVE_UP_AFTER
from segharness.identity import Inputs, differences
from segharness.model.resolve import ResolvedWeights
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.specs import ModelSpec, Needs
from segharness.store import RunFolder, ShardState, shard_state
from segharness.suite import Plan, Suite

_ShardKey: TypeAlias = tuple[str, str, str, Shard]
"""Model, data set, condition and shard. Each key has one pair of files."""

_LOOKUP_THREADS = 16


@dataclass(frozen=True)
class Unit:
    """The piece of work that a worker takes: one model on one shard under the conditions that are missing.

    Attributes:
        index: counts from 0; the pieces of a divided unit share it.
        model: the model's id.
        dataset: the data set's id.
        shard: a range of the data set's images.
        conditions: the names of the missing conditions.
    """

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
        """Return the unit as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Unit:
        """Return the unit that `to_json` wrote."""
        return cls(data["index"], data["model"], data["dataset"], Shard(**data["shard"]), tuple(data["conditions"]))


@dataclass(frozen=True)
class Job:
    """Everything that a worker needs besides its units. It is sent as JSON.

    Attributes:
        suite: the suite to run.
        folder: the run folder, a path or URL.
        plugins: the plugins to load.
        inputs: the inputs that planning saw. A worker that opens other data refuses to work.
        weights: the weights of every model on every data set, as planning resolved them.
        threads: how many threads a worker may keep busy besides the one that predicts.
        needs: the needs of the models, by id.
        give_up_after: a model that fails on so many images and answers none is given up; 0 for never.
    """

    suite: Suite
    folder: str
    plugins: PluginArguments
    inputs: Inputs
    weights: Weights
    threads: int = 1
    needs: Mapping[str, Needs] = field(default_factory=dict)
    give_up_after: int = DEFAULT_GIVE_UP_AFTER

    def to_json(self) -> dict[str, Any]:
        """Return the job as a JSON object."""
        return {
            "suite": self.suite.to_json(),
            "private": dict(self.suite.private),
            "folder": self.folder,
            "plugins": asdict(self.plugins),
            "inputs": self.inputs.to_json(),
            "weights": {
                model: {dataset: weights.to_json() for dataset, weights in by_dataset.items()}
                for model, by_dataset in self.weights.items()
            },
            "threads": self.threads,
            "needs": {model: asdict(needs) for model, needs in self.needs.items()},
            "give_up_after": self.give_up_after,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """Return the job that `to_json` wrote."""
        plugins = data["plugins"]
        return cls(
            replace(Suite.from_json(data["suite"]), private=data["private"]),
            data["folder"],
            PluginArguments(tuple(plugins["include"]), tuple(plugins["folders"]), plugins["strict"]),
            Inputs(**data["inputs"]),
            {
                model: {dataset: ResolvedWeights(**weights) for dataset, weights in by_dataset.items()}
                for model, by_dataset in data["weights"].items()
            },
            data["threads"],
            {model: Needs(**needs) for model, needs in data["needs"].items()},
            data["give_up_after"],
        )


def needs_of(suite: Suite, host: PluginHost) -> dict[str, Needs]:
    """Return what every model needs of a device. The suite overrides the plugin."""
    needs = {}
    for entry in suite.models:
        spec = host.find(entry.model, ModelSpec)
        needs[entry.id] = replace(spec.needs if spec is not None else Needs(), **entry.needs)
    return needs


@dataclass(frozen=True)
class RemainingWork:
    """The remaining work, and the state of the files on disk.

    Attributes:
        units: the units to run.
        reused: how many predictions (image x condition) exist already.
        damaged: one line for every file that is damaged and will be made again.
        not_selected: how many cells are not selected and are not complete.
    """

    units: tuple[Unit, ...]
    reused: int
    damaged: tuple[str, ...]
    not_selected: int = 0


def remaining_work(
    plan: Plan, datasets: Mapping[str, OpenDataset], inputs: Inputs, folder: RunFolder, fresh: bool
) -> RemainingWork:
    """Return the units that the selected cells still need; with `fresh`, all their units.

    Raises:
        StoreError: files of the suite's cells, selected or not, were made from other inputs; the message says which.
            Never raised with `fresh`.
    """
    selected = {cell.key for cell in plan.selected}
    conditions_of: dict[tuple[str, str], list[str]] = {}
    for cell in plan.cells:
        conditions_of.setdefault((cell.model, cell.dataset), []).append(cell.condition.name)
    units: list[Unit] = []
    damaged: list[str] = []
    stale: dict[str, str] = {}
    reused = 0
    shard_keys = [
        (model, dataset, condition, shard)
        for (model, dataset), conditions in conditions_of.items()
        for shard in datasets[dataset].shards
        for condition in conditions
        if not fresh or (model, dataset, condition) not in selected
    ]
    states = _states_on_disk(shard_keys, inputs, folder)
    incomplete = {key[:3] for key, on_disk in states.items() if on_disk.state != "done" and key[:3] not in selected}
    for (model, dataset), conditions in conditions_of.items():
        for shard in datasets[dataset].shards:
            missing = []
            for condition in conditions:
                if fresh:
                    missing += [condition] if (model, dataset, condition) in selected else []
                    continue
                on_disk = states[model, dataset, condition, shard]
                if on_disk.state == "stale":
                    current = inputs.of(model, dataset, condition, shard)
                    files = folder.shard_files(model, dataset, condition, shard.index)
                    stale.setdefault(_changes(on_disk.inputs or {}, current), str(files.predictions))
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
            coded(
                "T08",
                f"{file} (and others) were made from other inputs: {changes}. "
                "Give --fresh to replace them, or --out DIR to keep them",
            )
            for changes, file in stale.items()
        )
    return RemainingWork(tuple(units), reused, tuple(damaged), len(incomplete))


def _states_on_disk(shard_keys: Sequence[_ShardKey], inputs: Inputs, folder: RunFolder) -> dict[_ShardKey, ShardState]:
    """Return the state of each shard's files. An object store answers slowly, so several threads ask it."""

    def state(key: _ShardKey) -> ShardState:
        model, dataset, condition, shard = key
        files = folder.shard_files(model, dataset, condition, shard.index)
        return shard_state(files, digest(inputs.of(model, dataset, condition, shard)))

    with ThreadPoolExecutor(1 if isinstance(folder.path, Path) else _LOOKUP_THREADS, "look") as pool:
        return dict(zip(shard_keys, pool.map(state, shard_keys), strict=True))


def _changes(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> str:
    """Return the differences between the recorded and the current inputs of a shard, in words."""
    old, new = recorded.get("shard"), current["shard"]
    lines = [line for line in differences(recorded, current) if not line.startswith("shard")]
    if old != new and old:
        lines.append(f"limit or shard size: images {old[1]}-{old[2]} -> {new[1]}-{new[2]}")
    return "; ".join(lines)
