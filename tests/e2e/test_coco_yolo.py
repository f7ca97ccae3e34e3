"""The main job on real photographs with real networks: suites/coco_yolo.yaml on ../shared."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from segharness.score.evaluations.coco_parameters import CocoParameters
from segharness.store import RunFolder, read_results, read_shard
from segharness.testing import CommandLine

REPOSITORY = Path(__file__).resolve().parents[2]
INDEPENDENT = {"yolov8n-256": 0.179, "yolov8n-320": 0.213}
"""Mask AP of an independent decoder on the 80 clean images: masks enlarged to the image, then ended at their boxes."""


@pytest.fixture(scope="module")
def run(tmp_path_factory, shared):
    command = CommandLine(tmp_path_factory.mktemp("coco_yolo"))
    done = command(
        "run", str(REPOSITORY / "suites/coco_yolo.yaml"),
        "--var", f"coco={shared}/data/coco-tiny", "--var", f"models={shared}/models",
        timeout=600,
    )  # fmt: skip
    assert done.code == 0, done.err
    return command, done


@pytest.mark.slow
@pytest.mark.shared
def test_clean_ap_is_that_of_an_independent_decoder(run):
    rows = run[0].results("coco_yolo").to_pylist()
    clean = {
        r["model"]: r["value"]
        for r in rows
        if (r["condition"], r["metric"], r["task"], r["category"]) == ("clean", "AP", "segm", None)
    }
    assert clean == {name: pytest.approx(ap, abs=0.015) for name, ap in INDEPENDENT.items()}


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("task", ["segm", "bbox"])
def test_pycocotools_on_the_stored_predictions_gives_the_numbers_in_the_results(run, shared, task):
    folder = RunFolder(run[0].folder / "runs/coco_yolo")
    rows = run[0].results("coco_yolo").to_pylist()
    truth = json.loads((shared / "data/coco-tiny/annotations/instances_val2017.json").read_text())
    sizes = {i["id"]: [i["height"], i["width"]] for i in truth["images"]}
    for model in INDEPENDENT:
        for condition in ("clean", "snow-3", "mixed-1"):
            shards = [read_shard(folder.shard_files(model, "coco_val2017", condition, n)) for n in (0, 1)]
            stored = pa.concat_tables([shard.predictions for shard in shards]).to_pylist()
            results = [
                {
                    "image_id": r["image_id"],
                    "category_id": r["category_id"],
                    "score": r["score"],
                    **(
                        {"bbox": r["bbox"]}
                        if task == "bbox"
                        else {"segmentation": {"size": sizes[r["image_id"]], "counts": r["mask"]}}
                    ),
                }
                for r in stored
            ]
            with contextlib.redirect_stdout(io.StringIO()):
                gt = COCO(str(shared / "data/coco-tiny/annotations/instances_val2017.json"))
                evaluation = COCOeval(gt, gt.loadRes(results), task)
                evaluation.evaluate()
                evaluation.accumulate()
                evaluation.summarize()
            found = {
                r["metric"]: r["value"]
                for r in rows
                if (r["model"], r["condition"], r["task"], r["category"]) == (model, condition, task, None)
            }
            assert [found[name] for name in CocoParameters().names()] == list(evaluation.stats)


@pytest.mark.slow
@pytest.mark.shared
def test_one_worker_finds_what_several_find(run, shared):
    """Real networks, whose masks are sums of floats: to the last bit."""
    command, _ = run
    done = command(
        "run", str(REPOSITORY / "suites/coco_yolo.yaml"), "-k", "clean", "--workers", "1", "--out", "alone", "-qq",
        "--var", f"coco={shared}/data/coco-tiny", "--var", f"models={shared}/models",
    )  # fmt: skip
    assert done.code == 0, done.err
    for model in INDEPENDENT:
        for shard in (0, 1):
            alone, several = (
                read_shard(
                    RunFolder(command.folder / name).shard_files(model, "coco_val2017", "clean", shard)
                ).predictions
                for name in ("alone", "runs/coco_yolo")
            )
            assert alone.num_rows and alone.equals(several)


@pytest.mark.slow
@pytest.mark.shared
def test_the_table_has_every_condition_of_the_paper(run):
    out = run[1].out
    for heading in ("clean", "MC", "avg", "CD", "rCD", "motion", "impulse", "saturate", "spatter", "frost"):
        assert heading in out
    assert "34 of 34 cells done" in run[1].err


@pytest.mark.slow
@pytest.mark.shared
def test_every_tool_opens_the_results_as_they_are(run):
    import duckdb
    import polars as pl
    import pyarrow.dataset as dataset
    import pyarrow.feather as feather

    path = run[0].folder / "runs/coco_yolo/results.arrow"
    table = read_results(path)
    assert feather.read_table(path).num_rows == table.num_rows
    assert pl.read_ipc(path).height == table.num_rows
    opened = dataset.dataset(path, format="ipc")
    assert opened.count_rows() == table.num_rows
    found = duckdb.sql("SELECT count(*) FROM opened WHERE metric = 'CD' AND condition = 'paper15'").fetchall()
    assert found == [(4,)]


@pytest.mark.slow
@pytest.mark.shared
def test_pandas_opens_the_results_as_they_are(run, tmp_path):
    """Installed aside: pyarrow imports pandas wherever it finds it, and every other test would take longer."""
    path = run[0].folder / "runs/coco_yolo/results.arrow"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", tmp_path, "pandas>=2.0"], check=True)
    code = f"import pandas; found = pandas.read_feather({str(path)!r}); print(len(found), found.value.notna().sum())"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    table = read_results(path)
    values = table.column("value")
    assert done.stdout.split() == [str(table.num_rows), str(len(values) - values.null_count)]
