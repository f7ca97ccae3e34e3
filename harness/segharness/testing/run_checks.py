"""Checks metrics, reporters, executors and suites against their contracts, on small runs of the plugin `sample`."""

from __future__ import annotations

import copy
import math
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from segharness.api import evaluate, run
from segharness.data.open_dataset import OpenDataset
from segharness.identity import Inputs, stored_run
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import MetricSpec, ReporterSpec
from segharness.records import Model
from segharness.report import make_report
from segharness.report.documents import write_documents
from segharness.score.bootstrap import Resamples, draw
from segharness.score.cell_predictions import read_cell
from segharness.score.data_sources import find_datasets
from segharness.score.dataset_scorer import ground_truth
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.score.score_checks import checked_scores
from segharness.store import RunFolder
from segharness.store.failures import read_failures
from segharness.suite import OVERALL, VIEWS, Split, Suite, load_suite, make_plan
from segharness.suite.find_suites import suite_file
from segharness.testing.written_files import written_files

SAMPLE = "segharness.testing.sample"

_SUITE = """
segharness: 1
name: sample
models: [sample/finder, sample/blind, {models}]
reference: sample-finder
datasets: [sample/squares]
conditions: [clean, sample/dim-1, sample/dim-3]
scoring: {{metrics: [coco, speed]}}
"""


def check_metric(
    spec: MetricSpec, options: Mapping[str, Any] | None = None, *, model: Model | None = None
) -> list[Score]:
    """Score sample detections with an evaluation and check everything that the harness checks of its scores.

    Args:
        spec: the evaluation.
        options: as a suite may give them.
        model: whose detections on ``sample/squares`` to score; None for ``sample/finder``, which finds every square.

    Returns:
        The scores of that model's detections, for the first of the evaluation's tasks.

    Raises:
        AssertionError: a metric is declared and not scored, a missing value has no reason, the same request gives other
            scores, or the ground truth is modified.
        ValueError: a score breaks a rule of `Score`; see `segharness.score.check_scores`.

    Example::

        def test_contour_error():
            scores = check_metric(SPEC)
            assert scores[0].value == 0.0
    """
    options = options or {}
    declared = spec.metrics_under(options)
    score = load(spec.score)
    first: list[Score] | None = None
    with _sample_run("sample/failing", model=model) as (folder, host, _):
        suite, inputs, opened = _stored(folder, host)
        truth = ground_truth(opened, spec.ground_truth, spec.also)
        resamples = draw(opened.dataset.digest, [sample.image_id for sample in opened.samples], 100)
        splits = (Split("reds", ("red",)), Split("others", ("red",), complement=True))
        for entry in suite.models[:2]:
            cell = read_cell(folder, inputs, opened, entry.id, "clean")
            failed = read_failures(folder.failures).get((entry.id, opened.entry.id, "clean"), cell.reason)
            assert cell.predictions is not None, f"the model's detections cannot be scored: {failed}"
            for task in spec.tasks:
                for drawn in (None, resamples):
                    engine = next(iter(spec.engines), None)
                    request = ScoreRequest(truth, cell.predictions, task, splits, engine, cell.images, options, drawn)
                    before = copy.deepcopy(truth.content)
                    returned = list(score(request))
                    names = [category["name"] for category in truth.content["categories"]]
                    scores = checked_scores(returned, declared, drawn, splits=["reds", "others"], categories=names)
                    assert truth.content == before, "the evaluation modified the ground truth"
                    again = [(s.metric, s.split, s.category, s.value) for s in score(request)]
                    assert again == [(s.metric, s.split, s.category, s.value) for s in returned], (
                        "the same request gave other scores"
                    )
                    _check_order(score, request, returned)
                    _check_numbers(score, request, returned)
                    if drawn is None:
                        without = {(s.metric, s.split, s.category): s.value for s in returned}
                    else:
                        for s in returned:
                            value = without.get((s.metric, s.split, s.category))
                            assert _same(value, s.value), (
                                f"{s.metric} is {value} without resamples, and {s.value} with them"
                            )
                        _check_resamples(score, request, returned)
                    whole = {s.metric for s in returned if s.split == OVERALL and s.category is None}
                    missing = [metric.name for metric in declared.declared if metric.name not in whole]
                    assert not missing, f"{missing[0]} is declared, and there is no score of it over all categories"
                    for s in scores:
                        assert s.value is not None or s.reason, f"{s.metric} has neither a value nor a reason"
                    first = first if first is not None else scores
    assert first is not None
    return first


