"""A run folder -> results: every cell scored from its stored predictions, and degradation over conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from segharness.data import OpenDataset, open_dataset
from segharness.errors import StoreError, UsageError, nearest
from segharness.identity import Inputs, digest
from segharness.plugins import PluginHost
from segharness.records import Condition
from segharness.score.curves import Row, degradation_rows
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.specs import MetricSpec, load
from segharness.store import (
    RESULTS,
    RunFolder,
    read_shard,
    table,
    write_results,
)
from segharness.store.failures import read_failures
from segharness.suite import OVERALL, Suite


def check_engine(suite: Suite, host: PluginHost, engine: str | None) -> None:
    """Raise UsageError if none of a suite's protocols has an engine of that name."""
    known = [name for metric in suite.scoring.metrics for name in host.get(metric, MetricSpec).engines]
    if engine is not None and engine not in known:
        raise UsageError(f"no engine `{engine}`{nearest(engine, known)}")


def score_run(
    folder: RunFolder, host: PluginHost, engine: str | None = None, complain: Callable[[str], None] = lambda text: None
) -> pa.Table:
    """Score a run again from what is stored, and write its results.arrow.

    Args:
        folder: of the run; its manifest says what to score.
        host: the plugins, for data sets and metrics.
        engine: which implementation to use, of the protocols that have it; None for the default.
        complain: called with one line for every metric that raised; its numbers are null.

    Returns:
        the results table, with the manifest in its schema's metadata.

    Raises:
        StoreError: the folder is no run, or its data set changed since.
        DataError: the data set is not there.
    """
    manifest = folder.read_manifest()
    suite = Suite.from_json(manifest["suite"])
    check_engine(suite, host, engine)
    inputs = Inputs(**manifest["inputs"])
    failures = read_failures(folder.failures)
    rows: list[Row] = []
    for entry in suite.datasets:
        opened = open_dataset(entry, host)
        if opened.dataset.digest != inputs.datasets[entry.id]["digest"]:
            raise StoreError(f"data set `{entry.id}` is not the one that {folder.path} was run on: its digest differs")
        scorer = _DatasetScorer(suite, folder, inputs, opened, host, engine, complain)
        for model in suite.models:
            for condition in suite.conditions:
                rows += scorer.cell(model.id, condition, failures.get((model.id, entry.id, condition.name)))
    rows += list(degradation_rows(suite, rows, manifest))
    content = table(RESULTS, {name: [row.get(name) for row in rows] for name in RESULTS.names})
    return write_results(folder.results, content, {**manifest, "engine": engine or "default"})


# ------------------------------------------------------------------------------------------------------------- cells


@dataclass(frozen=True)
class CellPredictions:
    """The stored predictions of one cell, or why they cannot be scored; `absent` says that shards are missing."""

    predictions: pa.Table | None
    reason: str | None = None
    absent: bool = False


def read_cell(folder: RunFolder, inputs: Inputs, opened: OpenDataset, model: str, condition: str) -> CellPredictions:
    """Return all predictions of a cell, if every shard is there, intact, and without errors."""
    found = []
    shards = opened.shards
    absent = 0
    for shard in shards:
        files = folder.shard(model, opened.entry.id, condition, shard.index)
        try:
            stored = read_shard(files)
        except FileNotFoundError:
            absent += 1
            continue
        except StoreError as error:
            return CellPredictions(None, str(error))
        if stored.identity != digest(inputs.of(model, opened.entry.id, condition, shard)):
            return CellPredictions(None, "made from other inputs than this run's")
        errors = stored.images.column("error").drop_null()
        if len(errors):
            return CellPredictions(None, f"{len(errors)} of {len(stored.images)} images failed: {errors[0].as_py()}")
        found.append(stored.predictions)
    if absent:
        missing = "not run" if absent == len(shards) else f"{absent} of {len(shards)} shards are missing"
        return CellPredictions(None, missing, absent=True)
    return CellPredictions(pa.concat_tables(found))


class _DatasetScorer:
    """Scores the cells of one data set; prepares its ground truth once."""

    def __init__(
        self,
        suite: Suite,
        folder: RunFolder,
        inputs: Inputs,
        opened: OpenDataset,
        host: PluginHost,
        engine: str | None,
        complain: Callable[[str], None],
    ) -> None:
        self._suite, self._folder, self._inputs, self._opened, self._engine = suite, folder, inputs, opened, engine
        self._complain = complain
        self._metrics = [host.get(name, MetricSpec) for name in suite.scoring.metrics]
        self._truths: dict[str, GroundTruth] = {}

    def cell(self, model: str, condition: Condition, failure: str | None) -> Iterator[Row]:
        """Yield the rows of one cell; an incomplete one has its rows too, with the reason."""
        cell = read_cell(self._folder, self._inputs, self._opened, model, condition.name)
        if cell.absent and failure is not None:
            cell = CellPredictions(None, failure)
        for spec in self._metrics:
            for task in self._suite.scoring.tasks:
                if task not in spec.tasks:
                    continue
                for score in self._scores(spec, task, cell):
                    yield {
                        "model": model,
                        "dataset": self._opened.entry.id,
                        "condition": condition.name,
                        "corruption": condition.corruption,
                        "severity": condition.severity,
                        "protocol": spec.name,
                        "task": task,
                        "split": score.split,
                        "category": score.category,
                        "metric": score.metric,
                        "value": score.value,
                        "reason": score.reason,
                        "n_images": score.n_images,
                        "n_instances": score.n_instances,
                    }

    def _scores(self, spec: MetricSpec, task: str, cell: CellPredictions) -> Sequence[Score]:
        splits = self._suite.scoring.splits
        if cell.predictions is None:
            names = (OVERALL, *(split.name for split in splits))
            return [Score(metric, None, cell.reason, name) for name in names for metric in spec.metrics]
        engine = self._engine if self._engine in spec.engines else next(iter(spec.engines), None)
        try:
            request = ScoreRequest(self._truth(spec.ground_truth), cell.predictions, task, splits, engine)
            found: Sequence[Score] = list(load(spec.score)(request))
        except (Exception, SystemExit) as error:  # noqa: BLE001  a metric is a plugin's code; it costs its own numbers
            what = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
            what = f"metric `{spec.name}`: {what}"
            self._complain(f"{what} (data set `{self._opened.entry.id}`, task {task})")
            return [Score(name, None, what) for name in spec.metrics]
        return found

    def _truth(self, kind: str) -> GroundTruth:
        if kind not in self._truths:
            self._truths[kind] = ground_truth(self._opened, kind)
        return self._truths[kind]


def ground_truth(opened: OpenDataset, kind: str) -> GroundTruth:
    """Return a data set's ground truth, restricted to the images that the suite takes.

    An annotation with the id 0, which pycocotools takes for unmatched, gets a free one.

    Raises:
        UsageError: the data set has no ground truth of that kind.
    """
    try:
        content = opened.dataset.ground_truth(kind)
    except KeyError:
        raise UsageError(f"data set `{opened.entry.id}` has no ground truth of the kind `{kind}`") from None
    ids = {sample.image_id for sample in opened.samples}
    free = max((a.get("id", 0) for a in content["annotations"]), default=0) + 1
    return GroundTruth(
        {
            **content,
            "images": [image for image in content["images"] if image["id"] in ids],
            "annotations": [
                {**a, "id": free} if a.get("id") == 0 else a for a in content["annotations"] if a["image_id"] in ids
            ],
        }
    )
