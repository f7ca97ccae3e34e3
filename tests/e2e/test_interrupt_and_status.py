"""A run that people look at and interrupt: Ctrl-C, ``segharness status``, ``--log-file``."""

from __future__ import annotations

import json
import signal
import time

import pytest
from segharness.testing import wait_for

SLOW = """
segharness: 1
name: slow
models:
  - {id: good, model: "./solver.py:build", options: {seconds: 0.1}}
reference: good
datasets:
  - id: many
    dataset: coco/instances
    options: {annotations: many/annotations.json, images: many/images}
conditions: [clean, paper15]
"""


@pytest.fixture
def slow(small, make_coco):
    """16 files of 20 images each, of which one takes 2 seconds."""
    make_coco("many", count=20, seed=1)
    small.write("slow.yaml", SLOW)
    return small


def made(harness):
    return {
        str(path.relative_to(harness.folder)): path.stat().st_mtime_ns
        for path in harness.folder.glob("runs/slow/images/**/*.arrow")
    }


def test_ctrl_c_once_finishes_the_files_in_flight(slow):
    run = slow.start("run", "slow.yaml", "--workers", "1")
    wait_for(lambda: len(made(slow)) == 1)
    time.sleep(0.7)  # the second is in flight
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 2
    assert "finishing the files in flight; again stops now" in err
    before = made(slow)
    assert len(before) == 2
    status = slow("status", "runs/slow")
    assert "interrupted; the same command continues" in status.out
    done = slow("run", "slow.yaml", "--workers", "4")
    assert done.code == 0, done.err
    assert {path: made(slow)[path] for path in before} == before
    assert "280 predictions made, 40 reused" in done.err


def test_ctrl_c_twice_stops_now(slow):
    run = slow.start("run", "slow.yaml", "--workers", "1")
    wait_for(lambda: len(made(slow)) == 1)
    time.sleep(0.3)
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    time.sleep(0.2)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 2 and "Traceback" not in err
    assert time.monotonic() - began < 1.5, "a file takes 2 s"
    assert len(made(slow)) == 1


def test_status_shows_a_run_elsewhere_from_its_files(slow):
    run = slow.start("run", "slow.yaml", "--workers", "2")
    wait_for(lambda: len(made(slow)) >= 2)
    time.sleep(1.2)
    shown = slow("status", "runs/slow")
    assert shown.code == 0, shown.err
    assert f"process {run.pid}" in shown.out and "running, written" in shown.out
    assert " of 320 predictions" in shown.out and " of 16 cells ended" in shown.out and "images/s" in shown.out
    known = json.loads(slow("status", "runs/slow", "--json").out)
    assert {worker["device"] for worker in known["workers"].values()} == {"cpu"}
    assert all(worker["model"] == "good" and worker["images"] > 0 for worker in known["workers"].values())
    assert known["left"] is not None
    run.kill()
    run.communicate()
    status = slow.folder / "runs/slow/status.json"
    old = json.loads(status.read_text())
    status.write_text(json.dumps({**old, "updated": old["updated"] - 600, "host": "elsewhere"}))
    assert "killed, or cut off; the same command continues" in slow("status", "runs/slow").out


def test_status_knows_at_once_that_a_run_on_this_machine_was_killed(slow):
    process = slow.start("run", "slow.yaml", "--workers", "1")
    wait_for(lambda: (slow.folder / "runs/slow/status.json").is_file())
    assert "running" in slow("status", "runs/slow").out
    process.kill()
    process.wait()
    done = slow("status", "runs/slow")
    assert "killed" in done.out and "the same command continues" in done.out and " left" not in done.out


def test_status_of_what_is_no_run_is_a_mistake(harness):
    done = harness("status", "nowhere")
    assert done.code == 4 and "not a run folder" in done.err and "Traceback" not in done.err


def test_the_log_file_has_a_line_an_event_with_the_seconds_of_every_stage(small):
    done = small("run", "small.yaml", "--workers", "2", "--log-file", "log/run.jsonl")
    assert done.code == 0, done.err
    events = [json.loads(line) for line in (small.folder / "log/run.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "begin" and events[0]["images"] == 48
    assert events[-1]["event"] == "end" and events[-1]["state"] == "finished" and events[-1]["made"] == 48
    written = [event for event in events if event["event"] == "shard"]
    assert {(e["model"], e["dataset"], e["condition"]) for e in written} == {
        (model, "shapes", condition)
        for model in ("good", "other")
        for condition in ("clean", "gaussian_noise-5", "fog-3", "mixed-1")
    }
    for event in written:
        assert event["images"] == 6 and event["time"] > 1.7e9
        assert set(event["seconds"]) == {"decode", "corrupt", "waited", "predict", "stalled", "encode", "write"}
        assert event["seconds"]["corrupt"] > 0 and event["seconds"]["write"] > 0


def test_a_log_file_that_cannot_be_written_is_found_before_the_first_cell(small):
    small.write("taken", "a file")
    done = small("run", "small.yaml", "--log-file", "taken/run.jsonl")
    assert done.code == 4 and "--log-file taken/run.jsonl: cannot be written" in done.err
