"""A run that is left alone: whatever its models, its machine and its people do to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from segharness.store import IMAGES, PREDICTIONS, read_results, read_table

MODEL = """
import os
import signal
import sys
import time

import numpy as np


class Instances:
    def __init__(self, image):
        self.boxes = np.float32([[1, 1, 30, 30]])
        self.scores = np.float32([image.mean() / 255])
        self.labels = np.array([0])
        self.masks = np.zeros((1, *image.shape[:2]), bool)
        self.masks[0, 1:30, 1:30] = True


class Trouble:
    categories = ["disc"]

    def __init__(self, mode, above, flag):
        self.mode, self.above, self.flag = mode, above, flag

    def predict(self, images, prompts=None):
        if self.mode == "garbage":
            print('{"event": "done", "unit": 0}\\n{{{{', flush=True)
            os.write(1, b"\\x00\\xff garbage")
        if images[0].mean() > self.above and (not self.flag or not os.path.exists(self.flag)):
            time.sleep(0.5)  # what it did before is written meanwhile
            if self.flag:
                open(self.flag, "w").close()
            if self.mode == "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            if self.mode == "exit":
                sys.stderr.write("the last words of the model\\n")
                sys.stderr.flush()
                os._exit(5)
            if self.mode == "killed":  # as the kernel does where memory ends
                os.kill(os.getpid(), signal.SIGKILL)
            if self.mode == "hang":
                time.sleep(3600)
            if self.mode == "memory":
                raise MemoryError("no more")
        return [Instances(image) for image in images]


def build(mode="", above=256, flag=""):
    return Trouble(mode, above, flag)
"""

SUITE = """
segharness: 1
name: trouble
models:
  - {{id: good, model: "./trouble.py:build"}}
  - {{id: bad, model: "./trouble.py:build", options: {{mode: {mode}, above: 110, flag: "{flag}"}}{more}}}
reference: good
datasets:
  - id: shapes
    dataset: coco/instances
    options: {{annotations: coco/annotations.json, images: coco/images}}
conditions: [clean, gaussian_noise-5, fog-3]
"""


@pytest.fixture
def trouble(harness, coco):
    def write(mode, once=False, more=""):
        harness.write("trouble.py", MODEL)
        flag = harness.folder / "happened" if once else ""
        harness.write("trouble.yaml", SUITE.format(mode=mode, flag=flag, more=more))
        return harness

    return write


def values(harness):
    return {
        (row["model"], row["condition"]): row["value"]
        for row in harness.results("trouble").to_pylist()
        if row["metric"] == "AP" and row["task"] == "segm"
    }


UNDER = {"in the worker": "", "under python:": f', python: "{sys.executable}"'}


@pytest.mark.parametrize("more", UNDER.values(), ids=UNDER)
@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("segfault", "signal 11"),
        ("exit", "exit code 5"),
        ("killed", "signal 9"),
        ("memory", "out of memory at batch 1"),
    ],
)
def test_a_model_that_ends_its_process_costs_its_own_cells(trouble, mode, told, more):
    """It dies on the first image under fog, the brightest; what it wrote before stays."""
    harness = trouble(mode, more=more)
    done = harness("run", "trouble.yaml", "--workers", "1", "--retries", "1")
    assert done.code == 1, done.err
    assert done.err.count("trying again on a fresh worker") == 1
    failed = next(line for line in done.err.splitlines() if line.startswith("FAILED"))
    assert told in failed and "bad" in failed
    if mode == "exit":
        assert "the last words of the model" in failed
    found = values(harness)
    assert all(found["good", condition] is not None for condition in ("clean", "gaussian_noise-5", "fog-3"))
    assert found["bad", "clean"] is not None and found["bad", "gaussian_noise-5"] is not None
    assert found["bad", "fog-3"] is None
    assert harness("run", "trouble.yaml", "--workers", "1", "--retries", "0").code == 1


@pytest.mark.parametrize("more", UNDER.values(), ids=UNDER)
@pytest.mark.parametrize("mode", ["segfault", "memory"])
def test_what_happens_once_costs_nothing_but_time(trouble, mode, more):
    harness = trouble(mode, once=True, more=more)
    done = harness("run", "trouble.yaml", "--workers", "1")
    assert done.code == 0, done.err
    assert "trying again on a fresh worker" in done.err
    found = values(harness)
    assert all(found["bad", c] == found["good", c] for c in ("clean", "gaussian_noise-5", "fog-3"))


@pytest.mark.parametrize("more", UNDER.values(), ids=UNDER)
def test_a_model_that_hangs_is_given_up_after_the_timeout(trouble, more):
    harness = trouble("hang", more=more)
    began = time.monotonic()
    done = harness("run", "trouble.yaml", "--workers", "1", "--retries", "1", "--timeout", "6")
    assert done.code == 1
    assert "nothing was heard of its worker for 6 s; it was killed" in done.err
    assert values(harness)["good", "fog-3"] is not None
    assert time.monotonic() - began < 120


@pytest.mark.parametrize("more", UNDER.values(), ids=UNDER)
def test_what_a_model_prints_goes_to_the_log(trouble, more):
    harness = trouble("garbage", more=more)
    done = harness("run", "trouble.yaml", "--workers", "1")
    assert done.code == 0, done.err
    assert "{{{{" not in done.out + done.err
    logs = b"".join(path.read_bytes() for path in (harness.folder / "runs/trouble/logs").glob("*.log"))
    assert b"{{{{" in logs and b"\x00\xff garbage" in logs


def test_a_unit_is_tried_as_often_as_it_was_asked(trouble):
    harness = trouble("segfault")
    done = harness("run", "trouble.yaml", "--workers", "1", "--retries", "3")
    assert done.err.count("trying again on a fresh worker") == 3
    assert "(4 times)" in done.err


SAME = """
segharness: 1
name: same
models:
  - {id: good, model: "./solver.py:build", options: {seconds: 0.002}}
  - {id: other, model: "./solver.py:build", options: {seconds: 0.002, margin: 70}}
