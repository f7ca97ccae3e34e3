"""The protocols of the leaderboard: the sealed one is what it was, and the drafts lack nothing but digests."""

from __future__ import annotations

import json

import pytest

SEALED = {"toy-1.0": "fe16303c21c2c76b00b83fc8966b5459"}
DRAFTS = ("cross-dataset-1.0", "imagenet-c-1.0", "robustness-1.0", "robustness-1.0-mini")


def test_sealed_protocols_are_what_they_were(harness):
    listed = {p["name"]: p for p in json.loads(harness("protocols", "--json").out)}
    assert {name: p["id"] for name, p in listed.items()} == {**SEALED, **dict.fromkeys(DRAFTS)}
    [data] = listed["toy-1.0"]["seal"]["protocol"]["datasets"].values()
    assert (data["name"], data["sample"], data["limit"]) == ("toycells/test", 500, None)
    assert len(listed["toy-1.0"]["seal"]["protocol"]["conditions"]) == 17


def test_a_model_is_run_under_the_sealed_one(harness):
    """On clean images alone; the check of the protocol is before the first cell, and of all conditions."""
    done = harness(
        "run", "--protocol", "toy-1.0", "--model", "toycells/threshold", "-k", "clean", "--bootstrap", "1000"
    )
    assert done.code == 0, done.err
    rows = harness.results("toy-1.0").to_pylist()
    [ap] = [r for r in rows if (r["metric"], r["task"], r["condition"], r["category"]) == ("AP", "segm", "clean", None)]
    assert ap["n_images"] == 500 and 0.1 < ap["value"] < 0.5
    done = harness("protocols", "runs/toy-1.0", "toy-1.0")
    assert done.code == 0 and SEALED["toy-1.0"] in done.out


@pytest.mark.parametrize("name", DRAFTS)
def test_a_draft_is_planned_and_refused(harness, name):
    shown = harness("protocols", name)
    assert shown.code == 0 and "a draft" in shown.out and f"name: {name}" in shown.out
    done = harness("run", "--protocol", name, "--model", "toycells/threshold")
    assert done.code == 4 and "is a draft" in done.err
    harness.write("draft.yaml", shown.out[shown.out.index("\n# ") + 1 :])
    planned = harness("collect", "draft.yaml")
    assert planned.code == 0, planned.err
    cells = [line for line in planned.out.splitlines() if "::" in line]
    assert len(cells) == {"cross-dataset-1.0": 4, "imagenet-c-1.0": 96}.get(name, 17)
