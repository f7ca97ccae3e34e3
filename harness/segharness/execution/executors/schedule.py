"""Who gets what next: the order of units, and how large a piece of one a worker gets. No process, no clock.

A worker keeps its model while there are units for it. Large shards come first. Near the end units are cut by their
conditions, so that no worker is given more than it can do while the others do the rest; what a model takes an image, and how
fast each worker is, is learned from their progress.
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
"""A worker gets at most this share of what it would have to do if all that is left were spread evenly."""

_SHORTEST = 1.0
"""Seconds that a piece may always take: smaller ones cost more decoding than they gain."""

_KEPT = 0.98
"""How much of what was learned of a worker's speed stays with each report."""


@dataclass(eq=False)
class WorkerSlot:
    """A place for a worker, and what is known of the one that has it.

    Attributes:
        index: counts from 0.
        device: its name, ``"cpu"``, ``"cuda:1"``.
        host: the machine; slots on its processors share its memory, and those on one accelerator that one's.
        memory: GiB of the accelerator, or of the machine for a processor; None if unknown.
        model: what it has loaded.
        holding: the pieces it was given, in order, without what it has written.
        left: how many images of them it has not predicted.
        speed: images a second, relative to the average.
        alive: a worker sits there, or is being started.
        excluded: models that could not be loaded there.
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
        return self.device.partition(":")[0]

    @property
    def label(self) -> str:
        """What a person calls it: the device, and where, if that is not this machine."""
        return self.device if self.host in ("", platform.node()) else f"{self.device} on {self.host}"

    @property
    def speed(self) -> float:
        return self.expected / self.spent


def can_run(needs: Needs, slot: WorkerSlot) -> bool:
    """Return whether a slot's device is of the kind and size that a model needs."""
    return needs.device in (ANY, slot.kind) and (slot.memory is None or needs.memory <= slot.memory)


