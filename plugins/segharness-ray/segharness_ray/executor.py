"""The executor ``ray``: a pool of actors on a Ray cluster."""

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

from segharness_ray.worker_actor import WorkerActor, node_memory

_POLL_SECONDS = 5.0
"""How many seconds an actor waits for an event of its worker before it answers that there is none."""


class RayWorker:
    """An actor, as the pool sees it. Messages are sent without waiting for an answer."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message to the worker."""
        self.actor.send.remote(dict(message))

    def stop(self, grace: float) -> None:
        """Give the worker `grace` seconds to end, then kill it and its actor."""
        if grace:
            with contextlib.suppress(RayError):  # gone or hanging; killed below in either case
                ray.get(self.actor.stop.remote(grace), timeout=grace + 5)
        self.kill()

    def kill(self) -> None:
        """Kill the worker and its actor."""
        with contextlib.suppress(RayError):  # hanging, or never placed; the actor is killed in either case
            ray.get(self.actor.stop.remote(0), timeout=2)
        ray.kill(self.actor)


class ActorLauncher:
    """Starts actors and polls their events. Every actor has one poll under way.

    Args:
        placements: where each slot is, by the slot's index.

    Attributes:
        mark: a file in the run folder, which every node must see; None if the run folder is a URL.
    """

    def __init__(self, placements: Mapping[int, Placement]) -> None:
        self._placements = placements
        self._polls: dict[Any, RayWorker] = {}
        self._events: deque[tuple[RayWorker, WorkerEvent]] = deque()
        self.mark: str | None = None

    def start(self, job: Job, slot: WorkerSlot) -> RayWorker:
        """Start a worker for a slot, on the slot's node."""
        placement = self._placements[slot.index]
        actor = ray.remote(WorkerActor).options(
            num_cpus=placement.cpus,
            num_gpus=0 if slot.kind == "cpu" else 1,
            max_concurrency=4,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(
                placement.node, soft=True
            ),  # elsewhere if the node is gone
        )
        worker = RayWorker(actor.remote())
        worker.actor.open.remote(replace(job, threads=placement.cpus).to_json(), slot.device, self.mark)
        self._poll(worker)
        return worker

    def next_event(self, seconds: float) -> tuple[RayWorker, WorkerEvent] | None:
        """Return the next event and its worker; None if there is none within `seconds`."""
        if not self._events and self._polls:
            answered, _ = ray.wait(list(self._polls), num_returns=1, timeout=seconds)
            for poll in answered:
                worker = self._polls.pop(poll)
                self._receive(worker, poll)
        return self._events.popleft() if self._events else None

    def _receive(self, worker: RayWorker, poll: Any) -> None:
        try:
            events = ray.get(poll)
        except RayError as error:
            how = f"its actor died: {str(error).strip().splitlines()[0]}"
            self._events.append((worker, WorkerEnded(how)))
            return
        self._events.extend((worker, event) for event in events)
        if any(isinstance(event, WorkerEnded) for event in events):
            ray.kill(worker.actor)
        else:
            self._poll(worker)

    def _poll(self, worker: RayWorker) -> None:
        self._polls[worker.actor.poll.remote(_POLL_SECONDS)] = worker


class RayExecutor:
    """Runs units on one actor for every GPU of the cluster, or, on nodes without a GPU, for every few cores.

    Raises:
        UsageError: there is no such cluster, or it lacks the devices that are needed.
    """

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
        """Run the units and yield what happens; leave the cluster at the end."""
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
        """Finish the files in flight and start no more; see `Executor`."""
        self._pool.finish()


def connect(address: str) -> None:
    """Connect to a cluster, or start one.

    Args:
        address: as of ``--ray-address``.

    Raises:
        UsageError: there is no cluster at that address.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if host and port.isdigit():  # fails at once; Ray itself tries for a minute
            socket.create_connection((host, int(port)), timeout=5).close()
        if address == "local":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except Exception as error:
        message = " ".join(str(error).split())[:200]
        raise UsageError(
            f"--ray-address {address}: no Ray cluster there ({message}); start one with `ray start --head`, "
            "or give --ray-address local"
        ) from error


@dataclass(frozen=True)
class Placement:
    """Where a slot is: the id of its node, and the number of cores that its worker may keep busy there."""

    node: str
    cpus: int


def find_slots(options: ExecutorOptions) -> tuple[list[WorkerSlot], dict[int, Placement]]:
    """Return a slot for every GPU of the cluster, or, on nodes without a GPU, for every few cores; and where each is.

    Raises:
        UsageError: the cluster has neither, or no node has as many cores as ``--ray-cpus`` says.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]
    wanted_cpus = options.arguments.get("cpus")
    on_cpu = any(needs.device == "cpu" for needs in options.needs.values())
    placed: list[tuple[WorkerSlot, Placement]] = []
    for node in alive:
        cores, gpus = (int(node["Resources"].get(name, 0)) for name in ("CPU", "GPU"))
        share = gpus or (
            -(-options.workers // len(alive)) if options.workers else cores
        )  # the node's number of workers
        cpus = wanted_cpus or max(1, cores // max(1, share))
        if cpus > cores:
            continue
        affinity = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        host, memory = ray.get(
            ray.remote(node_memory).options(num_cpus=0, scheduling_strategy=affinity).remote(bool(gpus))
        )
        kinds = ["cuda:0"] * gpus or ["cpu"] * (cores // cpus)  # Ray shows an actor only its own GPU
        if gpus and on_cpu and cores // cpus > gpus:
            kinds += ["cpu"] * (cores // cpus - gpus)
        for index, kind in enumerate(kinds):
            gpu = kind != "cpu"
            slot = WorkerSlot(0, kind, f"{host} GPU {index}" if gpu else host, memory["cuda" if gpu else "cpu"])
            placed.append((slot, Placement(node["NodeID"], cpus)))
    placed = placed[: options.workers] if options.workers else placed
    if not placed:
        problem = (
            f"--ray-cpus {wanted_cpus}: no node has so many cores"
            if wanted_cpus
            else "the Ray cluster offers neither cores nor GPUs"
        )
        raise UsageError(problem)
    slots = [replace(slot, index=index) for index, (slot, _) in enumerate(placed)]
    return slots, {index: placement for index, (_, placement) in enumerate(placed)}


def make(options: ExecutorOptions) -> RayExecutor:
    """Return the executor; `RayExecutor` has its errors."""
    return RayExecutor(options)
