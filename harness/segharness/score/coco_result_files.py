"""Writes predictions as COCO result files, for evaluation servers and for the model `coco-results`.

Masks and boxes go into separate files. In a common file, evaluators would take a result's area from its box instead of
its mask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from segharness.errors import UsageError
from segharness.identity import stored_run
from segharness.plugin.host import PluginHost
from segharness.score.cell_predictions import read_cell
from segharness.score.data_sources import GivenPlaces, find_datasets
from segharness.score.evaluations.coco_engines import boxes
from segharness.store import RunFolder
from segharness.store.atomic import write_atomic


def export_results(
    folder: RunFolder,
    host: PluginHost,
    out: Path,
    skipped: Callable[[str, str], None] = lambda cell, reason: None,
    given: GivenPlaces | None = None,
) -> int:
    """Write ``MODEL/DATASET/CONDITION.segm.json`` and ``.bbox.json`` for every complete cell of a run.

    Args:
        folder: the folder of the run.
        host: the plugins, which provide the data sets.
        out: the folder to write into.
        skipped: called with every cell that cannot be written, as ``model::dataset::condition``, and why.
        given: where the data sets lie; None to find those that this machine remembers.

    Returns:
        The number of files written.

    Raises:
        StoreError: the folder holds no run, or where a data set lies is not known.
        UsageError: `out` cannot be written.
    """
    manifest = folder.read_manifest()
    stored = stored_run(manifest, folder.manifest)
    suite, inputs = stored.suite, stored.inputs
    datasets = find_datasets(folder, host, given)
    count = 0
    for entry in suite.datasets:
        opened = datasets[entry.id]
        sizes = {sample.image_id: [sample.height, sample.width] for sample in opened.samples}
        for model in suite.models:
            for condition in suite.conditions:
                cell = read_cell(folder, inputs, opened, model.id, condition.name)
                reason = cell.reason
                if cell.predictions is not None and cell.predictions.column("score").null_count:
                    reason = "the model gives no scores, which result files need"
                if cell.predictions is None or reason is not None:
                    skipped(f"{model.id}::{entry.id}::{condition.name}", reason or "not run")
                    continue
                for kind, rows in _result_lists(cell.predictions, sizes):
                    path = out / model.id / entry.id / f"{condition.name}.{kind}.json"
                    try:
                        write_atomic(path, json.dumps(rows, separators=(",", ":")).encode())
                    except OSError as error:
                        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
                    count += 1
    return count


def _result_lists(predictions: pa.Table, sizes: dict[int, list[int]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield kinds of result file and their result lists: ``segm`` if every prediction has a mask, then ``bbox``."""
    heads = [
        {"image_id": image_id, "category_id": category_id, "score": score}
        for image_id, category_id, score in zip(
            *(predictions.column(name).to_pylist() for name in ("image_id", "category_id", "score")), strict=True
        )
    ]
    if not predictions.column("mask").null_count:
        masks = predictions.column("mask").to_pylist()
        yield (
            "segm",
            [
                {**head, "segmentation": {"size": sizes[head["image_id"]], "counts": mask.decode()}}
                for head, mask in zip(heads, masks, strict=True)
            ],
        )
    yield "bbox", [{**head, "bbox": box} for head, box in zip(heads, boxes(predictions).tolist(), strict=True)]
