"""On a real local Ray with two actors, and on a real S3 server of this machine: results are those of the local executor."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from segharness import read_results
from segharness.execution import WorkerBroken, WorkerEnded
from segharness.testing import CommandLine, processes, wait_for

pytestmark = pytest.mark.slow

SUITE = """
segharness: 1
name: cells
models:
  - {id: threshold, model: toycells/threshold}
  - {id: slow, model: "./slow.py:build"}
reference: threshold
datasets:
  - {dataset: toycells/quick, id: cells, limit: 24}
conditions: [clean, gaussian_noise-5, fog-3, snow-3, contrast-3, mixed]
"""

SLOW = """
import time
from segharness_toycells.segmenters import Threshold


class Slow:
    def __init__(self):
        self.model = Threshold()
        self.categories = self.model.categories

    def predict(self, images, prompts=None):
        time.sleep(0.08)
        return self.model.predict(images)


def build():
    return Slow()
"""


@pytest.fixture
def cells(harness):
    harness.write("cells.yaml", SUITE)
    harness.write("slow.py", SLOW)
    return harness


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The results of one machine."""
    command = CommandLine(tmp_path_factory.mktemp("local"))
    command.write("cells.yaml", SUITE)
    command.write("slow.py", SLOW)
    assert command("run", "cells.yaml", "--out", "local", "--workers", "2", "-qq").code == 0
    return command.folder / "local"


def same(local, out):
    return read_results(out).equals(read_results(local))


RAY = ("--executor", "ray", "--ray-address", "local", "--workers", "2")


def test_a_cluster_gives_the_results_of_one_machine(cells, local):
    done = cells("run", "cells.yaml", *RAY)
    assert done.code == 0, done.err
    assert "288 predictions made" in done.err
    assert same(local, cells.folder / "runs/cells")
    again = cells("run", "cells.yaml", *RAY)
    assert "0 predictions made, 288 reused" in again.err


def test_actors_and_workers_that_are_killed_are_replaced(cells, local):
    """Two actors (kill -9), then a worker of one: the run goes on, and its results are the same."""
    run = cells.start("run", "cells.yaml", *RAY, "--retries", "10")
    written = cells.folder / "runs/cells/images"
    killed = []

    def kill_one(actor):
        """Kill an actor, or a worker of one, that was not killed before; return whether there was one."""
        actors = processes("ray::WorkerActor")
        for worker, parent in processes("segharness.worker", cells.folder).items():
            victim = parent if actor else worker
            if parent in actors and victim not in killed:
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)
                return True
        return False

    for actor in (True, True, False):
        count = len(list(written.rglob("*.arrow")))
        wait_for(lambda count=count: len(list(written.rglob("*.arrow"))) > count or run.poll() is not None)
        wait_for(lambda actor=actor: kill_one(actor) or run.poll() is not None)
    _, err = run.communicate(timeout=180)
    assert run.returncode == 0, err
    assert len(killed) == 3
    assert "its actor died" in err
    assert same(local, cells.folder / "runs/cells")
    wait_for(lambda: not processes("segharness.worker", cells.folder))  # none outlives its run


def test_no_cluster_is_a_mistake_with_advice(cells):
    done = cells("run", "cells.yaml", "--executor", "ray", env={"RAY_ADDRESS": ""})
    assert done.code == 4
    assert "no Ray cluster there" in done.err and "ray start --head" in done.err and "Traceback" not in done.err


def test_a_folder_that_a_node_does_not_see_is_said(monkeypatch, tmp_path):
    from segharness_ray.worker_actor import WorkerActor

    actor = WorkerActor()
    actor.open({}, "cpu", str(tmp_path / "elsewhere" / "mark"))
    broken, ended = actor.poll(1)
    assert isinstance(broken, WorkerBroken) and "is not shared with" in broken.error
    assert isinstance(ended, WorkerEnded)


@pytest.fixture(scope="module")
def store():
    """An S3 server with a bucket: the URL of a folder in it."""
    server_of = pytest.importorskip("moto.server", reason="moto is not installed")
    import boto3

    server = server_of.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    before = {name: os.environ.get(name) for name in KEYS}
    os.environ.update(KEYS)
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(Bucket="runs")
    yield lambda name: f"s3://runs/{name}?endpoint_override={host}:{port}&scheme=http"
    server.stop()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.mark.parametrize("executor", [("--workers", "2"), RAY], ids=["local", "ray"])
def test_a_run_on_an_object_store_gives_the_same_results_and_continues(cells, local, store, executor):
    out = store(f"cells-{executor[1]}")
    first = cells("run", "cells.yaml", "-k", "clean or fog", *executor, "--out", out)
    assert first.code == 0, first.err
    done = cells("run", "cells.yaml", *executor, "--out", out)
    assert done.code == 0, done.err
    assert "192 predictions made, 96 reused" in done.err
    assert same(local, out)
    assert not list(Path(cells.folder).rglob("s3:*"))
    shown = cells("report", out, "--format", "csv")
    assert shown.code == 0 and shown.out == cells("report", str(local), "--format", "csv").out
    assert "192 of 192 predictions" in cells("status", out).out
    assert cells("score", out, "-q").code == 0 and same(local, out)


def test_a_damaged_object_is_named_and_made_again(cells, store):
    from segharness.store import store_path

    out = store("damaged")
    assert cells("run", "cells.yaml", "-k", "threshold", "--out", out, "-qq").code == 0
    file = store_path(out) / "predictions/threshold/cells/fog-3/00000.arrow"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 16
    file.write_bytes(bytes(data))
    done = cells("run", "cells.yaml", "-k", "threshold", "--out", out)
    assert done.code == 0, done.err
    assert "made again: " in done.err and "fog-3/00000.arrow" in done.err and "24 predictions made" in done.err


def test_two_runs_on_one_url_are_one_too_many(cells, store):
    out = store("twice")
    first = cells.start("run", "cells.yaml", "--out", out, "--workers", "1")
    from segharness.store import store_path

    wait_for((store_path(out) / ".lock").is_file)
    second = cells("run", "cells.yaml", "--out", out)
    assert second.code == 4 and f"process {first.pid} on " in second.err
    assert first.communicate(timeout=120) and first.returncode == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [("nowhere://bucket/run", "not a place that can be written to"), ("s3://", "not a place that can be written to")],
)
def test_a_url_of_no_store_is_a_mistake(cells, url, message):
    done = cells("run", "cells.yaml", "--out", url)
    assert done.code == 4 and message in done.err and "Traceback" not in done.err
