"""The executor ``ray``: a crew of actors."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from segharness import UsageError
from segharness.runner import Crew, Event, Job, Options, Seat, Unit, check_needs

from segharness_ray.relay import Relay

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
        cpus: cores an actor holds, and threads its worker may keep busy.
    """

    def __init__(self, cpus: int) -> None:
        self._cpus = cpus
        self._asked: dict[Any, RayWorker] = {}
        self._heard: deque[tuple[RayWorker, Event]] = deque()
        self.mark: str | None = None

    def start(self, job: Job, seat: Seat) -> RayWorker:
        gpus = 0 if seat.kind == "cpu" else 1
        options = {"num_cpus": self._cpus, "num_gpus": gpus, "max_concurrency": 4, "max_restarts": 0}
        worker = RayWorker(ray.remote(Relay).options(**options).remote())
        worker.actor.open.remote(replace(job, threads=self._cpus).to_json(), seat.device, self.mark)
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
            gpu, cpu, cpus = _devices(options)
            kinds = {needs.device for needs in options.needs.values()}
            names = ["cuda:0"] * gpu or ["cpu"] * cpu  # Ray shows an actor its own GPU alone
            if gpu and "cpu" in kinds:
                names += ["cpu"] * max(1, cpu - gpu)
            names = names[: options.workers] if options.workers else names
            self.devices: Sequence[str] = names
            self._seats = [Seat(index, name, "ray") for index, name in enumerate(names)]
            check_needs(options.needs, self._seats)
            self._actors = Actors(cpus)
            self._crew = Crew(self._actors, self._seats, options)
        except BaseException:
            ray.shutdown()
            raise

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


def _devices(options: Options) -> tuple[int, int, int]:
    """Return how many GPUs the cluster has, how many workers its cores make, and the cores for each."""
    resources = ray.cluster_resources()
    gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    if not gpus and not cores:
        raise UsageError("the Ray cluster has neither cores nor GPUs to offer")
    asked = options.arguments.get("cpus")
    wanted = options.workers or gpus or cores
    cpus = asked or max(1, cores // max(1, wanted))
    smallest = min((int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]), default=cores)
    if asked and asked > smallest > 0 and len(ray.nodes()) == 1:
        raise UsageError(f"--ray-cpus {asked}: the cluster's node has {smallest} cores")
    if not asked and smallest:
        cpus = min(cpus, smallest)
    return gpus, max(1, cores // cpus), cpus


def make(options: Options) -> RayExecutor:
    return RayExecutor(options)
