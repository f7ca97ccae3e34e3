"""README's main command: the default suite needs nothing but the installation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_default_suite_prints_cd_and_rcd(harness):
    shutil.copytree(REPOSITORY / "suites", harness.folder / "suites")
    done = harness("run", "suites/robustness.yaml")
    assert done.code == 0, done.err
    rows = harness.results("robustness").to_pylist()
    for metric in ("CD", "rCD", "rCD_pooled"):
        found = {r["model"]: r["value"] for r in rows if (r["metric"], r["task"]) == (metric, "segm")}
        assert found["threshold"] == pytest.approx(1.0, abs=1e-12)
        assert found["watershed"] is not None and found["watershed"] != pytest.approx(1.0, abs=0.01)


def test_another_data_set_and_model_take_its_place(small):
    shutil.copytree(REPOSITORY / "suites", small.folder / "suites")
    done = small(
        "run", "suites/robustness.yaml", "--limit", "2",
        "--dataset", "coco/instances,id=shapes,annotations=coco/annotations.json,images=coco/images",
        "--model", "solver.py:build,id=a", "--model", "solver.py:build,id=b,margin=70", "--reference", "a",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "mask AP (coco) on shapes, percent; reference a" in done.out
