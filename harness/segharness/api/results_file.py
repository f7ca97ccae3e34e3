"""Scores a file of detections that another program wrote, against ground truth, without a suite."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from segharness.api.run_suite import load_host
from segharness.api.whole_run import FinishedRun, finish_run, prepare_run
from segharness.errors import StoreError, UsageError
from segharness.execution import RunSettings
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import ModelSpec
from segharness.score import DEFAULT_RESAMPLES, ScoreOptions
from segharness.store import store_path
from segharness.suite import load_suite, make_plan

if TYPE_CHECKING:
    import pyarrow as pa


def score_results(
    results: str | os.PathLike[str],
    annotations: str | os.PathLike[str],
    *,
    images: str | os.PathLike[str] | None = None,
    dataset_options: Mapping[str, str] | None = None,
    out: str | os.PathLike[str] | None = None,
    plugins: Sequence[str] = (),
    engine: str | None = None,
    bootstrap: int = DEFAULT_RESAMPLES,
) -> pa.Table:
    """Score a file of detections, such as detectron2's ``coco_instances_results.json``, and return the results.

    Args:
        results: the file. A plugin's model of stored predictions reads it; its ending says which.
        annotations: the ground truth.
        images: the folder or archive of the images; needed only to compare with runs on the same images.
        dataset_options: further options of the data set that reads the ground truth, such as ``{"maskless": "drop"}``.
        out: a run folder that keeps predictions and results; None to keep nothing.
        plugins, engine, bootstrap: as in `segharness.run`.

    Returns:
        The results table, as from `segharness.run`: a model called like the file, the data set ``ground-truth``.

    Raises:
        UsageError: no plugin reads such files, or one of the files is missing or broken.

    Example:
        >>> import json
        >>> box = {"image_id": 1, "category_id": 1, "bbox": [2, 2, 9, 9]}
        >>> truth = {
        ...     "images": [{"id": 1, "file_name": "1.png", "height": 20, "width": 20}],
        ...     "categories": [{"id": 1, "name": "cat"}],
        ...     "annotations": [{**box, "id": 1}],
        ... }
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "truth.json").write_text(json.dumps(truth))
        ...     _ = Path(folder, "found.json").write_text(json.dumps([{**box, "score": 0.9}]))
        ...     table = score_results(Path(folder, "found.json"), Path(folder, "truth.json"), bootstrap=0)
        >>> [round(row["value"], 9) for row in table.to_pylist() if row["metric"] == "AP50" and row["task"] == "bbox"][0]
        1.0
    """
    finished = scored_results(
        load_host(Path.cwd(), plugins),
        results,
        annotations,
        images,
        dataset_options or {},
        out,
        ScoreOptions(engine, bootstrap),
    )
    for line in (*finished.outcome.notes, *finished.outcome.scoring):
        warnings.warn(line, stacklevel=2)
    assert finished.results is not None
    return finished.results


def scored_results(
    host: PluginHost,
    results: str | os.PathLike[str],
    annotations: str | os.PathLike[str],
    images: str | os.PathLike[str] | None,
    dataset_options: Mapping[str, str],
    out: str | os.PathLike[str] | None,
    options: ScoreOptions,
) -> FinishedRun:
    """As `score_results`, with plugins that were loaded before; returns the run, which has results."""
    file = Path(results)
    for path in (file, Path(annotations), *([Path(images)] if images is not None else [])):
        if not path.exists():
            raise UsageError(f"{path}: no such file")
    spec, dataset = _reader_of(file, host)
    assert spec.tail is not None
    truth = {"annotations": _literal(annotations), **({"images": _literal(images)} if images is not None else {})}
    if given := [key for key in dataset_options if key in ("annotations", "images")]:
        raise UsageError(f"the option `{given[0]}` of the data set is given already")
    truth |= {key: value.replace("${", "$${") for key, value in dataset_options.items()}
    name = re.sub(r"[^a-z0-9_.-]+", "-", file.stem.lower()).strip("-._")[:60] or "results"
    suite = {
        "segharness": 1,
        "models": [{"id": name, "model": spec.name, "options": {spec.tail: _literal(file)}}],
        "datasets": [{"id": "ground-truth", "dataset": dataset, "options": truth}],
        "conditions": ["clean"],
    }
    with tempfile.TemporaryDirectory(prefix="segharness-") as temporary:
        path = Path(temporary, f"{name}.yaml")
        path.write_text(yaml.safe_dump(suite), encoding="utf-8")
        loaded = load_suite(path, host, shown=str(file))
        folder = store_path(out) if out is not None else Path(temporary)
        settings = RunSettings(folder, fresh=out is None, executor="inline")  # nothing that is there is replaced
        finished = finish_run(prepare_run(make_plan(loaded.suite, host), host, settings, options), host, options)
    if finished.outcome.failed:
        error = next(iter(finished.outcome.failed.values()))
        raise StoreError(error if str(file) in error else f"{file}: {error}")
    if finished.results is None:
        raise StoreError(finished.outcome.stopped or f"{file}: could not be scored")
    return finished


def _literal(path: str | os.PathLike[str]) -> str:
    """Return an absolute path as a suite writes it: what looks like a variable in it is none."""
    return str(Path(path).absolute()).replace("${", "$${")


def _reader_of(file: Path, host: PluginHost) -> tuple[ModelSpec, str]:
    """Return the model that reads such files, and the data set that opens their ground truth."""
    if file.is_dir():
        raise UsageError(f"{file}: is a folder; `--annotations` is for a file of detections")
    readers: dict[str, tuple[ModelSpec, str]] = {}
    for spec in host.all(ModelSpec):
        readers |= {ending: (spec, dataset) for ending, dataset in spec.reads.items()}
    ending = file.suffix.lower()
    if ending not in readers:
        known = ", ".join(sorted(readers)) or "none: `segharness-coco` is not installed"
        raise UsageError(
            f"{file}: neither a run folder nor a file of results that can be read (known endings: {known})"
        )
    found: Any = readers[ending]
    return found[0], found[1]
