"""How the end of a run looks on many devices: the scheduler itself, with a clock that does not tick, on recorded times.

    python benchmarks/cluster.py [--units 10000] [--devices 256] [--slow 0.25] [--log FILE]

Every prediction takes what one took in a recorded run (`benchmarks/recorded_units.json`, or the `shard` lines of any
``--log-file``); a share of the devices takes twice as long. What is printed: how long the run takes, the share of all
devices' time in which they had nothing to do, and the share in which they loaded models; for several numbers of devices.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segharness.data.dataset import Shard
from segharness.execution import Schedule, Unit, WorkerSlot
from segharness.execution.worker.prefetch import PREFETCHED_IMAGES

RECORDED = Path(__file__).with_name("recorded_units.json")

CONDITIONS = tuple(f"condition-{index}" for index in range(17))


@dataclass(frozen=True)
class Simulated:
    """What a simulated run took: seconds, and the shares of the devices' time that were idle or spent with loading."""

    seconds: float
    idle: float
    loading: float


def recorded(log: Path | None = None) -> dict[str, list[float]]:
    """Return the seconds an image of every file that was written in a recorded run, by model."""
    if log is None:
        found: dict[str, list[float]] = json.loads(RECORDED.read_text())["seconds_per_image"]
        return found
    each: dict[str, list[float]] = {}
    for line in log.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "shard" and event["seconds"]["predict"] > 0:
            took = sum(event["seconds"][stage] for stage in ("waited", "predict", "stalled"))
            each.setdefault(event["model"], []).append(took / event["images"])
    return each


def make_units(count: int, models: Sequence[str], images: int = 64) -> list[Unit]:
    """Return units of one data set: every model has as many shards; the last shard of each is a small one."""
    shards = count // len(models)
    found = []
    for model in models:
        for index in range(shards):
            stop = index * images + (images if index < shards - 1 else 7)
            found.append(Unit(len(found), model, "data", Shard(index, index * images, stop), CONDITIONS))
    return found


def simulate(
    units: Sequence[Unit], slowness: Sequence[float], times: Mapping[str, Sequence[float]], load: float, seed: int = 0
) -> Simulated:
    """Run units on devices, one event after another.

    Args:
        units: what is to do.
        slowness: of each device, 1 for what was recorded.
        times: recorded seconds an image, by model; each file of a unit takes one of them.
        load: seconds that a model takes to load.
        seed: of the draws.
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
        """Let a device do the next file of what it has."""
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
        schedule.written(slots[slot], unit.index, condition)
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
    alone = 0.0
    for count in (1, 2, 4, 8, 16, 32, 64, 128, args.devices):
        slow = int(count * args.slow)
        found = simulate(units, [2.0] * slow + [1.0] * (count - slow), times, args.load)
        alone = alone or found.seconds
        print(
            f"{count:7d} {found.seconds / 3600:8.2f} {alone / found.seconds:11.1f} {found.idle:8.2%} {found.loading:9.2%}"
        )


if __name__ == "__main__":
    main()
