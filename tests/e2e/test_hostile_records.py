"""What a stranger's results say of networks' inputs, of facts and of resolutions: bounded, escaped, or refused."""

from __future__ import annotations

import pytest
from segharness.store import IMAGES, RunFolder, read_shard

from tests.e2e.forging import CELL, changed_shard, every_command, forged_everywhere
from tests.e2e.test_hostile_texts import HOSTILE, no_command_of_a_terminal

HUGE = 10**4000
INPUT = {"model": "sample-finder", "dataset": "squares", "height": [9, 9], "width": [9, 9]}
INPUT |= {"interpolation": ["none"], "padded": False, "known": 1, "unknown": 0}

RECORDS = {
    "no list": ("network_inputs", {"a": 1}),
    "no objects": ("network_inputs", [1, None, "x"]),
    "hostile texts": ("network_inputs", [{**INPUT, "interpolation": [HOSTILE] * 50}]),
    "huge sizes": ("network_inputs", [{**INPUT, "height": [HUGE, HUGE], "unknown": HUGE}]),
    "sizes of another type": ("network_inputs", [{**INPUT, "height": ["9", None]}]),
    "facts of no mapping": ("facts", [1]),
    "facts of hostile texts": ("facts", {"sample-finder": {"norm" + HOSTILE[:20]: HOSTILE, "norm": HOSTILE}}),
    "huge facts": ("facts", {"sample-finder": {"norm": HUGE, "long": "x" * 100_000}}),
    "many facts": ("facts", {f"m{n}": {f"f{k}": k for k in range(200)} for n in range(300)}),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_report_of_them_is_bounded_and_escaped(hostile, name):
    key, value = RECORDS[name]

    def change(manifest):
        manifest[key] = value

    forged_everywhere(hostile.folder / "runs/s", change)
    every_command(hostile, "report", "compare", "status")
    for words in ((), ("--by", "norm"), ("--by", "f1"), ("--format", "csv"), ("--format", "latex")):
        done = hostile("report", "runs/s", *words)
        assert done.code in (0, 4) and "Traceback" not in done.err, done.err
        no_command_of_a_terminal(done.out + done.err)
        assert len(done.out + done.err) < 40_000


@pytest.mark.parametrize("resolution", ["x" * 100_000, HOSTILE, "full", 7])
def test_a_resolution_that_there_is_not_is_refused(hostile, resolution):
    def change(manifest):
        manifest["suite"]["datasets"][0]["resolution"] = resolution

    forged_everywhere(hostile.folder / "runs/s", change)
    done = hostile("report", "runs/s")
    assert done.code == 4 and "resolution" in done.err and len(done.err) < 1000
    no_command_of_a_terminal(done.err)


def test_sizes_that_a_model_could_not_have_are_refused(hostile):
    def change(manifest):
        manifest["suite"]["models"][0]["resolutions"] = ["\x1b[31m"]

    forged_everywhere(hostile.folder / "runs/s", change)
    done = hostile("report", "runs/s")
    assert done.code == 4 and "has the resolutions" in done.err


WRONG_INPUTS = {
    "only a part": {"input_height": 9},
    "no size": {"input_height": 0, "input_width": 9, "interpolation": "none", "padding": [0, 0, 0, 0]},
    "hostile text": {"input_height": 9, "input_width": 9, "interpolation": HOSTILE, "padding": [0, 0, 0, 0]},
    "more padding than tensor": {"input_height": 9, "input_width": 9, "interpolation": "none", "padding": [9, 0, 0, 0]},
    "negative padding": {"input_height": 9, "input_width": 9, "interpolation": "none", "padding": [-1, 0, 0, 0]},
    "a null in the padding": {"input_height": 9, "input_width": 9, "interpolation": "none", "padding": [None, 0, 0, 0]},
}


@pytest.mark.parametrize("name", WRONG_INPUTS)
def test_a_stored_input_of_a_network_is_held_to_the_rules_of_answers(hostile, name):
    def change(predictions, images):
        count = len(images["image_id"])
        for column in ("input_height", "input_width", "interpolation", "padding"):
            images[column] = [WRONG_INPUTS[name].get(column)] * count

    folder = hostile.folder / "runs/s"
    changed_shard(folder, change)
    shard = read_shard(RunFolder(folder).shard_files(*CELL, 0))
    assert shard.images.schema.names == IMAGES.names
    done = every_command(hostile, "score")["score"]
    assert done.code == 1 and "network" in done.err and "damaged" in done.err
    no_command_of_a_terminal(done.out + done.err)
