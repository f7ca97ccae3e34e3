"""What is still to do: shards that are missing, gathered into units; and the job that all workers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from segharness.data import OpenDataset, Shard
from segharness.errors import StoreError
from segharness.identity import Inputs, differences, digest
from segharness.plugins import PluginArguments
from segharness.records import Cell
from segharness.store import RunFolder, shard_state
from segharness.suite import Suite


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

    `inputs` are those seen when planning; a worker that opens other data refuses to work. `threads` is how many a
    worker may keep busy beside the one that predicts.
    """

    suite: Suite
    folder: str
    plugins: PluginArguments
    inputs: Inputs
    threads: int = 1

    def to_json(self) -> dict[str, Any]:
        return {
            "suite": self.suite.to_json(),
            "folder": self.folder,
            "plugins": asdict(self.plugins),
            "inputs": self.inputs.to_json(),
            "threads": self.threads,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        plugins = data["plugins"]
        return cls(
            Suite.from_json(data["suite"]),
            data["folder"],
            PluginArguments(tuple(plugins["include"]), tuple(plugins["folders"]), plugins["strict"]),
            Inputs(**data["inputs"]),
            data["threads"],
        )


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
    suite: Suite,
    cells: Iterable[Cell],
    datasets: Mapping[str, OpenDataset],
    inputs: Inputs,
    folder: RunFolder,
    fresh: bool,
) -> Remaining:
    """Return the units that the selected cells still need.

    Raises:
        StoreError: files of another identity are in the way, and not `fresh`; the message says what changed.
    """
    wanted: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        wanted.setdefault((cell.model, cell.dataset), []).append(cell.condition.name)
    units: list[Unit] = []
    damaged: list[str] = []
    stale: dict[str, str] = {}
    reused = 0
    for (model, dataset), conditions in wanted.items():
        for shard in datasets[dataset].shards:
            missing = []
            for condition in conditions:
                if fresh:
                    missing.append(condition)
                    continue
                made_from = inputs.of(model, dataset, condition, shard)
                files = folder.shard(model, dataset, condition, shard.index)
                found = shard_state(files, digest(made_from))
                if found.state == "stale":
                    changed = "; ".join(differences(found.inputs, made_from))
                    stale.setdefault(changed, str(files.predictions))
                if found.state == "damaged":
                    damaged.append(found.detail)
                if found.state == "done":
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
