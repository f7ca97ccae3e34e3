"""The order of units, their division among workers, and the end of a large run."""

from __future__ import annotations

import pytest
from segharness.data.open_dataset import Shard
from segharness.execution import ExecutorOptions, Schedule, Unit, WorkerPool, WorkerSlot
from segharness.execution.events import (
    ModelGivenUp,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoading,
    Progress,
    ShardWritten,
    UnitDone,
    UnitFailed,
    UnitRequested,
    WorkerEnded,
    WorkerReady,
)
from segharness.plugin.specs import Needs

CONDITIONS = tuple("abcdefgh")


def unit(index, model="m", images=64, conditions=CONDITIONS):
    return Unit(index, model, "d", Shard(index, 0, images), conditions)


def slots(count, device="cuda", memory=None):
    return [
        WorkerSlot(i, f"{device}:{i}" if device != "cpu" else "cpu", "here", memory, alive=True) for i in range(count)
    ]


def take_all(schedule, slot):
    """Take and settle one piece after another until there are no more."""
    pieces = []
    while (piece := schedule.take(slot)) is not None:
        pieces.append(piece)
        schedule.note_settled(slot, piece.index, piece.conditions)
    return pieces


def test_one_worker_gets_whole_units_the_largest_first():
    (slot,) = slots(1)
    schedule = Schedule([unit(0, images=7), unit(1), unit(2)], {}, [slot])
    assert [(u.index, u.conditions) for u in take_all(schedule, slot)] == [(i, CONDITIONS) for i in (2, 1, 0)]
    assert not schedule.pending


def test_a_worker_keeps_its_model():
    first, second = slots(2)
    schedule = Schedule([unit(i, "ab"[i % 2]) for i in range(8)], {}, [first, second])
    models: dict[int, set] = {0: set(), 1: set()}
    for _ in range(3):
        for slot in (first, second):
            piece = schedule.take(slot)
            models[slot.index].add(piece.model)
            schedule.note_settled(slot, piece.index, piece.conditions)
    assert sorted(map(sorted, models.values())) == [["a"], ["b"]]


def test_a_single_unit_is_divided_among_workers_by_its_conditions():
    both = slots(2)
    schedule = Schedule([unit(0)], {}, both)
    pieces = [schedule.take(slot) for slot in both]
    assert all(pieces)
    assert len({c for piece in pieces for c in piece.conditions}) == sum(len(p.conditions) for p in pieces)


def test_every_condition_is_handed_out_once_even_if_workers_die():
    all_slots = slots(3)
    schedule = Schedule([unit(i) for i in range(4)], {}, all_slots)
    done: list[tuple[int, str]] = []
    step = 0
    while schedule.pending:
        for slot in all_slots:
            step += 1
            if (piece := schedule.take(slot)) is None:
                continue
            if step % 3 == 0:  # the worker dies after its first file
                schedule.note_written(slot, piece.index, piece.conditions[0])
                done.append((piece.index, piece.conditions[0]))
                schedule.give_back(schedule.vacate(slot))
                slot.alive = True
            else:
                done += [(piece.index, condition) for condition in piece.conditions]
                schedule.note_settled(slot, piece.index, piece.conditions)
    assert sorted(done) == sorted((i, c) for i in range(4) for c in CONDITIONS)


def test_a_slow_worker_does_not_hold_the_end_up():
    fast, slow = slots(2)
    schedule = Schedule([unit(0), unit(1)], {}, [fast, slow])
    fast.model = slow.model = "m"
    for _ in range(60):
        schedule.learn(fast, 64, 64.0)
        schedule.learn(slow, 64, 1280.0)
    assert slow.speed < fast.speed / 10
    slow_piece = schedule.take(slow)
    assert slow_piece is None or len(slow_piece.conditions) == 1
    while (piece := schedule.take(fast)) is not None:
        schedule.note_settled(fast, piece.index, piece.conditions)
    assert schedule.take(slow) is None and not schedule.pending


def test_a_model_runs_only_on_the_kind_of_device_that_it_needs():
    gpu, cpu = WorkerSlot(0, "cuda:0", memory=10, alive=True), WorkerSlot(1, "cpu", memory=64, alive=True)
    schedule = Schedule(
        [unit(0, "big"), unit(1, "small")], {"big": Needs("cuda", memory=8), "small": Needs("cpu")}, [gpu, cpu]
    )
    assert {u.model for u in take_all(schedule, cpu)} == {"small"}
    assert {u.model for u in take_all(schedule, gpu)} == {"big"}


def test_workers_on_processors_load_a_model_as_often_as_the_memory_holds_it():
    three = slots(3, "cpu", memory=20.0)
    schedule = Schedule([unit(i) for i in range(6)], {"m": Needs(memory=8)}, three)
    assert [schedule.take(slot) is not None for slot in three] == [True, True, False]
    schedule.vacate(three[0])
    assert schedule.take(three[2]) is not None


class Scripted:
    """Launches workers that run a unit at once. No worker starts in a `broken` slot; `sent` records the units."""

    def __init__(self, broken=(), unloadable=(), failing=()):
        self.broken, self.unloadable, self.sent, self.events = set(broken), dict(unloadable), [], []
        self.failing = set(failing)

    def start(self, job, slot):
        worker = _ScriptedWorker(self, slot)
        if slot.index in self.broken:
            self.events.append((worker, WorkerEnded("exit code 1")))
        else:
            self.events += [(worker, WorkerReady()), (worker, UnitRequested())]
        return worker

    def next_event(self, seconds):
        return self.events.pop(0) if self.events else None