def check_reporter(spec: ReporterSpec) -> dict[str, bytes]:
    """Write reports of a sample run and check the files.

    The run has ``sample/finder``, ``sample/blind`` and ``sample/failing``, of which numbers are missing. Its report is
    written twice: from the results file alone (`Report.run` is None), then from the run folder with every view.

    Args:
        spec: the reporter.

    Returns:
        The content of each file of the second report, by its name.

    Raises:
        AssertionError: a file is empty.
        PluginError: the reporter raised, or did not write what it was told to.

    Example::

        def test_pages():
            assert b"sample-finder" in check_reporter(SPEC)["report.html"]
    """
    with _sample_run("sample/failing") as (folder, _, results), tempfile.TemporaryDirectory() as out:
        target = Path(out) / f"report{spec.suffix}"
        for report in (make_report(results), make_report(results, tuple(VIEWS), 3, folder)):
            with written_files() as written:
                files = write_documents(report, spec, target)
            for file in files:
                assert file.stat().st_size, f"{file.name} is empty"
            outside = [path for path in written if not _may_be_written(path, Path(out))]
            assert not outside, f"it writes outside of its target: {outside[0].name}; write to `target` and beside it"
        return {str(file.relative_to(out)): file.read_bytes() for file in files}


def check_executor(
    name: str, *, plugins: Sequence[str] = (), arguments: Mapping[str, Any] | None = None, workers: int = 2
) -> None:
    """Run a sample suite with an executor, and check that the numbers are those of the executor `inline`.

    Args:
        name: of the executor.
        plugins: modules that offer it, as ``-p``; none if it is installed.
        arguments: the executor's own.
        workers: how many workers to ask for.

    Raises:
        AssertionError: a number differs.
        UsageError: the executor is unknown, or refuses its arguments.
    """
    tables = []
    for executor, given in (("inline", {}), (name, arguments or {})):
        with _sample_run("sample/failing", plugins, executor, given, workers) as (_, _, results):
            rows = [row for row in results.to_pylist() if row["evaluation"] != "speed"]
            tables.append([{key: row[key] for key in row if key != "device"} for row in rows])
    assert tables[0] == tables[1], f"executor `{name}` gives other results than `inline`"


def check_suite(file: str | Path, *, plugins: Sequence[str] = ()) -> list[str]:
    """Load and plan a suite as ``segharness collect`` does: neither data nor weights nor frameworks need be there.

    Args:
        file: the suite, or its name.
        plugins: names to load, as ``-p``.

    Returns:
        The node ids of its cells.

    Raises:
        SuiteError: the suite has mistakes; the error lists all of them.
        AssertionError: it has no cells.
    """
    host = PluginHost.load(PluginArguments(tuple(plugins), (str(Path(file).parent.absolute()),)))
    host.check_conflicts()
    path, shown = suite_file(file, host)
    cells = make_plan(load_suite(path, host, shown=shown, only_plan=True).suite, host).cells
    assert cells, f"{file}: has no cells"
    return [cell.node_id for cell in cells]


def _check_order(score: Any, request: ScoreRequest, returned: Sequence[Score]) -> None:
    """Check that scores stay when the images come in another order."""
    assert request.images is not None
    order = request.images["image_id"].to_pylist()[::-1]
    position = {image_id: number for number, image_id in enumerate(order)}
    places = [position[image_id] for image_id in request.predictions["image_id"].to_pylist()]
    turned = replace(
        request,
        images=request.images.take(pa.array(range(len(order))[::-1], pa.int64())),
        predictions=request.predictions.take(
            pa.array(sorted(range(len(places)), key=lambda row: (places[row], -row)), pa.int64())
        ),
        ground_truth=GroundTruth(_reversed(request.ground_truth.content), request.ground_truth.also),
    )
    other = {(s.metric, s.split, s.category): s.value for s in score(turned)}
    for s in returned:
        value = other.get((s.metric, s.split, s.category))
        assert _same(value, s.value), (
            f"{s.metric} is {s.value}, and {value} if images and detections come in another order"
        )


def _same(first: float | None, second: float | None) -> bool:
    return first == second or (first is not None and second is not None and math.isclose(first, second, rel_tol=1e-9))