reference: good
datasets:
  - id: many
    dataset: coco/instances
    options: {annotations: many/annotations.json, images: many/images}
  - id: shapes
    dataset: coco/instances
    options: {annotations: coco/annotations.json, images: coco/images}
conditions: [clean, paper15, mixed]
"""


def predictions(folder):
    """Return every stored table of a run, without what is of time."""
    found = {}
    for path in sorted(folder.rglob("*.arrow")):
        name = str(path.relative_to(folder))
        if name.startswith("predictions/"):
            found[name] = read_table(path, PREDICTIONS)[0]
        elif name.startswith("images/"):
            found[name] = read_table(path, IMAGES)[0].drop(["seconds", "call"])
    return found


def same(one, other):
    return one.keys() == other.keys() and all(one[name].equals(other[name]) for name in one)


@pytest.mark.slow
def test_predictions_and_results_do_not_depend_on_workers_and_what_becomes_of_them(small, make_coco):
    """1 worker, 3 workers, and 2 of which some are killed while they work."""
    make_coco("many", count=70, seed=3)
    small.write("same.yaml", SAME)
    assert small("run", "same.yaml", "--workers", "1", "--out", "one").code == 0
    assert small("run", "same.yaml", "--workers", "3", "--out", "three").code == 0
    run = subprocess.Popen(
        small.arguments("run", "same.yaml", "--workers", "2", "--out", "killed", "--retries", "20"),
        cwd=small.folder,
        env=small.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killed = 0
    while run.poll() is None:
        time.sleep(0.9)
        if killed < 5 and (found := workers_of(run.pid)):
            os.kill(found[killed % len(found)], signal.SIGKILL)
            killed += 1
    assert run.communicate() and run.returncode == 0
    assert killed >= 3
    one, three, disturbed = (predictions(small.folder / name) for name in ("one", "three", "killed"))
    assert len(one) == 2 * 2 * 17 * 3
    assert same(one, three) and same(one, disturbed)
    results = [read_results(small.folder / name) for name in ("one", "three", "killed")]
    assert results[0].equals(results[1]) and results[0].equals(results[2])


def workers_of(pid):
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [int(p) for p, parent, args in rows if int(parent) == pid and "segharness.worker" in args]


def start(harness, *arguments):
    return subprocess.Popen(
        harness.arguments("run", *arguments),
        cwd=harness.folder,
        env=harness.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to this in time"
        time.sleep(0.02)


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
    run = start(slow, "slow.yaml", "--workers", "1")
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
    run = start(slow, "slow.yaml", "--workers", "1")
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
    run = start(slow, "slow.yaml", "--workers", "2")
    wait_for(lambda: len(made(slow)) >= 2)
    time.sleep(1.2)
    shown = slow("status", "runs/slow")
    assert shown.code == 0, shown.err
    assert f"process {run.pid}" in shown.out and "running, written" in shown.out
    assert " of 320 predictions" in shown.out and " of 16 cells ended" in shown.out and "images/s" in shown.out
    known = json.loads(slow("status", "runs/slow", "--json").out)
    assert {seat["device"] for seat in known["seats"].values()} == {"cpu"}
    assert all(seat["model"] == "good" and seat["images"] > 0 for seat in known["seats"].values())
    assert known["left"] is not None
    run.kill()
    run.communicate()
    status = slow.folder / "runs/slow/status.json"
    old = json.loads(status.read_text())
    status.write_text(json.dumps({**old, "updated": old["updated"] - 600}))
    assert "killed, or cut off; the same command continues" in slow("status", "runs/slow").out


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


def test_a_model_whose_device_is_not_there_is_found_before_the_first_cell(small):
    text = (small.folder / "small.yaml").read_text()
    small.write(
        "small.yaml", text.replace("options: {margin: 70}", "options: {margin: 70}, needs: {device: cuda, memory: 8}")
    )
    done = small("run", "small.yaml", "--devices", "cpu")
    assert done.code == 4
    assert "model `other` needs a cuda device of 8 GiB; there is cpu" in done.err
    assert "Traceback" not in done.err and not list((small.folder / "runs").rglob("*.arrow"))
    assert small("run", "small.yaml", "-k", "good", "--devices", "cpu").code == 0


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        ("{device: 3}", "`device` must be a string"),
        ("{memory: much}", "`memory` must be a number"),
        ("{memory: -1}", "`memory` must be at least 0"),
        ("{gpu: 1}", "unknown key `gpu`"),
    ],
)
def test_wrong_needs_are_named_with_their_place(small, needs, message):
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text.replace("options: {margin: 70}", f"needs: {needs}"))
    done = small("run", "small.yaml")
    assert done.code == 4 and message in done.err and "small.yaml:6" in done.err


def test_an_automatic_batch_is_recorded_and_changes_no_result(small):
    small("run", "small.yaml", "--out", "one")
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text.replace('"./solver.py:build"}', '"./solver.py:build", batch_size: auto}'))
    done = small("run", "small.yaml", "--out", "auto")
    assert done.code == 0, done.err
    assert read_results(small.folder / "auto").equals(read_results(small.folder / "one"))
    file = small.folder / "auto/images/good/shapes/fog-3/00000.arrow"
    assert all(batch >= 1 for batch in read_table(file, IMAGES)[0].column("batch").to_pylist())
    small.write("small.yaml", text.replace('"./solver.py:build"}', '"./solver.py:build", batch_size: most}'))
    assert "small.yaml:5" in small("run", "small.yaml").err


FOREIGN_PLUGIN = """
from segharness import ModelSpec, hookimpl


