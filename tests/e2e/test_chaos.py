"""Workers and the scheduler itself, killed at random, five times: the final results are those of an undisturbed run."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path

import pytest
from segharness.store import read_results


@pytest.fixture(scope="module")
def chaos():
    file = Path(__file__).resolve().parents[2] / "benchmarks/chaos.py"
    spec = importlib.util.spec_from_file_location("chaos_benchmark", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def expected(chaos, tmp_path_factory):
    return chaos.undisturbed(tmp_path_factory.mktemp("chaos"), images=24)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_results_of_chaos_are_those_of_an_undisturbed_run(chaos, expected, tmp_path, seed):
    happened = chaos.disturb(tmp_path / "run", 24, random.Random(seed), most=4)
    assert happened.killed.total() >= 2, "it was over before anything was killed"
    assert read_results(tmp_path / "run").equals(expected)