def _check_numbers(score: Any, request: ScoreRequest, returned: Sequence[Score]) -> None:
    """Check that scores stay when images, categories and annotations have other ids."""
    assert request.images is not None
    truth = copy.deepcopy(dict(request.ground_truth.content))
    images = {image["id"]: 17 * image["id"] + 100 for image in truth["images"]}
    categories = {category["id"]: 11 * category["id"] + 40 for category in truth["categories"]}
    for image in truth["images"]:
        image["id"] = images[image["id"]]
    for category in truth["categories"]:
        category["id"] = categories[category["id"]]
    for annotation in truth["annotations"]:
        annotation["id"] += 1000
        annotation["image_id"] = images[annotation["image_id"]]
        annotation["category_id"] = categories[annotation["category_id"]]
    other = replace(
        request,
        ground_truth=GroundTruth(truth, request.ground_truth.also),
        images=_mapped(request.images, "image_id", images),
        predictions=_mapped(_mapped(request.predictions, "image_id", images), "category_id", categories),
        resamples=request.resamples
        and Resamples(np.array([images[int(id)] for id in request.resamples.image_ids]), request.resamples.counts),
        predictable=None if request.predictable is None else [categories[id] for id in request.predictable],
    )
    values = {(s.metric, s.split, s.category): s.value for s in score(other)}
    for s in returned:
        value = values.get((s.metric, s.split, s.category))
        assert _same(value, s.value), f"{s.metric} is {s.value}, and {value} if images and categories have other ids"


def _mapped(table: pa.Table, column: str, ids: Mapping[int, int]) -> pa.Table:
    """Return a table with other ids in a column."""
    values = pa.array([ids[id] for id in table[column].to_pylist()], table.schema.field(column).type)
    return table.set_column(table.schema.get_field_index(column), table.schema.field(column), values)


def _reversed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ground truth with its images and annotations in the opposite order."""
    return {key: value[::-1] if key in ("images", "annotations") else value for key, value in content.items()}


def _check_resamples(score: Any, request: ScoreRequest, returned: Sequence[Score]) -> None:
    """Check that a resample in which every image is once has the score itself."""
    assert request.resamples is not None
    ones = np.ones_like(request.resamples.counts)
    once = {
        (s.metric, s.split, s.category): s.samples
        for s in score(replace(request, resamples=Resamples(request.resamples.image_ids, ones)))
    }
    for s in returned:
        samples = once.get((s.metric, s.split, s.category))
        if samples is not None and s.value is not None:
            first = float(np.asarray(samples)[0])
            assert math.isclose(first, s.value, rel_tol=1e-6, abs_tol=1e-9), (
                f"{s.metric} is {s.value}, and {first} on a resample in which every image is once"
            )


def _may_be_written(path: Path, target: Path) -> bool:
    """Return whether a reporter may write a file: at its target, into a cache, or one that is gone again."""
    caches = (Path.home() / ".cache", Path.home() / ".config", *(Path(p) for p in _cache_folders()))
    if target.resolve() in path.resolve().parents or path == target or "__pycache__" in path.parts or not path.exists():
        return True
    return path.parts[:2] in (("/", "dev"), ("/", "proc")) or any(cache in path.parents for cache in caches)


def _cache_folders() -> list[str]:
    return [value for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR") if (value := os.environ.get(name))]


@contextmanager
def _sample_run(
    third: str,
    plugins: Sequence[str] = (),
    executor: str = "inline",
    arguments: Mapping[str, Any] | None = None,
    workers: int | None = None,
    model: Model | None = None,
) -> Iterator[tuple[RunFolder, PluginHost, pa.Table]]:
    """Run the sample suite with a third model, or on a model object alone; yield folder, plugins and results."""
    names = (SAMPLE, *plugins)
    with tempfile.TemporaryDirectory(prefix="segharness-") as temporary:
        suite = Path(temporary) / "sample.yaml"
        suite.write_text(_SUITE.format(models=third), encoding="utf-8")
        out = Path(temporary) / "run"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cells that fail are part of the sample
            results = (
                evaluate(model, suite, out=out, plugins=names, bootstrap=100)
                if model is not None
                else run(
                    suite,
                    out=out,
                    plugins=names,
                    executor=executor,
                    executor_arguments=arguments,
                    workers=workers,
                    devices=["cpu"] if executor == "inline" else (),
                    bootstrap=100,
                )
            )
        yield RunFolder(out), PluginHost.load(PluginArguments(names)), results


def _stored(folder: RunFolder, host: PluginHost) -> tuple[Suite, Inputs, OpenDataset]:
    run = stored_run(folder.read_manifest(), folder.manifest)
    return run.suite, run.inputs, find_datasets(folder, host)[run.suite.datasets[0].id]
