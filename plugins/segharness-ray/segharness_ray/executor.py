"""The executor ``ray``: a crew of actors."""

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
from segharness.execution import Crew, Event, Job, Options, Seat, Unit, check_needs

from segharness_ray.relay import Relay, look

_POLL = 5.0
"""How long, in seconds, an actor waits for its worker to say something before it answers that it said nothing."""


class RayWorker:
    """An actor, as the crew sees it: messages are sent and not waited for."""

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


class Actors:
    """Starts actors and hears them, with one question to each on its way.

    Args:
        slots: for every seat by its number, the node it is on and the cores that its worker may keep busy.
    """

    def __init__(self, slots: Mapping[int, Slot]) -> None:
        self._slots = slots
        self._asked: dict[Any, RayWorker] = {}
        self._heard: deque[tuple[RayWorker, Event]] = deque()
        self.mark: str | None = None

    def start(self, job: Job, seat: Seat) -> RayWorker:
        slot = self._slots[seat.index]
        actor = ray.remote(Relay).options(
            num_cpus=slot.cpus,
            num_gpus=0 if seat.kind == "cpu" else 1,
            max_concurrency=4,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(slot.node, soft=True),  # elsewhere if it is gone
        )
        worker = RayWorker(actor.remote())
        worker.actor.open.remote(replace(job, threads=slot.cpus).to_json(), seat.device, self.mark)
        self._ask(worker)
        return worker

    def hear(self, seconds: float) -> tuple[RayWorker, Event] | None:
        if not self._heard and self._asked:
            answered, _ = ray.wait(list(self._asked), num_returns=1, timeout=seconds)
            for question in answered:
                worker = self._asked.pop(question)
                self._take(worker, question)
        return self._heard.popleft() if self._heard else None

    def _take(self, worker: RayWorker, question: Any) -> None:
        try:
            events = ray.get(question)
        except RayError as error:
            how = f"its actor died: {str(error).strip().splitlines()[0]}"
            self._heard.append((worker, {"event": "ended", "how": how, "tail": ""}))
            return
        self._heard.extend((worker, event) for event in events)
        if any(event["event"] == "ended" for event in events):
            ray.kill(worker.actor)
        else:
            self._ask(worker)

    def _ask(self, worker: RayWorker) -> None:
        self._asked[worker.actor.poll.remote(_POLL)] = worker


class RayExecutor:
    """One actor for every GPU of the cluster; where there is none, for every few cores."""

    def __init__(self, options: Options) -> None:
        if options.objects:
            raise UsageError("a model object cannot travel to a cluster; use the executor `inline`")
        connect(options.arguments.get("address", "auto"))
        try:
            self._seats, slots = find_seats(options)
            check_needs(options.needs, self._seats)
            self._actors = Actors(slots)
            self._crew = Crew(self._actors, self._seats, options)
        except BaseException:
            ray.shutdown()
            raise
        self.devices: Sequence[str] = [seat.device for seat in self._seats]

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[Event]:
        mark = None
        if "://" not in job.folder:
            mark = Path(job.folder) / f".seen-{uuid.uuid4().hex}"
            mark.write_bytes(b"")
            self._actors.mark = str(mark)
        try:
            yield from self._crew.execute(job, units)
        finally:
            if mark is not None:
                mark.unlink(missing_ok=True)
            ray.shutdown()

    def finish(self) -> None:
        self._crew.finish()


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
class Slot:
    """Where a seat is: a node by its id, and the cores that it has there."""

    node: str
    cpus: int


def find_seats(options: Options) -> tuple[list[Seat], dict[int, Slot]]:
    """Return a seat for every GPU of the cluster's nodes, or on nodes without one for every few cores, and where each is.

    Raises:
        UsageError: the cluster has neither, or fewer cores on every node than each worker was to have.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]
    asked = options.arguments.get("cpus")
    on_cpu = any(needs.device == "cpu" for needs in options.needs.values())
    found: list[tuple[Seat, Slot]] = []
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
            seat = Seat(0, kind, f"{host} GPU {index}" if gpu else host, memory["cuda" if gpu else "cpu"])
            found.append((seat, Slot(node["NodeID"], cpus)))
    found = found[: options.workers] if options.workers else found
    if not found:
        what = (
            f"--ray-cpus {asked}: no node has so many cores"
            if asked
            else "the Ray cluster offers neither cores nor GPUs"
        )
        raise UsageError(what)
    seats = [replace(seat, index=index) for index, (seat, _) in enumerate(found)]
    return seats, {index: slot for index, (_, slot) in enumerate(found)}


def make(options: Options) -> RayExecutor:
    return RayExecutor(options)
