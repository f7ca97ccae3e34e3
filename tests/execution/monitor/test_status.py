"""The status of a run, read from status.json: of this version, of earlier ones, and damaged."""

from __future__ import annotations

import json

import pytest
from segharness.errors import StoreError
from segharness.execution.monitor.status import read_status
from segharness.store import RunFolder

WORKER = {"device": "cpu", "state": "working", "model": "m", "images": 3, "rate": 2.0, "waited": 0.1, "failures": 0}
STATUS = {"state": "running", "host": "h", "process": 1, "began": 1.0, "updated": 2.0, "images": 9, "cells": 3}


@pytest.mark.parametrize("key", ["workers", "seats"])
def test_the_workers_are_read_also_by_the_name_of_earlier_versions(tmp_path, key):
    (tmp_path / "status.json").write_text(json.dumps({**STATUS, key: {"0": WORKER}}))
    status = read_status(RunFolder(tmp_path))
    assert status.workers[0].device == "cpu" and status.rate == 2.0


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{}", "`workers` is missing"),
        ("null", "not a JSON object"),
        ("[]", "not a JSON object"),
        (json.dumps({**STATUS, "workers": [WORKER]}), "`workers` is missing, or no mapping"),
        (json.dumps({**STATUS, "workers": {}, "images": -1}), "`images` is -1"),
        (json.dumps({**STATUS, "workers": {}, "failures": 3}), "`failures` is no mapping"),
        ("{", "Expecting"),
    ],
)
def test_a_damaged_status_says_what_is_wrong_with_it(tmp_path, content, problem):
    (tmp_path / "status.json").write_text(content)
    with pytest.raises(StoreError, match=f"status.json: damaged: .*{problem}"):
        read_status(RunFolder(tmp_path))
