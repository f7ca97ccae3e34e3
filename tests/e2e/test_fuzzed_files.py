"""Annotation and result files with any mixture of what exporters write; `benchmarks/fuzzed_files.py` makes thousands."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def fuzzed(benchmark_script):
    return benchmark_script("fuzzed_files")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_numbers_are_those_of_pycocotools_or_the_file_is_refused_by_name(fuzzed, seed):
    with tempfile.TemporaryDirectory() as folder:
        assert fuzzed.case(seed, Path(folder)) in ("right", "refused")


def test_both_ends_occur(fuzzed, tmp_path):
    ends = set()
    for seed in range(12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        ends.add(fuzzed.case(seed, folder))
    assert ends == {"right", "refused"}
