"""A crew of workers, whatever they are: started, given units, replaced when they die, until every unit is settled."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from segharness.execution.executors.interface import Event, Options
from segharness.execution.executors.schedule import Schedule, Seat
from segharness.execution.units import Job, Unit

_TICK = 0.5
"""How often, in seconds, somebody looks whether a worker hangs."""

_LATE = 30.0
"""A worker that is not ready after so many seconds may never be: a cluster that has no room, say."""

_CHANGES = {"want", "done", "failed", "ended", "shard"}
"""The events after which somebody who waits may get something."""

_LOADS = 2
"""How often a model may fail to load before the rest of its units is given up."""

_STARTS = 3
"""How often in a row a worker may end before it was ready, at one seat."""


class Worker(Protocol):
    """A worker that was started; its events come from `Workers.hear`."""

    def send(self, message: Mapping[str, Any]) -> None: ...
    def stop(self, grace: float) -> None: ...
    def kill(self) -> None: ...


class Workers(Protocol):
    """How an executor starts workers and hears them.

    The events are those of ``segharness.execution.worker.main``, and at last ``{"event": "ended", "how": text,
    "tail": text}``: how a worker ended, and the end of what it printed.
    """

    def start(self, job: Job, seat: Seat) -> Worker: ...

    def hear(self, seconds: float) -> tuple[Worker, Event] | None:
        """Return the next event of any worker, or None if there is none for so long."""


class Crew:
    """Runs units with workers; one seat for each device.

    Args:
        workers: how they are started and heard.
        seats: who there may be.
        options: how often a unit is tried again, and after how long without a sign a worker is given up.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        workers: Workers,
        seats: Sequence[Seat],
        options: Options,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers, self._seats, self._options, self._clock = workers, list(seats), options, clock
        self._at: dict[Seat, Worker] = {}
        self._ready: set[Seat] = set()
        self._waiting: dict[Seat, None] = {}
        self._heard: dict[Seat, float] = {}
        self._tries: Counter[tuple[int, str]] = Counter()
        self._failed_starts: Counter[Seat] = Counter()
        self._unloadable: Counter[str] = Counter()
        self._loadable: set[str] = set()
        self._loading: set[Seat] = set()
        self._alone: set[Seat] = set()  # those that try again what another died on, and get nothing beside it
        self._first: dict[Seat, list[Unit]] = {}
        self._given_up: dict[Seat, str] = {}
        self._finishing = self._told = False
        self._looked = clock()

    def finish(self) -> None:
        """Hand out nothing more, and let the workers finish the files in flight; may be called at any time."""
        self._finishing = True

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[Event]:
        """Yield events until every unit is settled; see `segharness.execution.executors.interface.Executor`."""
        schedule = Schedule(units, job.needs, self._seats)
        normal = False
        try:
            for seat in self._seats[: max(1, sum(len(unit.conditions) for unit in units))]:
                yield from self._start(job, seat)
            yield from self._cover(job, schedule)
            while self._open(schedule):
                found = self._workers.hear(_TICK)
                event: Event | None = None
                if self._finishing and not self._told:
                    self._told = True
                    schedule.drop()
                    for at_seat, worker in self._at.items():
                        worker.send({"op": "finish"})
                        if at_seat in self._loading or at_seat not in self._ready:
                            worker.kill()  # it has no file in flight
                if found is not None:
                    worker, event = found
                    at = next((s for s, w in self._at.items() if w is worker), None)
                    if at is not None:
                        self._heard[at] = self._clock()
                        yield from self._follow(job, at, event, schedule)
                        if event["event"] == "disk_full":
                            return
                if event is None or event["event"] in _CHANGES:
                    yield from self._give(schedule)
                yield from self._look(schedule)
            normal = True
        finally:
            for worker in self._at.values():
                worker.send({"op": "stop"})
            for worker in self._at.values():
                worker.stop(grace=5 if normal else 0)

    def _open(self, schedule: Schedule) -> bool:
        """Return whether anything is left to wait for."""
        if self._finishing:
            return bool(self._at)
        return bool(schedule.pending or any(s.holding for s in self._seats) or any(self._first.values()))

    def _start(self, job: Job, seat: Seat) -> Iterator[Event]:
        self._at[seat] = self._workers.start(job, seat)
        seat.alive = True
        self._heard[seat] = self._clock()
        yield _state(seat, "starting")

    def _follow(self, job: Job, seat: Seat, event: Event, schedule: Schedule) -> Iterator[Event]:
        """Take one event of the worker at a seat."""
        kind = event["event"]
        if kind == "broken":
            yield {"event": "log", "text": f"a worker could not start: {event['error']}"}
        elif kind == "ended":
            yield from self._ended(job, seat, event, schedule)
        elif kind == "lost":
            self._given_up[seat] = event["error"]
        elif kind == "ready":
            self._ready.add(seat)
            seat.alive = True
            self._failed_starts[seat] = 0
        elif kind == "want":
            self._waiting[seat] = None
        elif kind == "loading":
            self._loading.add(seat)
            yield _state(seat, "loading", event["model"])
        elif kind == "unloadable":
            self._loading.discard(seat)
            self._unloadable[event["model"]] += 1
            if event["model"] in self._loadable:
                seat.barred.add(event["model"])  # the others had more luck
                yield from self._cover(job, schedule, event["error"])
            elif self._unloadable[event["model"]] >= _LOADS:
                for unit in schedule.drop(event["model"]):
                    yield _failed(unit, event["error"], seat)
        elif kind == "loaded":
            self._loading.discard(seat)
            self._loadable.add(event["model"])
            schedule.loaded(event["model"], event["seconds"])
            yield _state(seat, "working", event["model"])
        elif kind == "progress":
            schedule.learn(seat, event["images"], event.get("seconds", 0.0))
            yield {**event, "seat": seat.index}
        elif kind == "shard":
            for unit in seat.holding:
                if unit.index == event["unit"] and event["condition"] in unit.conditions:
                    self._tries[_key(unit)] = 0
            schedule.written(seat, event["unit"], event["condition"])
            yield {**event, "seat": seat.index}
        elif kind in ("done", "failed"):
            schedule.settled(seat, event["unit"], event["conditions"])
            yield {**event, "seat": seat.index}
        else:
            yield event

    def _ended(self, job: Job, seat: Seat, event: Event, schedule: Schedule) -> Iterator[Event]:
        """Return what a worker left to others: the unit it died on is tried again so often, by a fresh one."""
        self._at.pop(seat)
        self._waiting.pop(seat, None)
        started = seat in self._ready
        self._ready.discard(seat)
        self._loading.discard(seat)
        self._alone.discard(seat)
        self._failed_starts[seat] += not started
        reason = self._given_up.pop(seat, None) or f"its worker ended with {event['how']}"
        undone = sum(unit.images for unit in seat.holding) - seat.left
        held = schedule.vacate(seat) + self._first.pop(seat, [])
        yield {"event": "undone", "images": undone}
        yield _state(seat, "ended")
        if self._finishing:
            return
        if held and started:
            unit, rest = held[0], held[1:]
            self._tries[_key(unit)] += 1
            how = f"model `{unit.model}`: {reason.removeprefix(f'model `{unit.model}`: ')}"
            how += f"; the end of its log: {event['tail'] or 'nothing'}"
            if self._tries[_key(unit)] <= self._options.retries:
                yield {"event": "log", "text": f"{how}; trying again on a fresh worker"}
                self._first[seat] = [unit]
            else:
                more = f" ({self._tries[_key(unit)]} times)" if self._tries[_key(unit)] > 1 else ""
                yield _failed(unit, how + more, seat)
            schedule.give_back(rest)
        elif held:
            self._first[seat] = held
        if not (schedule.pending or self._first.get(seat)):
            return
        if self._failed_starts[seat] < _STARTS:
            yield from self._start(job, seat)
            return
        schedule.close(seat)
        self._seats.remove(seat)
        schedule.give_back(self._first.pop(seat, []))
        why = f"no worker could be started: {event['how']}; {event['tail'] or 'it printed nothing'}"
        yield from self._cover(job, schedule, why)

    def _cover(self, job: Job, schedule: Schedule, why: str = "no device can run it") -> Iterator[Event]:
        """See to it that each model with units has a worker that can run it; give up the units of one that cannot have."""
        for model in schedule.models():
            able = [seat for seat in self._seats if schedule.able(model, seat)]
            if any(seat in self._at for seat in able):
                continue
            if able:
                yield from self._start(job, able[0])
                continue
            for unit in schedule.drop(model):
                yield _failed(unit, why)

    def _give(self, schedule: Schedule) -> Iterator[Event]:
        """Give work to those that wait."""
        for seat in list(self._waiting):
            if self._finishing:
                break
            if seat in self._alone and seat.holding:
                continue
            self._alone.discard(seat)
            if first := self._first.pop(seat, None):
                unit, *more = first
                seat.model, seat.left = unit.model, seat.left + unit.images
                seat.holding.append(unit)
                self._alone.add(seat)
                schedule.give_back(more)
            elif (found := schedule.take(seat)) is not None:
                unit = found
            else:
                if not seat.holding and seat.model:
                    seat.model = ""
                    self._at[seat].send({"op": "release"})
                    yield _state(seat, "idle")
                continue
            del self._waiting[seat]
            self._at[seat].send({"op": "unit", "unit": unit.to_json()})
            yield _state(seat, "working", seat.holding[0].model)

    def _look(self, schedule: Schedule) -> Iterator[Event]:
        """Kill workers that hang, and say how long it will take; now and then."""
        now = self._clock()
        if now - self._looked < _TICK:
            return
        self._looked = now
        left = schedule.seconds_left()
        yield {"event": "left", "seconds": None if left is None else round(left, 1)}
        for seat, worker in self._at.items():
            if seat not in self._ready and now - self._heard[seat] > _LATE:
                seat.alive = False  # until it says that it is ready, the others do not count on it
            busy = seat.holding or seat not in self._ready
            if busy and seat not in self._given_up and now - self._heard[seat] > self._options.timeout:
                self._given_up[seat] = (
                    f"nothing was heard of its worker for {self._options.timeout:.0f} s; it was killed"
                )
                worker.kill()


def _state(seat: Seat, state: str, model: str = "") -> Event:
    return {"event": "seat", "seat": seat.index, "device": seat.label, "state": state, "model": model}


def _failed(unit: Unit, error: str, seat: Seat | None = None) -> Event:
    where = {} if seat is None else {"seat": seat.index}
    return {"event": "failed", "unit": unit.index, "conditions": unit.conditions, "error": error, **where}


def _key(unit: Unit) -> tuple[int, str]:
    """Return what a piece of a unit keeps while its conditions are written from the first on."""
    return unit.index, unit.conditions[-1]
