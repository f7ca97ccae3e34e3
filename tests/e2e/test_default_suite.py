"""README's main command: the default suite needs nothing but the installation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_default_suite_prints_cd_and_rcd_of_trained_networks_with_intervals(harness):
    shutil.copytree(REPOSITORY / "suites", harness.folder / "suites")
    done = harness("run", "suites/robustness.yaml", "--limit", "4")
    assert done.code == 0, done.err
    assert "mask AP (coco) on toycells-quick, percent; reference maskrcnn-bn" in done.out
    assert all(f" {name} " in done.out for name in ("maskrcnn-bn", "maskrcnn-gn", "adaptis", "watershed", "threshold"))
    rows = harness.results("robustness").to_pylist()
    for metric in ("CD", "rCD_pooled"):
        found = {r["model"]: r for r in rows if (r["metric"], r["task"], r["condition"]) == (metric, "segm", "paper15")}
        assert found["maskrcnn-bn"]["value"] == pytest.approx(1.0, abs=1e-12)
        for name in ("maskrcnn-gn", "adaptis"):
            assert found[name]["ci_low"] < found[name]["value"] < found[name]["ci_high"], name
    ratios = {r["model"]: r for r in rows if (r["metric"], r["task"], r["condition"]) == ("rCD", "segm", "paper15")}
    assert all(r["value"] is not None or r["reason"] for r in ratios.values())
    assert ratios["maskrcnn-bn"]["value"] in (None, pytest.approx(1.0, abs=1e-12))
    clean = {r["model"]: r["value"] for r in rows
             if (r["metric"], r["task"], r["condition"], r["category"]) == ("AP", "segm", "clean", None)}  # fmt: skip
    assert clean["adaptis"] > clean["maskrcnn-bn"] > clean["watershed"] > clean["threshold"]


@pytest.mark.slow
def test_the_toy_suite_gives_the_papers_table(harness):
    shutil.copytree(REPOSITORY / "suites", harness.folder / "suites")
    done = harness("run", "suites/adaptis_toy.yaml", "--limit", "12")
    assert done.code == 0, done.err
    assert "AP50  AP70  AP80  AP90" in done.out
    rows = harness.results("adaptis_toy").to_pylist()
    found = {(r["model"], r["metric"]): r["value"] for r in rows if r["category"] is None}
    for model in ("adaptis", "adaptis-proposals"):
        values = [found[model, f"AP{percent}"] for percent in (50, 70, 80, 90)]
        assert all(value > least for value, least in zip(values, (0.95, 0.92, 0.87, 0.72), strict=True)), (
            model,
            values,
        )
    for model in ("maskrcnn-bn", "maskrcnn-gn"):
        assert found[model, "AP50"] > 0.9 and found[model, "AP90"] < 0.5


def test_adaptis_takes_given_points(harness):
    harness.write(
        "points.yaml",
        """
        segharness: 1
        name: points
        models: [{model: adaptis/toy-points, id: adaptis, options: {shrink: 4}}]
        datasets: [{dataset: toycells/quick, limit: 4, options: {enlarged: 4}}]
        conditions: [clean, fog-5]
        scoring: {metrics: [given-points]}
        """,
    )
    done = harness("run", "points.yaml")
    assert done.code == 0, done.err
    rows = harness.results("points").to_pylist()
    found = {r["condition"]: r["value"] for r in rows if (r["metric"], r["category"]) == ("mask_mIoU", None)}
    assert found["clean"] > 0.85 and found["clean"] > found["fog-5"] + 0.1


def test_another_data_set_and_model_take_its_place(small):
    shutil.copytree(REPOSITORY / "suites", small.folder / "suites")
    done = small(
        "run", "suites/robustness.yaml", "--limit", "2",
        "--dataset", "coco/instances,id=shapes,annotations=coco/annotations.json,images=coco/images",
        "--model", "solver.py:build,id=a", "--model", "solver.py:build,id=b,margin=70", "--reference", "a",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "mask AP (coco) on shapes, percent; reference a" in done.out
