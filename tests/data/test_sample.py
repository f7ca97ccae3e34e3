"""``sample: N``: which images are drawn, and that they are part of what predictions and protocols are made from."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segharness.data.open_dataset import draw_sample
from segharness.errors import DataError
from segharness.records import Sample

from tests.e2e.forging import edited

PLUGINS = ("-p", "segharness.testing.sample")

SUITE = """
segharness: 1
models: [sample/finder]
datasets: [{{dataset: sample/squares, id: squares{more}}}]
conditions: [clean, sample/dim-1]
"""


def images(ids):
    return [Sample(id, b"", 1, 1) for id in ids]


@given(st.sets(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40), st.data())
def test_the_smallest_digests_are_drawn_in_the_data_sets_order(ids, data):
    order = data.draw(st.permutations(sorted(ids)))
    count = data.draw(st.integers(1, len(ids)))
    drawn = [sample.image_id for sample in draw_sample(images(order), count)]
    smallest = sorted(ids, key=lambda id: hashlib.sha256(str(id).encode()).hexdigest())[:count]
    assert drawn == [id for id in order if id in smallest]


def test_a_smaller_sample_is_part_of_a_larger_one():
    of = {n: {s.image_id for s in draw_sample(images(range(100)), n)} for n in (5, 20, 100)}
    assert of[5] < of[20] < of[100]


def test_more_images_than_there_are_cannot_be_drawn():
    with pytest.raises(DataError, match="`sample` is 4, and there are 3 images"):
        draw_sample(images([1, 2, 3]), 4)


def run(harness, more, *arguments, out="out"):
    harness.write("s.yaml", SUITE.format(more=more))
    return harness("run", "s.yaml", "--out", out, "--bootstrap", "100", *PLUGINS, *arguments)


def test_a_run_takes_the_drawn_images_alone_and_says_so_in_its_protocol(harness):
    assert run(harness, ", sample: 2").code == 0
    assert run(harness, "", out="all").code == 0
    manifests = [json.loads((harness.folder / name / "manifest.json").read_text()) for name in ("out", "all")]
    assert manifests[0]["inputs"]["datasets"]["squares"]["sample"] == 2
    assert "sample" not in manifests[1]["inputs"]["datasets"]["squares"]
    assert manifests[0]["protocol"] != manifests[1]["protocol"]
    from segharness import read_results

    rows = read_results(harness.folder / "out/results.arrow").to_pylist()
    assert {row["n_images"] for row in rows if row["metric"] == "AP"} == {2}
    assert harness("score", "out", *PLUGINS).code == 0
    assert harness("verify", "out", *PLUGINS).code == 0


def test_another_sample_does_not_reuse_predictions(harness):
    assert run(harness, ", sample: 2").code == 0
    done = run(harness, ", sample: 1")
    assert done.code == 4 and "dataset.sample: 2 -> 1" in done.err


def test_a_limit_cuts_the_sample(harness):
    done = run(harness, ", sample: 2", "--limit", "1")
    assert done.code == 0, done.err
    manifest = json.loads((harness.folder / "out/manifest.json").read_text())
    assert manifest["suite"]["datasets"][0]["limit"] == 1


def test_the_command_line_draws_too(harness):
    done = run(harness, "", "--dataset", "sample/squares,id=squares,sample=2")
    assert done.code == 0, done.err
    done = run(harness, "", "--dataset", "sample/squares,id=squares,sample=9", out="more")
    assert done.code == 4 and "data set `squares`: `sample` is 9, and there are 3 images" in done.err


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "all"])
def test_a_sample_is_a_number_of_images(harness, value):
    done = run(harness, f", sample: {value}")
    assert done.code == 4 and "sample" in done.err and "Traceback" not in done.err


def test_a_manifest_that_says_two_things_is_refused(harness):
    assert run(harness, ", sample: 2").code == 0
    edited(harness.folder / "out", lambda manifest: manifest["suite"]["datasets"][0].update(sample=None))
    done = harness("score", "out", *PLUGINS)
    assert done.code == 4 and "says two things of the sample of `squares`" in done.err
