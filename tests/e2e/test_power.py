"""Tier 3's power: forgeries of exactly one point are seen as often as is said, and honest machines are not refused."""

from __future__ import annotations

import pytest
from segharness import PluginHost
from segharness_leaderboard.reproduction.comparison import LEAST_AGREEMENT, LEAST_MEAN
from segharness_leaderboard.reproduction.verdict import Terms, judge
from segharness_leaderboard.submit import check_bundle

from tests.bundle_desk import CARD

SUITE = """
segharness: 1
name: cells-1.0
models: [{id: watershed, model: toycells/watershed}]
reference: watershed
datasets: [{id: toycells, dataset: toycells/test, sample: 100}]
conditions: [clean, {name: noises, corruptions: [gaussian_noise, impulse_noise], severities: [3]}, mixed]
scoring: {tasks: [segm]}
"""


def test_a_forgery_of_one_point_is_seen_in_95_of_100_draws(harness, benchmark_script, monkeypatch):
    """Whoever forges the images that gain most for their part in the draw, for each number that a board shows."""
    harness.write("draft/suite.yaml", SUITE)
    done = harness("protocols", "seal", "./draft", "-o", "sealed", "--bootstrap", "100")
    assert done.code == 0, done.err
    run = ("--model", "toycells/threshold", "--out", "run", "--no-bootstrap", "-qq")
    assert harness("run", "--protocol", "./sealed", *run).code == 0
    done = harness("submit", "pack", "run", "-o", "bundle", "--protocol", "./sealed", *CARD)
    assert done.code == 0, done.err
    forgery = benchmark_script("forgery")
    monkeypatch.chdir(harness.folder)
    host = PluginHost.load()
    checked = check_bundle(
        harness.folder / "bundle", host, harness.folder / "scratch", protocol="./sealed", scored=False
    )
    found = forgery.measured(checked.run, host, "segm", gain=0.01, times=300)
    assert {f.number for f in found} == {"clean", "noises", "mixed-1"}
    for f in found:
        assert f.gain >= 0.01 and f.images >= 1
        assert f.caught >= 0.95, f


def test_honest_machines_are_not_refused(benchmark_script, tmp_path):
    """Other threads, batches and TF32 arithmetic (emulated) of a trained network; another network is refused."""
    pytest.importorskip("torch")
    reproduction = benchmark_script("reproduction")
    images, few = 8, "[clean, fog-3]"
    sizes, truth = reproduction.toy_images(images)
    plain = reproduction.predictions(tmp_path, "toymaskrcnn/bn", images, conditions=few)
    ways = {
        "threads": reproduction.within(reproduction.threads(2), tmp_path, "toymaskrcnn/bn", images, conditions=few),
        "batch": reproduction.predictions(tmp_path, "toymaskrcnn/bn", images, batch=8, conditions=few),
        "TF32": reproduction.within(reproduction.rounded(10), tmp_path, "toymaskrcnn/bn", images, conditions=few),
    }
    for name, changed in ways.items():
        values = reproduction.agreements(plain, changed, truth, sizes)
        assert len(values) == 2 * images
        assert min(values) >= LEAST_AGREEMENT and sum(values) / len(values) >= LEAST_MEAN, (name, min(values))
    other = reproduction.agreements(
        plain, reproduction.predictions(tmp_path, "toymaskrcnn/gn", images, conditions=few), truth, sizes
    )
    assert sum(value < LEAST_AGREEMENT for value in other) > len(other) / 2
    terms = Terms(0.01, 0.95, 1e-4, 100, 2, 1e-3)
    assert judge(terms, [], {"average": sum(other) / len(other)}, []).reasons