class Schedule:
    """The units that nobody has yet, and what is known of models and workers.

    Args:
        units: what is to do.
        needs: of models, by id; those that are not there need nothing.
        slots: who does it.
    """

    def __init__(self, units: Iterable[Unit], needs: Mapping[str, Needs], slots: Sequence[WorkerSlot]) -> None:
        self._needs, self._slots = needs, list(slots)
        self._pending: dict[str, list[Unit]] = {}
        for unit in sorted(units, key=lambda unit: unit.images):  # the largest are taken first, from the end
            self._pending.setdefault(unit.model, []).append(unit)
        self._images = {model: sum(unit.images for unit in found) for model, found in self._pending.items()}
        self._took: dict[str, tuple[int, float]] = {}
        self._costs: dict[str, float] = {}
        self._usual = 1.0
        self._loading: dict[str, float] = {}

    @property
    def pending(self) -> int:
        """The number of predictions that nobody was given yet."""
        return sum(self._images.values())

    def models(self) -> list[str]:
        """Return the models that have units which nobody was given yet."""
        return [model for model, found in self._pending.items() if found]

    def able(self, model: str, slot: WorkerSlot) -> bool:
        """Return whether a slot may run a model."""
        needs = self._needs.get(model)
        return model not in slot.excluded and (needs is None or can_run(needs, slot))

    def seconds_left(self) -> float | None:
        """Return how long all that is left will take; None while nothing is known."""
        if not self._took:
            return None
        pace = sum(slot.speed for slot in self._slots if slot.alive)
        return self._work() / pace if pace else None

    def learn(self, slot: WorkerSlot, images: int, seconds: float) -> None:
        """Note that a worker made some predictions with its model in some seconds."""
        slot.left = max(0, slot.left - images)
        model = slot.holding[0].model if slot.holding else slot.model
        before = self._took.get(model)
        if before is not None and seconds > 0:
            slot.expected = slot.expected * _KEPT + images * self._cost(model)
            slot.spent = slot.spent * _KEPT + seconds
        count, total = before or (0, 0.0)
        self._took[model] = (count + images, total + seconds * (slot.speed if before else 1.0))
        made, took = self._took[model]
        self._costs[model] = took / made if made else 1.0
        known = list(self._took.values())
        self._usual = sum(s for _, s in known) / max(1, sum(n for n, _ in known))

    def loaded(self, model: str, seconds: float) -> None:
        """Note how long a model took to load."""
        self._loading[model] = seconds

    def take(self, slot: WorkerSlot) -> Unit | None:
        """Return the next piece of work for a slot, which it then holds; None if there is none that it should have."""
        model = self._choose(slot)
        if model is None:
            return None
        unit = self._pending[model][-1]
        count = self._how_many(slot, unit)
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

    def written(self, slot: WorkerSlot, index: int, condition: str) -> None:
        """Note that a worker wrote a condition of a unit."""
        for at, unit in enumerate(slot.holding):
            if unit.index == index and condition in unit.conditions:
                rest = tuple(name for name in unit.conditions if name != condition)
                slot.holding[at : at + 1] = [replace(unit, conditions=rest)] if rest else []
                break
        slot.left = min(slot.left, sum(unit.images for unit in slot.holding))

    def settled(self, slot: WorkerSlot, index: int, conditions: Iterable[str]) -> None:
        """Note that nothing more comes of these conditions of a unit."""
        for condition in conditions:
            self.written(slot, index, condition)

    def give_back(self, units: Iterable[Unit]) -> None:
        """Take back what a worker did not do; others may have it, but smaller ones still come last."""
        for unit in units:
            self._add(unit)
            self._images[unit.model] = self._images.get(unit.model, 0) + unit.images

    def drop(self, *models: str) -> list[Unit]:
        """Return all that nobody has, of some models or of every one, and forget it."""
        found = []
        for model in models or list(self._pending):
            found += self._pending.pop(model, [])
            self._images.pop(model, None)
        return found

    def vacate(self, slot: WorkerSlot) -> list[Unit]:
        """Empty a slot whose worker ended, and return what it held and did not write."""
        held, slot.holding = slot.holding, []
        slot.left, slot.model = 0, ""
        slot.expected = slot.spent = 1.0
        slot.alive = False
        return held

    def close(self, slot: WorkerSlot) -> None:
        """Forget a slot that will have no worker again."""
        self._slots.remove(slot)

    def _add(self, unit: Unit) -> None:
        units = self._pending.setdefault(unit.model, [])
        at = len(units)
        while at and units[at - 1].images > unit.images:
            at -= 1
        units.insert(at, unit)

    def _choose(self, slot: WorkerSlot) -> str | None:
        """Return the model whose units a slot should do: its own, or the one with the most work for each that does it."""
        open = [model for model in self.models() if self.able(model, slot)]
        if slot.model in open:
            return slot.model
        busy = Counter(other.model for other in self._slots if other is not slot and other.holding)
        best, most = None, 0.0
        for model in open:
            if not self._has_room(model, slot):
                continue
            work = self._images[model] * self._cost(model)
            if busy[model] and model in self._took and work / busy[model] < self._loading.get(model, 0.0):
                continue  # those that have it are done before it is loaded here
            if best is None or work / (busy[model] + 1) > most:
                best, most = model, work / (busy[model] + 1)
        return best

    def _has_room(self, model: str, slot: WorkerSlot) -> bool:
        """Return whether a device's memory holds a model once more, beside what other workers have loaded there."""
        need = self._needs.get(model, Needs()).memory
        if not need or slot.memory is None:
            return True
        where = (slot.host, slot.device)
        others = [s for s in self._slots if s is not slot and (s.host, s.device) == where and s.model]
        return need + sum(self._needs.get(s.model, Needs()).memory for s in others) <= slot.memory

    def _cost(self, model: str) -> float:
        """Return the seconds that a prediction takes on an average worker; of an unknown model, what others take."""
        return self._costs.get(model, self._usual)

    def _work(self) -> float:
        """Return the seconds that an average worker would need for everything that is left."""
        pending = sum(images * self._cost(model) for model, images in self._images.items())
        return pending + sum(slot.left * self._cost(slot.model) for slot in self._slots if slot.left)

    def _how_many(self, slot: WorkerSlot, unit: Unit) -> int:
        """Return how many conditions of a unit a slot should do; 0 if the others will be done with all of it sooner."""
        others = [s for s in self._slots if s is not slot and s.alive and self.able(unit.model, s)]
        if not others:
            return len(unit.conditions)
        cost = self._cost(unit.model)
        shard = unit.images / len(unit.conditions)
        each = shard * cost / slot.speed
        ahead = slot.left * self._cost(slot.model) / slot.speed
        work = self._work()
        pace = sum(other.speed for other in others)
        fair = _SHARE * work / (slot.speed + pace)
        count = (max(fair, _SHORTEST if unit.model in self._took else 0.0) - ahead) / max(each, 1e-9)
        if count >= 1:
            return int(min(count, len(unit.conditions)))
        soonest = min(o.left * self._cost(o.model) / o.speed + shard * cost / o.speed for o in others)
        theirs = max((work - slot.left * self._cost(slot.model)) / pace, soonest)
        return 1 if ahead + each <= theirs else 0
