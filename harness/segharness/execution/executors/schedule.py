"""Decides which unit a worker gets next, and how many of its conditions. Uses no processes and no clock.

A worker keeps its model while there are units for it. Large shards come first. Near the end of a run, units are divided
by their conditions, so that no worker gets more than it can finish while the others do the rest. The cost of a model
per image and the speed of each worker are learned from progress events.
"""

from __future__ import annotations

import functools
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from segharness.execution.units import Unit
from segharness.plugin.specs import ANY, Needs

_SHARE = 0.5
"""A piece takes at most this share of the time in which all workers together would finish the remaining work."""

_SHORTEST = 1.0
"""Seconds that a piece may always take: smaller pieces cost more decoding than they gain."""

_DECAY = 0.98
"""The weight that earlier measurements of a worker's speed keep with each new report."""


@dataclass(eq=False)
class WorkerSlot:
    """A place for a worker, and the state of the worker in it.

    Attributes:
        index: counts from 0.
        device: the device's name, ``"cpu"`` or ``"cuda:1"``.
        host: the machine. Slots with the same host and device share its memory.
        memory: GiB of the accelerator, or of the machine for a processor; None if unknown.
        model: the model that the worker has loaded.
        holding: the pieces that the worker has, in order, without the conditions that it has written.
        left: how many predictions of these pieces it has not made.
        expected: seconds that an average worker would need for this worker's recent predictions.
        spent: seconds that this worker needed for them.
        alive: a worker is in the slot, or is being started.
        excluded: models that could not be loaded in this slot.
    """

    index: int
    device: str
    host: str = ""
    memory: float | None = None
    model: str = ""
    holding: list[Unit] = field(default_factory=list)
    left: int = 0
    expected: float = 1.0
    spent: float = 1.0
    alive: bool = False
    excluded: set[str] = field(default_factory=set)

    @functools.cached_property
    def kind(self) -> str:
        """The kind of the device, ``"cpu"`` or ``"cuda"``."""
        return self.device.partition(":")[0]

    @property
    def label(self) -> str:
        """The device as shown to the user, with the host if that is not this machine."""
        return self.device if self.host in ("", platform.node()) else f"{self.device} on {self.host}"

    @property
    def speed(self) -> float:
        """The worker's speed relative to an average worker."""
        return self.expected / self.spent


def can_run(needs: Needs, slot: WorkerSlot) -> bool:
    """Return whether a slot's device is of the kind and size that a model needs."""
    return needs.device in (ANY, slot.kind) and (slot.memory is None or needs.memory <= slot.memory)


