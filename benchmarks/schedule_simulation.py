"""How well a run keeps many devices busy: simulates the real scheduler with recorded times.

    python benchmarks/schedule_simulation.py [--units 10000] [--devices 256] [--slow 0.25] [--log FILE]

Every prediction takes as long as one in a recorded run (`benchmarks/recorded_units.json`, or the `shard` lines of any
``--log-file``); a share of the devices takes twice as long. For several numbers of devices the script prints how long
the run takes, the share of the devices' time in which they were idle, and the share in which they loaded models.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segharness.data.open_dataset import Shard
from segharness.execution import Schedule, Unit, WorkerSlot
from segharness.execution.worker.prefetch import PREFETCHED_IMAGES

RECORDED = Path(__file__).with_name("recorded_units.json")

CONDITIONS = tuple(f"condition-{index}" for index in range(17))


@dataclass(frozen=True)
class Simulated:
    """A simulated run: its seconds, and the shares of the devices' time that they were idle or loaded models."""

    seconds: float
    idle: float
    loading: float


def recorded(log: Path | None = None) -> dict[str, list[float]]:
    """Return the seconds per image of every file that a recorded run wrote, by model."""
    if log is None:
        stored: dict[str, list[float]] = json.loads(RECORDED.read_text())["seconds_per_image"]
        return stored
    times: dict[str, list[float]] = {}
    for line in log.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "shard" and event["seconds"]["predict"] > 0:
            seconds = sum(event["seconds"][stage] for stage in ("waited", "predict", "stalled"))
            times.setdefault(event["model"], []).append(seconds / event["images"])
    return times


def make_units(count: int, models: Sequence[str], images: int = 64) -> list[Unit]:
    """Return units of one data set. All models have equally many shards; the last shard of each model is small."""
    shards = count // len(models)
    units = []
    for model in models:
        for index in range(shards):
            stop = index * images + (images if index < shards - 1 else 7)
            units.append(Unit(len(units), model, "data", Shard(index, index * images, stop), CONDITIONS))
    return units


def simulate(
    units: Sequence[Unit], slowness: Sequence[float], times: Mapping[str, Sequence[float]], load: float, seed: int = 0
) -> Simulated:
    """Run units on devices, one event after another.

    Args:
        units: the units to run.
        slowness: a factor for each device; 1 is as fast as recorded.
        times: recorded seconds per image, by model; each file of a unit draws one of them.
        load: seconds that a model takes to load.
        seed: the seed of the draws.
    """
    draw = random.Random(seed)
    slots = [WorkerSlot(index, f"cuda:{index}", alive=True) for index in range(len(slowness))]
    schedule = Schedule(units, {}, slots)
    loaded = [""] * len(slots)
    queues: list[list[Unit]] = [[] for _ in slots]
    busy = [0.0] * len(slots)
    loading = [0.0] * len(slots)
    working = [False] * len(slots)
    wanting: dict[int, None] = dict.fromkeys(range(len(slots)))
    events: list[tuple[float, int, int, str, int, float]] = []
    now = 0.0

    def begin(slot: int) -> None:
        """Let a device begin its next file."""
        unit = queues[slot][0]
        model, images = unit.model, unit.shard.stop - unit.shard.start
        took = images * draw.choice(times[model]) * slowness[slot]
        start = 0.0
        if loaded[slot] != model:
            loaded[slot], start = model, load
            loading[slot] += load
            schedule.loaded(model, load)
        working[slot] = True
        busy[slot] += took
        heapq.heappush(events, (now + start + took, len(events), slot, unit.conditions[0], images, took))

    while True:
        for slot in list(wanting):
            unit = schedule.take(slots[slot])
            if unit is not None:
                del wanting[slot]
                queues[slot].append(unit)
                if not working[slot]:
                    begin(slot)
                if slots[slot].left <= PREFETCHED_IMAGES:
                    wanting[slot] = None
        if not events:
            break
        now, _, slot, condition, images, took = heapq.heappop(events)
        unit = queues[slot][0]
        schedule.learn(slots[slot], images, took)
        schedule.note_written(slots[slot], unit.index, condition)
        queues[slot][0] = Unit(unit.index, unit.model, unit.dataset, unit.shard, unit.conditions[1:])
        if not queues[slot][0].conditions:
            queues[slot].pop(0)
        working[slot] = False
        if queues[slot]:
            begin(slot)
        if slots[slot].left <= PREFETCHED_IMAGES:
            wanting[slot] = None
    assert not schedule.pending and not any(queues)
    total = now * len(slots)
    return Simulated(now, max(0.0, 1 - (sum(busy) + sum(loading)) / total), sum(loading) / total)


def main() -> None:
    """Print a line for each number of devices."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--devices", type=int, default=256)
    parser.add_argument("--slow", type=float, default=0.25, help="the share of devices that take twice as long")
    parser.add_argument("--load", type=float, default=20.0, help="seconds that a model takes to load")
    parser.add_argument("--log", type=Path, help="the --log-file of a run, instead of the recorded one")
    args = parser.parse_args()
    times = recorded(args.log)
    units = make_units(args.units, sorted(times))
    print(f"{len(units)} units of 17 conditions, {len(times)} models, {args.slow:.0%} of the devices half as fast")
    print("devices    hours    speed-up     idle   loading")
    one_device = 0.0
    for count in (1, 2, 4, 8, 16, 32, 64, 128, args.devices):
        slow = int(count * args.slow)
        run = simulate(units, [2.0] * slow + [1.0] * (count - slow), times, args.load)
        one_device = one_device or run.seconds
        print(
            f"{count:7d} {run.seconds / 3600:8.2f} {one_device / run.seconds:11.1f} {run.idle:8.2%} {run.loading:9.2%}"
        )


if __name__ == "__main__":
    main()
