"""Workers and the scheduler itself, killed at random, five times: the final results are those of an undisturbed run."""

from __future__ import annotations

import random

import pytest
from segharness.store import read_results


@pytest.fixture(scope="module")
def chaos(benchmark_script):
    return benchmark_script("chaos")


@pytest.fixture(scope="module")
def expected(chaos, tmp_path_factory):
    return chaos.undisturbed(tmp_path_factory.mktemp("chaos"), images=24)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_the_results_of_chaos_are_those_of_an_undisturbed_run(chaos, expected, tmp_path, seed):
    happened = chaos.disturb(tmp_path / "run", 24, random.Random(seed), most=4)
    assert happened.killed.total() >= 2, "it was over before anything was killed"
    assert read_results(tmp_path / "run").equals(expected)