class Schedule:
    """The units that no worker has yet, and the measured cost of models and speed of workers.

    Args:
        units: the units to run.
        needs: the needs of models, by id; a missing model needs nothing.
        slots: the slots whose workers run the units.
    """

    def __init__(self, units: Iterable[Unit], needs: Mapping[str, Needs], slots: Sequence[WorkerSlot]) -> None:
        self._needs, self._slots = needs, list(slots)
        self._pending: dict[str, list[Unit]] = {}
        for unit in sorted(units, key=lambda unit: unit.images):  # units are taken from the end: the largest first
            self._pending.setdefault(unit.model, []).append(unit)
        self._images = {model: sum(unit.images for unit in units) for model, units in self._pending.items()}
        self._measured: dict[str, tuple[int, float]] = {}  # images, and the seconds of an average worker
        self._costs: dict[str, float] = {}
        self._mean_cost = 1.0
        self._load_seconds: dict[str, float] = {}

    @property
    def pending(self) -> int:
        """The number of predictions that no worker has yet."""
        return sum(self._images.values())

    def models(self) -> list[str]:
        """Return the models that have units which no worker has yet."""
        return [model for model, units in self._pending.items() if units]

    def can_run(self, model: str, slot: WorkerSlot) -> bool:
        """Return whether a slot may run a model."""
        needs = self._needs.get(model)
        return model not in slot.excluded and (needs is None or can_run(needs, slot))

    def seconds_left(self) -> float | None:
        """Return an estimate of how long the remaining work takes, or None before the first measurement."""
        if not self._measured:
            return None
        total_speed = sum(slot.speed for slot in self._slots if slot.alive)
        return self._remaining_seconds() / total_speed if total_speed else None

    def learn(self, slot: WorkerSlot, images: int, seconds: float) -> None:
        """Note that a worker made `images` predictions with its model in `seconds`."""
        slot.left = max(0, slot.left - images)
        model = slot.holding[0].model if slot.holding else slot.model
        earlier = self._measured.get(model)
        if earlier is not None and seconds > 0:
            slot.expected = slot.expected * _DECAY + images * self._cost(model)
            slot.spent = slot.spent * _DECAY + seconds
        count, total = earlier or (0, 0.0)
        self._measured[model] = (count + images, total + seconds * (slot.speed if earlier else 1.0))
        model_images, model_seconds = self._measured[model]
        self._costs[model] = model_seconds / model_images if model_images else 1.0
        measured = list(self._measured.values())
        self._mean_cost = sum(s for _, s in measured) / max(1, sum(n for n, _ in measured))

    def loaded(self, model: str, seconds: float) -> None:
        """Note how long a model took to load."""
        self._load_seconds[model] = seconds

    def take(self, slot: WorkerSlot) -> Unit | None:
        """Return the next piece of work for a slot, which then holds it; None if it should get nothing now."""
        model = self._choose_model(slot)
        if model is None:
            return None
        unit = self._pending[model][-1]
        count = self._count_conditions(slot, unit)
        if not count:
            return None
        self._pending[model].pop()
        piece = replace(unit, conditions=unit.conditions[:count])
        if count < len(unit.conditions):
            self._add(replace(unit, conditions=unit.conditions[count:]))
        self._images[model] -= piece.images
        slot.model = model
        slot.holding.append(piece)
        slot.left += piece.images
        return piece

    def note_written(self, slot: WorkerSlot, index: int, condition: str) -> None:
        """Note that a worker wrote a condition of a unit."""
        for position, unit in enumerate(slot.holding):
            if unit.index == index and condition in unit.conditions:
                rest = tuple(name for name in unit.conditions if name != condition)
                slot.holding[position : position + 1] = [replace(unit, conditions=rest)] if rest else []
                break
        slot.left = min(slot.left, sum(unit.images for unit in slot.holding))

    def note_settled(self, slot: WorkerSlot, index: int, conditions: Iterable[str]) -> None:
        """Note that a worker is done with these conditions of a unit, written or failed."""
        for condition in conditions:
            self.note_written(slot, index, condition)

    def give_back(self, units: Iterable[Unit]) -> None:
        """Take back units that a worker did not do, for any worker to take. Smaller units still come last."""
        for unit in units:
            self._add(unit)
            self._images[unit.model] = self._images.get(unit.model, 0) + unit.images

    def drop(self, *models: str) -> list[Unit]:
        """Remove the units that no worker has, of the given models or else of all models, and return them."""
        dropped = []
        for model in models or list(self._pending):
            dropped += self._pending.pop(model, [])
            self._images.pop(model, None)
        return dropped

    def vacate(self, slot: WorkerSlot) -> list[Unit]:
        """Empty a slot whose worker ended, and return the pieces that the worker did not write."""
        held, slot.holding = slot.holding, []
        slot.left, slot.model = 0, ""
        slot.expected = slot.spent = 1.0
        slot.alive = False
        return held

    def close(self, slot: WorkerSlot) -> None:
        """Remove a slot that will not get another worker."""
        self._slots.remove(slot)

    def _add(self, unit: Unit) -> None:
        units = self._pending.setdefault(unit.model, [])
        position = len(units)
        while position and units[position - 1].images > unit.images:
            position -= 1
        units.insert(position, unit)

    def _choose_model(self, slot: WorkerSlot) -> str | None:
        """Return the model for a slot: the one it has loaded, else the one with the most work per worker."""
        candidates = [model for model in self.models() if self.can_run(model, slot)]
        if slot.model in candidates:
            return slot.model
        workers = Counter(peer.model for peer in self._slots if peer is not slot and peer.holding)
        best, most = None, 0.0
        for model in candidates:
            if not self._fits(model, slot):
                continue
            work = self._images[model] * self._cost(model)
            if (
                workers[model]
                and model in self._measured
                and work / workers[model] < self._load_seconds.get(model, 0.0)
            ):
                continue  # the workers that have the model finish before this one has loaded it
            if best is None or work / (workers[model] + 1) > most:
                best, most = model, work / (workers[model] + 1)
        return best

    def _fits(self, model: str, slot: WorkerSlot) -> bool:
        """Return whether the device's memory has space for a model besides the models that other workers loaded."""
        need = self._needs.get(model, Needs()).memory
        if not need or slot.memory is None:
            return True
        device = (slot.host, slot.device)
        peers = [peer for peer in self._slots if peer is not slot and (peer.host, peer.device) == device and peer.model]
        return need + sum(self._needs.get(peer.model, Needs()).memory for peer in peers) <= slot.memory

    def _cost(self, model: str) -> float:
        """Return the seconds that an average worker needs per prediction; the mean of all models if not measured."""
        return self._costs.get(model, self._mean_cost)

    def _remaining_seconds(self) -> float:
        """Return the seconds that an average worker would need for the remaining work."""
        pending = sum(images * self._cost(model) for model, images in self._images.items())
        return pending + sum(slot.left * self._cost(slot.model) for slot in self._slots if slot.left)

    def _count_conditions(self, slot: WorkerSlot, unit: Unit) -> int:
        """Return how many conditions of a unit a slot should do; 0 if its peers would finish all of them sooner."""
        peers = [peer for peer in self._slots if peer is not slot and peer.alive and self.can_run(unit.model, peer)]
        if not peers:
            return len(unit.conditions)
        cost = self._cost(unit.model)
        shard = unit.images / len(unit.conditions)
        each = shard * cost / slot.speed
        ahead = slot.left * self._cost(slot.model) / slot.speed
        work = self._remaining_seconds()
        peer_speed = sum(peer.speed for peer in peers)
        fair = _SHARE * work / (slot.speed + peer_speed)
        count = (max(fair, _SHORTEST if unit.model in self._measured else 0.0) - ahead) / max(each, 1e-9)
        if count >= 1:
            return int(min(count, len(unit.conditions)))
        soonest = min(peer.left * self._cost(peer.model) / peer.speed + shard * cost / peer.speed for peer in peers)
        peer_seconds = max((work - slot.left * self._cost(slot.model)) / peer_speed, soonest)
        return 1 if ahead + each <= peer_seconds else 0
