"""The executor ``ray``: a pool of actors."""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from segharness import UsageError
from segharness.execution import (
    ExecutorOptions,
    Job,
    RunEvent,
    Unit,
    WorkerEnded,
    WorkerEvent,
    WorkerPool,
    WorkerSlot,
    check_needs,
)

from segharness_ray.relay import Relay, look

_POLL = 5.0
"""How long, in seconds, an actor waits for its worker to say something before it answers that it said nothing."""


class RayWorker:
    """An actor, as the pool sees it: messages are sent and not waited for."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def send(self, message: Mapping[str, Any]) -> None:
        self.actor.send.remote(dict(message))

    def stop(self, grace: float) -> None:
        if grace:
            with contextlib.suppress(RayError):  # it is gone, or hangs: killed below in either case
                ray.get(self.actor.stop.remote(grace), timeout=grace + 5)
        self.kill()

    def kill(self) -> None:
        with contextlib.suppress(RayError):  # it hangs, or was never placed: the actor is killed in either case
            ray.get(self.actor.stop.remote(0), timeout=2)
        ray.kill(self.actor)


class ActorLauncher:
    """Starts actors and gets their events, with one question to each on its way.

    Args:
        placements: of every slot, by its number.
    """

    def __init__(self, placements: Mapping[int, Placement]) -> None:
        self._placements = placements
        self._asked: dict[Any, RayWorker] = {}
        self._events: deque[tuple[RayWorker, WorkerEvent]] = deque()
        self.mark: str | None = None

    def start(self, job: Job, slot: WorkerSlot) -> RayWorker:
        placement = self._placements[slot.index]
        actor = ray.remote(Relay).options(
            num_cpus=placement.cpus,
            num_gpus=0 if slot.kind == "cpu" else 1,
            max_concurrency=4,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(placement.node, soft=True),  # elsewhere if it is gone
        )
        worker = RayWorker(actor.remote())
        worker.actor.open.remote(replace(job, threads=placement.cpus).to_json(), slot.device, self.mark)
        self._ask(worker)
        return worker

    def next_event(self, seconds: float) -> tuple[RayWorker, WorkerEvent] | None:
        if not self._events and self._asked:
            answered, _ = ray.wait(list(self._asked), num_returns=1, timeout=seconds)
            for question in answered:
                worker = self._asked.pop(question)
                self._take(worker, question)
        return self._events.popleft() if self._events else None

    def _take(self, worker: RayWorker, question: Any) -> None:
        try:
            events = ray.get(question)
        except RayError as error:
            how = f"its actor died: {str(error).strip().splitlines()[0]}"
            self._events.append((worker, WorkerEnded(how)))
            return
        self._events.extend((worker, event) for event in events)
        if any(isinstance(event, WorkerEnded) for event in events):
            ray.kill(worker.actor)
        else:
            self._ask(worker)

    def _ask(self, worker: RayWorker) -> None:
        self._asked[worker.actor.poll.remote(_POLL)] = worker


class RayExecutor:
    """One actor for every GPU of the cluster; where there is none, for every few cores."""

    def __init__(self, options: ExecutorOptions) -> None:
        if options.objects:
            raise UsageError("a model object cannot travel to a cluster; use the executor `inline`")
        connect(options.arguments.get("address", "auto"))
        try:
            slots, placements = find_slots(options)
            check_needs(options.needs, slots)
            self._launcher = ActorLauncher(placements)
            self._pool = WorkerPool(self._launcher, slots, options)
        except BaseException:
            ray.shutdown()
            raise
        self.devices: Sequence[str] = [slot.device for slot in slots]

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[RunEvent]:
        mark = None
        if "://" not in job.folder:
            mark = Path(job.folder) / f".seen-{uuid.uuid4().hex}"
            mark.write_bytes(b"")
            self._launcher.mark = str(mark)
        try:
            yield from self._pool.execute(job, units)
        finally:
            if mark is not None:
                mark.unlink(missing_ok=True)
            ray.shutdown()

    def finish(self) -> None:
        self._pool.finish()


def connect(address: str) -> None:
    """Join a cluster, or start one.

    Raises:
        UsageError: there is none at that address.
    """
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if host and port.isdigit():  # Ray itself tries for a minute
            socket.create_connection((host, int(port)), timeout=5).close()
        if address == "local":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise UsageError(
            f"--ray-address {address}: no Ray cluster there ({said}); start one with `ray start --head`, "
            "or give --ray-address local"
        ) from error


@dataclass(frozen=True)
class Placement:
    """Where a slot is: a node by its id, and the cores that its worker may keep busy there."""

    node: str
    cpus: int


def find_slots(options: ExecutorOptions) -> tuple[list[WorkerSlot], dict[int, Placement]]:
    """Return a slot for every GPU of the cluster's nodes, or on nodes without one for every few cores, and where each is.

    Raises:
        UsageError: the cluster has neither, or fewer cores on every node than each worker was to have.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]
    asked = options.arguments.get("cpus")
    on_cpu = any(needs.device == "cpu" for needs in options.needs.values())
    placed: list[tuple[WorkerSlot, Placement]] = []
    for node in alive:
        cores, gpus = (int(node["Resources"].get(name, 0)) for name in ("CPU", "GPU"))
        share = gpus or (-(-options.workers // len(alive)) if options.workers else cores)  # so many workers here
        cpus = asked or max(1, cores // max(1, share))
        if cpus > cores:
            continue
        affinity = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        host, memory = ray.get(ray.remote(look).options(num_cpus=0, scheduling_strategy=affinity).remote(bool(gpus)))
        kinds = ["cuda:0"] * gpus or ["cpu"] * (cores // cpus)  # Ray shows an actor its own GPU alone
        if gpus and on_cpu and cores // cpus > gpus:
            kinds += ["cpu"] * (cores // cpus - gpus)
        for index, kind in enumerate(kinds):
            gpu = kind != "cpu"
            slot = WorkerSlot(0, kind, f"{host} GPU {index}" if gpu else host, memory["cuda" if gpu else "cpu"])
            placed.append((slot, Placement(node["NodeID"], cpus)))
    placed = placed[: options.workers] if options.workers else placed
    if not placed:
        what = (
            f"--ray-cpus {asked}: no node has so many cores"
            if asked
            else "the Ray cluster offers neither cores nor GPUs"
        )
        raise UsageError(what)
    slots = [replace(slot, index=index) for index, (slot, _) in enumerate(placed)]
    return slots, {index: placement for index, (_, placement) in enumerate(placed)}


def make(options: ExecutorOptions) -> RayExecutor:
    return RayExecutor(options)
