"""Runs that tests make hostile, or give to another machine."""

from __future__ import annotations

import shutil

import pytest
from segharness.testing import CommandLine

from tests.e2e.forging import BOOTSTRAP, SAMPLE, SUITE


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    command = CommandLine(tmp_path_factory.mktemp("made"))
    command.write("s.yaml", SUITE)
    done = command("run", "s.yaml", *SAMPLE, "--bootstrap", "100")
    assert done.code == 0, done.err
    return command.folder


@pytest.fixture
def hostile(made, harness):
    """The command line beside a copy of a run, to be made hostile."""
    shutil.copytree(made, harness.folder, dirs_exist_ok=True)
    return harness


@pytest.fixture
def run(small):
    """The command line beside a run of two models on a COCO data set."""
    done = small("run", "small.yaml", *BOOTSTRAP, "-qq")
    assert done.code == 0, done.err
    return small
