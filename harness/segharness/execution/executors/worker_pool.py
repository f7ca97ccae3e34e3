"""A pool of workers of any kind: starts them, gives them units and replaces those that die."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from segharness.errors import coded, has_code
from segharness.execution.events import (
    DiskFull,
    Message,
    ModelGivenUp,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoading,
    Progress,
    ProgressUndone,
    RunEvent,
    ShardWritten,
    TimeLeft,
    UnitDone,
    UnitFailed,
    UnitRequested,
    WorkerBroken,
    WorkerEnded,
    WorkerEvent,
    WorkerLost,
    WorkerReady,
    WorkerState,
)
from segharness.execution.executors.schedule import Schedule, WorkerSlot
from segharness.execution.settings import ExecutorOptions
from segharness.execution.units import Job, Unit

_TICK = 0.5
"""The interval in seconds at which the pool checks for workers that hang."""

_LATE = 30.0
"""The pool does not count on a worker that is not ready after so many seconds. A full cluster may never start it."""

_FREE_A_WORKER = (UnitRequested, UnitDone, UnitFailed, WorkerEnded, ShardWritten)
"""Events after which a waiting worker may get a unit."""

_LOADS = 2
"""How often a model may fail to load before its remaining units are given up."""

_STARTS = 3
"""How many workers in a row may end in one slot before they are ready."""


class WorkerHandle(Protocol):
    """A worker that was started. Its events come from `WorkerLauncher.next_event`."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a request; see `segharness.execution.worker.main`."""

    def stop(self, grace: float) -> None:
        """End the worker. It has `grace` seconds to close its model."""

    def kill(self) -> None:
        """End the worker at once."""


class WorkerLauncher(Protocol):
    """How an executor starts workers and gets their events.

    The last event of every worker is a `WorkerEnded`.
    """

    def start(self, job: Job, slot: WorkerSlot) -> WorkerHandle:
        """Start a worker with the device of a slot."""
        ...

    def next_event(self, seconds: float) -> tuple[WorkerHandle, WorkerEvent] | None:
        """Return the next event of any worker, or None if there is none within `seconds`."""


