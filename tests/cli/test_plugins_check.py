"""``segharness plugins check``: the report, its exit codes, and that all first-party plugins pass."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from segharness.testing import photographs

REPOSITORY = Path(__file__).resolve().parents[2]
MISTAKES = REPOSITORY / "tests/testing/mistakes_plugin.py"


@pytest.fixture
def mistakes(harness):
    shutil.copy(MISTAKES, harness.folder / "mistakes_plugin.py")
    return lambda *arguments: harness("plugins", "check", "mistakes_plugin.py", "-p", "mistakes_plugin.py", *arguments)


def test_a_report_names_the_cause_and_where_to_look(mistakes, harness):
    done = mistakes("--model", "mistakes/finder.labels", "--dataset", "sample/squares")
    assert done.code == 1, done.err
    lines = done.out.splitlines()
    start = lines.index("model mistakes/finder.labels")
    assert lines[start + 1].startswith("  ok      loads, runs, input, form, masks, boxes")
    assert lines[start + 2].startswith("  FAILED  labels: of the known objects ")
    assert lines[start + 3] == (
        "          look at: labels are off by one: label i means categories[i], and a background class has no label"
    )
    assert lines[:1] == ["segharness plugins check mistakes_plugin.py"] and lines[1].startswith(
        "segharness 0.1.0, Python"
    )
    assert str(harness.folder) not in done.out
    assert lines[-1].endswith("not checked")


def test_a_good_part_passes_and_the_report_can_be_kept_and_read_by_machines(mistakes, harness):
    assert mistakes("--model", "mistakes/finder").code == 0
    done = mistakes("--json", "-o", "report.json")
    assert done.code == 1
    report = json.loads((harness.folder / "report.json").read_text())
    broken = {part["name"] for part in report["parts"] if any(f["problem"] for f in part["findings"])}
    assert {"mistakes/squares.xyxy", "mistakes/dim.global", "mistakes-order", "mistakes-outside"} <= broken
    assert not {"mistakes/squares", "mistakes/dim", "mistakes-good", "mistakes/finder"} & broken


def test_it_takes_ones_own_images(mistakes, harness):
    (harness.folder / "photos").mkdir()
    Image.fromarray(photographs(1)[0]).save(harness.folder / "photos/a.png")
    done = mistakes("--model", "mistakes/finder", "--images", "photos")
    assert "ok      loads, runs" in done.out, done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "write `segharness plugins` or `segharness plugins check NAME`"),
        (["chekc", "coco"], "write `segharness plugins` or `segharness plugins check NAME`"),
        (["check", "toycell"], "no plugin `toycell` is installed (did you mean `toycells`?)"),
        (["check", "toycells", "--model", "coco/x"], "offers no model `coco/x`"),
        (["check", "toycells", "--dataset", "toycells/quik"], "did you mean `toycells/quick`?"),
        (["check", "toycells", "--images", "nowhere"], "--images nowhere: there is no such folder"),
        (["check", "toycells", "-o", "nowhere/x.txt"], "there is no folder nowhere"),
        (["check", "toycells", "--model", "toycells/threshold,nope=1"], "nope"),
        (["--all"], "are for `segharness plugins check NAME`"),
        (["--model", "x"], "are for `segharness plugins check NAME`"),
    ],
)
def test_mistakes(harness, arguments, message):
    done = harness("plugins", *arguments)
    assert done.code == 4 and message in done.err and "Traceback" not in done.err


def test_a_plugin_that_does_not_load_is_reported(harness):
    harness.write("broken.py", "raise RuntimeError('not today')")
    done = harness("plugins", "check", "broken.py", "-p", "broken.py")
    assert done.code == 1 and "FAILED  loads: RuntimeError: not today" in done.out


def test_what_cannot_be_made_here_is_not_checked_and_says_why(harness):
    done = harness("plugins", "check", "bdd100k")
    assert done.code == 5
    assert "-       opens: not checked: data set `bdd100k/instances` needs the option `root`" in done.out


PLUGINS = sorted(folder.name.removeprefix("segharness-") for folder in (REPOSITORY / "plugins").iterdir())
PLUGINS = [name for name in PLUGINS if name not in ("ray", "torch")]  # an executor with tests of its own; a library
NEED_MORE = {"bdd100k", "mapillary", "tensorflow", "transformers", "yolact", "yolo"}
"""Plugins whose parts all need data, weights or a framework that a test has not."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["segharness", *PLUGINS])
def test_first_party_plugins_pass(harness, name):
    more = ["--model", "adaptis/toy,points=proposals"] if name == "adaptis" else []
    done = harness("plugins", "check", name, *more)
    assert "FAILED" not in done.out, done.out
    assert done.code == (5 if name in NEED_MORE else 0), done.out + done.err


def test_coco_passes_on_files(harness, coco):
    done = harness(
        "plugins", "check", "coco", "--dataset", "coco/instances,annotations=coco/annotations.json,images=coco/images"
    )
    assert done.code == 0 and "ok      categories, digest, samples, images, shapes, kinds" in done.out