class _ScriptedWorker:
    def __init__(self, launcher, slot):
        self.launcher, self.slot = launcher, slot

    def send(self, message):
        if message["op"] != "unit":
            return
        unit = Unit.from_json(message["unit"])
        self.launcher.sent.append((self.slot.index, unit.model))
        if unit.model in self.launcher.unloadable.get(self.slot.index, ()):
            events = [
                ModelLoading(unit.model),
                ModelLoadFailed(unit.model, "cannot be loaded"),
                UnitFailed(unit.index, unit.conditions, "cannot be loaded"),
            ]
        elif self.slot.index in self.launcher.failing:
            events = [
                ModelLoaded(unit.model, 1.0),
                Progress(16, 1.0, failed=16),
                ModelGivenUp(unit.model, "failed on each of its first 16 images"),
                UnitFailed(unit.index, unit.conditions, "failed on each of its first 16 images"),
            ]
        else:
            events = [
                ModelLoaded(unit.model, 1.0),
                Progress(64 * len(unit.conditions), 1.0),
                *(ShardWritten(unit.index, condition) for condition in unit.conditions),
                UnitDone(unit.index, unit.conditions),
            ]
        self.launcher.events += [(self, event) for event in (*events, UnitRequested())]

    def stop(self, grace): ...

    def kill(self): ...


class _Job:
    def __init__(self, needs):
        self.needs = needs


def run_pool(launcher, slots, units, needs):
    """Run to the end, or fail if the pool waits for events forever."""
    calls = 0
    next_event = launcher.next_event

    def counted(seconds):
        nonlocal calls
        calls += 1
        assert calls < 5000, "the pool hangs"
        return next_event(seconds)

    launcher.next_event = counted
    return list(WorkerPool(launcher, slots, ExecutorOptions()).execute(_Job(needs), units))


def failed(events):
    return sum(len(event.conditions) for event in events if isinstance(event, UnitFailed))


def written(events):
    return sum(isinstance(event, ShardWritten) for event in events)


def test_a_slot_that_can_run_the_model_is_started_if_there_is_less_work_than_slots():
    two = [WorkerSlot(0, "cuda:0"), WorkerSlot(1, "cpu")]
    launcher = Scripted()
    events = run_pool(launcher, two, [unit(0, conditions=("clean",))], {"m": Needs("cpu")})
    assert launcher.sent == [(1, "m")] and written(events) == 1


def test_units_that_only_a_broken_slot_could_run_are_given_up_and_the_others_done():
    two = [WorkerSlot(0, "cuda:0"), WorkerSlot(1, "cpu")]
    units = [unit(0, "big"), unit(1, "small")]
    events = run_pool(Scripted(broken=[0]), two, units, {"big": Needs("cuda"), "small": Needs("cpu")})
    assert failed(events) == written(events) == len(CONDITIONS)


def test_a_model_that_one_slot_cannot_load_is_left_to_the_others():
    two = [WorkerSlot(0, "cpu"), WorkerSlot(1, "cpu")]
    units = [unit(i) for i in range(20)]
    events = run_pool(Scripted(unloadable={1: ("m",)}), two, units, {})
    assert written(events) >= (len(units) - 2) * len(CONDITIONS)
    assert written(events) + failed(events) == len(units) * len(CONDITIONS)


def test_a_model_that_no_slot_can_load_is_given_up_at_once():
    two = [WorkerSlot(0, "cpu"), WorkerSlot(1, "cpu")]
    launcher = Scripted(unloadable={0: ("m",), 1: ("m",)})
    events = run_pool(launcher, two, [unit(i) for i in range(50)], {})
    assert failed(events) == 50 * len(CONDITIONS) and len(launcher.sent) <= 4


def test_the_schedule_estimates_the_time_of_the_remaining_work():
    (slot,) = slots(1)
    schedule = Schedule([unit(0)], {}, [slot])
    assert schedule.seconds_left() is None
    schedule.take(slot)
    schedule.learn(slot, 12, 6.0)
    assert schedule.seconds_left() == pytest.approx(0.5 * (8 * 64 - 12))


@pytest.fixture(scope="module")
def simulation(benchmark_script):
    return benchmark_script("schedule_simulation")


@pytest.mark.slow
def test_256_devices_are_idle_for_less_than_3_percent_of_10000_units(simulation):
    """Recorded times; a quarter of the devices at half the speed."""
    times = simulation.recorded()
    units = simulation.make_units(10_000, sorted(times))
    result = simulation.simulate(units, [2.0] * 64 + [1.0] * 192, times, load=20.0)
    assert result.idle < 0.03


def test_few_units_on_many_devices_are_spread_by_their_conditions(simulation):
    times = simulation.recorded()
    units = simulation.make_units(16, sorted(times))
    result = simulation.simulate(units, [1.0] * 8, times, load=0.0)
    assert result.idle < 0.05


def test_a_model_that_fails_on_one_device_runs_on_the_others():
    launcher = Scripted(failing=[0])
    slots = [WorkerSlot(0, "cuda:0"), WorkerSlot(1, "cuda:1")]
    events = run_pool(launcher, slots, [unit(index) for index in range(3)], {"m": Needs()})
    assert failed(events) == 0 and written(events) == 3 * len(CONDITIONS)


@pytest.mark.parametrize("devices", [("cpu", "cpu"), ("cuda:0", "cuda:1")])
def test_a_model_that_fails_on_all_devices_is_given_up(devices):
    launcher = Scripted(failing=[0, 1])
    slots = [WorkerSlot(index, device) for index, device in enumerate(devices)]
    events = run_pool(launcher, slots, [unit(index) for index in range(5)], {"m": Needs()})
    assert written(events) == 0 and failed(events) == 5 * len(CONDITIONS)
    assert len(launcher.sent) <= 4