@hookimpl
def segharness_models():
    return [
        ModelSpec("acme/elsewhere", None, "lives in another environment", foreign="acme_models:there.py:build"),
        ModelSpec("acme/here", "acme_models.there:build", "lives in this one"),
    ]
"""


def test_a_plugin_offers_a_model_whose_framework_lives_in_another_environment(small):
    solver = (small.folder / "solver.py").read_text()
    small.write("lib/acme_models/__init__.py", "raise ImportError('this package is not for this environment')\n")
    small.write("lib/acme_models/there.py", solver)
    small.write("segharness_plugins.py", FOREIGN_PLUGIN)
    text = (small.folder / "small.yaml").read_text()
    there = text.replace('"./solver.py:build", options: {margin: 70}', f'acme/elsewhere, python: "{sys.executable}"')
    path = {"PYTHONPATH": str(small.folder / "lib")}
    small.write("small.yaml", there)
    done = small("run", "small.yaml", env=path)
    assert done.code == 0, done.err
    found = {
        (r["model"], r["condition"], r["task"], r["metric"]): r["value"] for r in small.results("small").to_pylist()
    }
    ours = {key[1:]: value for key, value in found.items() if key[0] == "good" and key[3] in ("AP", "AP50")}
    assert ours and all(found[("other", *key)] == value for key, value in ours.items())
    small.write("small.yaml", text.replace('"./solver.py:build", options: {margin: 70}', "acme/elsewhere"))
    done = small("run", "small.yaml", env=path)
    assert done.code == 4 and "model `acme/elsewhere` needs `python:`" in done.err
    small.write(
        "small.yaml",
        text.replace('"./solver.py:build", options: {margin: 70}', f'acme/here, python: "{sys.executable}"'),
    )
    done = small("run", "small.yaml", env=path)
    assert done.code == 4 and "model `acme/here` runs in this environment" in done.err


NUMPY = """
import numpy as np
from solver import Solver