class WorkerPool:
    """Runs units with workers, one per slot.

    Args:
        launcher: starts workers and receives their events.
        slots: the slots in which workers may be started.
        options: `retries` and `timeout` are used.
        clock: returns seconds that only grow.
    """

    def __init__(
        self,
        launcher: WorkerLauncher,
        slots: Sequence[WorkerSlot],
        options: ExecutorOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._launcher, self._slots, self._options, self._clock = launcher, list(slots), options, clock
        self._workers: dict[WorkerSlot, WorkerHandle] = {}
        self._ready: set[WorkerSlot] = set()
        self._waiting: dict[WorkerSlot, None] = {}
        self._last_event: dict[WorkerSlot, float] = {}
        self._tries: Counter[tuple[int, str]] = Counter()
        self._failed_starts: Counter[WorkerSlot] = Counter()
        self._failed_loads: Counter[str] = Counter()
        self._loadable: set[str] = set()
        self._answering: set[str] = set()  # models that answered an image as they should
        self._loading: set[WorkerSlot] = set()
        self._retrying: set[WorkerSlot] = set()  # their unit killed a worker before; they get no second unit
        self._first_units: dict[WorkerSlot, list[Unit]] = {}  # the units that the next worker in a slot gets first
        self._killed_for: dict[WorkerSlot, str] = {}
        self._finishing = self._told_to_finish = False
        self._last_check = clock()

    def finish(self) -> None:
        """Hand out no more units and let the workers finish the files in flight. May be called at any time."""
        self._finishing = True

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[RunEvent]:
        """Yield events until every unit is settled; see `segharness.execution.executors.interface.Executor`."""
        schedule = Schedule(units, job.needs, self._slots)
        completed = False
        try:
            for slot in self._slots[: max(1, sum(len(unit.conditions) for unit in units))]:
                yield from self._start(job, slot)
            yield from self._start_missing(job, schedule)
            while self._is_open(schedule):
                received = self._launcher.next_event(_TICK)
                event: WorkerEvent | None = None
                if self._finishing and not self._told_to_finish:
                    self._tell_to_finish(schedule)
                if received is not None:
                    worker, event = received
                    sender = next((slot for slot, handle in self._workers.items() if handle is worker), None)
                    if sender is not None:
                        self._last_event[sender] = self._clock()
                        yield from self._follow(job, sender, event, schedule)
                        if isinstance(event, DiskFull):
                            return
                if event is None or isinstance(event, _FREE_A_WORKER):
                    yield from self._hand_out(schedule)
                yield from self._check_workers(schedule)
            completed = True
        finally:
            for worker in self._workers.values():
                worker.send({"op": "stop"})
            for worker in self._workers.values():
                worker.stop(grace=5 if completed else 0)

    def _tell_to_finish(self, schedule: Schedule) -> None:
        self._told_to_finish = True
        schedule.drop()
        for slot, worker in self._workers.items():
            worker.send({"op": "finish"})
            if slot in self._loading or slot not in self._ready:
                worker.kill()  # it has no file in flight

    def _is_open(self, schedule: Schedule) -> bool:
        """Return whether there is anything to wait for."""
        if self._finishing:
            return bool(self._workers)
        in_slots = any(slot.holding for slot in self._slots) or any(self._first_units.values())
        return bool(schedule.pending or in_slots)

    def _start(self, job: Job, slot: WorkerSlot) -> Iterator[RunEvent]:
        self._workers[slot] = self._launcher.start(job, slot)
        slot.alive = True
        self._last_event[slot] = self._clock()
        yield _state(slot, "starting")

    def _follow(self, job: Job, slot: WorkerSlot, event: WorkerEvent, schedule: Schedule) -> Iterator[RunEvent]:
        """Handle an event of the worker in a slot."""
        match event:
            case WorkerBroken():
                yield Message(f"a worker could not start: {event.error}")
            case WorkerEnded():
                yield from self._replace(job, slot, event, schedule)
            case WorkerLost():
                self._killed_for[slot] = event.error
            case WorkerReady():
                self._ready.add(slot)
                slot.alive = True
                self._failed_starts[slot] = 0
            case UnitRequested():
                self._waiting[slot] = None
            case ModelLoading():
                self._loading.add(slot)
                yield _state(slot, "loading", event.model)
            case ModelLoadFailed():
                self._loading.discard(slot)
                yield from self._give_up_unloadable(job, slot, event, schedule)
            case ModelGivenUp():
                yield from self._give_up_failing(job, slot, event, schedule)
            case ModelLoaded():
                self._loading.discard(slot)
                self._loadable.add(event.model)
                schedule.loaded(event.model, event.seconds)
                yield _state(slot, "working", event.model)
            case Progress():
                if event.failed < event.images and slot.holding:
                    self._answering.add(slot.holding[0].model)
                schedule.learn(slot, event.images, event.seconds)
                yield replace(event, worker=slot.index)
            case ShardWritten():
                for unit in slot.holding:
                    if unit.index == event.unit and event.condition in unit.conditions:
                        self._tries[_key(unit)] = 0
                schedule.note_written(slot, event.unit, event.condition)
                yield replace(event, worker=slot.index)
            case UnitFailed() if pieces := self._to_be_tried_elsewhere(slot, event, schedule):
                schedule.note_settled(slot, event.unit, event.conditions)
                schedule.give_back(pieces)
            case UnitDone() | UnitFailed():
                schedule.note_settled(slot, event.unit, event.conditions)
                yield replace(event, worker=slot.index)
            case DiskFull() | Message():
                yield event

    def _give_up_unloadable(
        self, job: Job, slot: WorkerSlot, event: ModelLoadFailed, schedule: Schedule
    ) -> Iterator[RunEvent]:
        """Exclude a model from a slot that cannot load it; give the model up after `_LOADS` failures and no success."""
        self._failed_loads[event.model] += 1
        if event.model in self._loadable:
            slot.excluded.add(event.model)  # another slot has loaded it
            yield from self._start_missing(job, schedule, event.error)
        elif self._failed_loads[event.model] >= _LOADS:
            for unit in schedule.drop(event.model):
                yield _failed(unit, event.error, slot)

    def _give_up_failing(
        self, job: Job, slot: WorkerSlot, event: ModelGivenUp, schedule: Schedule
    ) -> Iterator[RunEvent]:
        """Exclude a model from a slot in which it fails on every image, if it answers elsewhere; else give it up.

        Where no other kind of device could tell otherwise, it is given up at once.
        """
        others = [other for other in self._slots if other is not slot and schedule.can_run(event.model, other)]
        if event.model in self._answering or any(other.device != slot.device for other in others):
            slot.excluded.add(event.model)  # its units, which fail next, are for the others
            yield from self._start_missing(job, schedule, event.error)
        else:
            for unit in schedule.drop(event.model):
                yield _failed(unit, event.error, slot)

    def _to_be_tried_elsewhere(self, slot: WorkerSlot, event: UnitFailed, schedule: Schedule) -> list[Unit]:
        """Return the pieces of a failed unit whose model is excluded from this slot, and that another slot may run."""
        return [
            unit
            for unit in slot.holding
            if unit.index == event.unit
            and unit.model in slot.excluded
            and any(schedule.can_run(unit.model, other) for other in self._slots)
        ]

    def _replace(self, job: Job, slot: WorkerSlot, event: WorkerEnded, schedule: Schedule) -> Iterator[RunEvent]:
        """Replace a worker that ended. Its current unit is tried again up to `retries` times; others take the rest."""
        self._workers.pop(slot)
        self._waiting.pop(slot, None)
        was_ready = slot in self._ready
        self._ready.discard(slot)
        self._loading.discard(slot)
        self._retrying.discard(slot)
        self._failed_starts[slot] += not was_ready
        reason = self._killed_for.pop(slot, None) or f"its worker ended with {event.how}"
        undone = sum(unit.images for unit in slot.holding) - slot.left
        left_over = schedule.vacate(slot) + self._first_units.pop(slot, [])
        yield ProgressUndone(undone)
        yield _state(slot, "ended")
        if self._finishing:
            return
        if left_over and was_ready:
            unit, other_units = left_over[0], left_over[1:]
            self._tries[_key(unit)] += 1
            tries = self._tries[_key(unit)]
            problem = f"model `{unit.model}`: {reason.removeprefix(f'model `{unit.model}`: ')}"
            problem += f"; the end of its log: {event.tail or 'nothing'}"
            if tries > self._options.retries and tries > 1:
                problem += f" ({tries} times)"
            problem = problem if has_code(problem) else coded("T16", problem)
            if tries <= self._options.retries:
                yield Message(f"{problem}; trying again on a fresh worker")
                self._first_units[slot] = [unit]
            else:
                yield _failed(unit, problem, slot)
            schedule.give_back(other_units)
        elif left_over:
            self._first_units[slot] = left_over
        if not (schedule.pending or self._first_units.get(slot)):
            return
        if self._failed_starts[slot] < _STARTS:
            yield from self._start(job, slot)
            return
        schedule.close(slot)
        self._slots.remove(slot)
        schedule.give_back(self._first_units.pop(slot, []))
        error = f"no worker could be started: {event.how}; {event.tail or 'it printed nothing'}"
        yield from self._start_missing(job, schedule, error)

    def _start_missing(self, job: Job, schedule: Schedule, error: str = "no device can run it") -> Iterator[RunEvent]:
        """Start a worker for every model that no worker can run; give up the units of a model that no slot can run."""
        for model in schedule.models():
            able_slots = [slot for slot in self._slots if schedule.can_run(model, slot)]
            if any(slot in self._workers for slot in able_slots):
                continue
            if able_slots:
                yield from self._start(job, able_slots[0])
                continue
            for unit in schedule.drop(model):
                yield _failed(unit, error)

    def _hand_out(self, schedule: Schedule) -> Iterator[RunEvent]:
        """Give units to the workers that wait."""
        for slot in list(self._waiting):
            if self._finishing:
                break
            if slot in self._retrying and slot.holding:
                continue
            self._retrying.discard(slot)
            unit: Unit | None
            if first_units := self._first_units.pop(slot, None):
                unit, *other_units = first_units
                slot.model, slot.left = unit.model, slot.left + unit.images
                slot.holding.append(unit)
                self._retrying.add(slot)
                schedule.give_back(other_units)
            elif (unit := schedule.take(slot)) is None:
                if not slot.holding and slot.model:
                    slot.model = ""
                    self._workers[slot].send({"op": "release"})
                    yield _state(slot, "idle")
                continue
            del self._waiting[slot]
            self._workers[slot].send({"op": "unit", "unit": unit.to_json()})
            yield _state(slot, "working", slot.holding[0].model)

    def _check_workers(self, schedule: Schedule) -> Iterator[RunEvent]:
        """Kill workers that hang, and report the remaining time. Does nothing if the last check is recent."""
        now = self._clock()
        if now - self._last_check < _TICK:
            return
        self._last_check = now
        seconds = schedule.seconds_left()
        yield TimeLeft(None if seconds is None else round(seconds, 1))
        for slot, worker in self._workers.items():
            silent = now - self._last_event[slot]
            if slot not in self._ready and silent > _LATE:
                slot.alive = False  # the schedule does not count on it until it is ready
            busy = slot.holding or slot not in self._ready
            if busy and slot not in self._killed_for and silent > self._options.timeout:
                self._killed_for[slot] = (
                    f"nothing was heard of its worker for {self._options.timeout:.0f} s; it was killed"
                )
                worker.kill()


def _state(slot: WorkerSlot, state: str, model: str = "") -> WorkerState:
    return WorkerState(slot.index, slot.label, state, model)


def _failed(unit: Unit, error: str, slot: WorkerSlot | None = None) -> UnitFailed:
    return UnitFailed(unit.index, unit.conditions, error, None if slot is None else slot.index)


def _key(unit: Unit) -> tuple[int, str]:
    """Return a key of a piece that stays the same while its conditions are written from the first on."""
    return unit.index, unit.conditions[-1]