class Dated(Solver):
    def __init__(self, wanted):
        super().__init__("", 47, 0.0)
        assert np.__version__.startswith(wanted), np.__version__


def build(wanted):
    return Dated(wanted)
"""


@pytest.mark.slow
def test_one_run_with_models_in_two_environments_of_conflicting_numpy(small):
    """What they find equals what the model finds in the worker's own process."""
    import venv

    small.write("dated.py", NUMPY)
    lines = []
    for name, version in (("old", "1.26.4"), ("new", "2.2.6")):
        venv.create(small.folder / name, with_pip=True)
        python = small.folder / name / "bin/python"
        subprocess.run([python, "-m", "pip", "install", "-q", f"numpy=={version}"], check=True)
        options = f'options: {{wanted: "{version}"}}'
        lines.append(f'  - {{id: {name}, model: "./dated.py:build", {options}, python: "{python}"}}')
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text.replace("reference: good", "\n".join([*lines, "reference: good"])))
    done = small("run", "small.yaml")
    assert done.code == 0, done.err
    folder = small.folder / "runs/small/predictions"
    for condition in ("clean", "gaussian_noise-5", "fog-3", "mixed-1"):
        own, old, new = (
            read_table(folder / model / "shapes" / condition / "00000.arrow", PREDICTIONS)[0]
            for model in ("good", "old", "new")
        )
        assert old.equals(own) and new.equals(own)
        assert own.num_rows or condition != "clean"


WIDE = """
segharness: 1
name: wide
models: [{id: many, model: "./many.py:build"}]
datasets:
  - id: wide
    dataset: coco/instances
    options: {annotations: wide/annotations.json, images: wide/images}
conditions: [clean, paper15, mixed]
"""

MANY = """
import os
import resource

import numpy as np


class Instances:
    def __init__(self, shape):
        n = 20
        self.boxes = np.tile(np.float32([5, 5, 300, 300]), (n, 1))
        self.scores = np.linspace(0.9, 0.1, n)
        self.labels = np.zeros(n, int)
        self.masks = np.zeros((n, *shape), bool)
        self.masks[:, 5:300, 5:300] = True


class Many:
    categories = ["disc"]

    def predict(self, images, prompts=None):
        with open(os.environ["PEAK"], "w") as file:
            file.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
        return [Instances(image.shape[:2]) for image in images]


def build():
    return Many()
"""


@pytest.mark.slow
def test_a_worker_stays_under_2_gb_on_images_of_2048x1024_and_17_conditions(small, make_coco):
    make_coco("wide", count=64, height=1024, width=2048)
    small.write("wide.yaml", WIDE)
    small.write("many.py", MANY)
    peak = small.folder / "peak"
    done = small("run", "wide.yaml", "--workers", "1", "-qq", env={"PEAK": str(peak)}, timeout=900)
    assert done.code == 0, done.err
    assert 0.3e9 < int(peak.read_text()) * 1024 < 2e9
