"""Derives every number of predictions that may come from anybody, and names all that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from segharness.data.open_dataset import OpenDataset
from segharness.digests import digest
from segharness.errors import StoreError
from segharness.identity import StoredRun, stored_run
from segharness.plugin.host import PluginHost
from segharness.redaction import without_folders
from segharness.score.data_sources import DataSources
from segharness.score.pixel_checks import WrongPixels, compare_pixels
from segharness.score.score_options import ScoreOptions
from segharness.score.score_run import score_run
from segharness.score.shard_checks import shard_problems
from segharness.store import RunFolder, StoredShard, read_shard

_LONGEST = 500
"""A rule is cut to so many characters: parts of it may come from a stranger's file."""


@dataclass(frozen=True)
class BrokenRule:
    """Something that does not hold.

    Attributes:
        file: its path in the run folder or bundle, such as ``predictions/mine/coco/fog-3/00000.arrow``; or ``scoring``.
        row: the row of the file, from 0; None if no row is to blame.
        rule: what is wrong there, in one line.
    """

    file: str
    row: int | None
    rule: str


@dataclass
class Recomputed:
    """The numbers of stored predictions, or why there are none.

    Attributes:
        broken: all that does not hold; there are numbers if there is nothing.
        results: the results table, which was also written into the folder; None if something does not hold.
        undecided: why pixels cannot be made on this machine, which is no fault of the predictions.
        images: how many digests of pixels were computed.
        unknown_pixels: how many images have no digest of what the model saw.
    """

    broken: list[BrokenRule] = field(default_factory=list)
    results: pa.Table | None = None
    undecided: list[str] = field(default_factory=list)
    images: int = 0
    unknown_pixels: int = 0

    def add(self, file: str, row: int | None, rule: str) -> None:
        """Add something that does not hold."""
        self.broken.append(BrokenRule(file, row, without_folders(" ".join(rule.split()))[:_LONGEST]))


def recompute(
    folder: RunFolder, host: PluginHost, sources: DataSources, options: ScoreOptions | None = None
) -> Recomputed:
    """Hold every stored file to the rules of models' answers, make its pixels again, and score.

    Stored results are not read; results.arrow and resamples.arrow are written. Call this in a process with limits.

    Args:
        folder: of the run.
        host: the plugins that offer its data sets, corruptions and metrics.
        sources: its open data sets, and the references that CD and rCD are computed against.
        options: the engine and the number of resamples; None for the defaults.

    Raises:
        StoreError: the folder has no manifest of a run.

    Example:
        >>> from segharness.plugin.host import PluginHost
        >>> recompute(RunFolder.from_text("nowhere"), PluginHost.load(), DataSources({}, {}))
        Traceback (most recent call last):
        ...
        segharness.errors.StoreError: nowhere: not a run folder: it has no manifest.json
    """
    found = check_files(folder, sources)
    run = stored_run(folder.read_manifest(), folder.manifest)
    for opened in sources.datasets.values():
        found.images += compare_pixels(folder, run, host, opened, lambda wrong: _add_pixels(wrong, found))
    if not found.broken and not found.undecided:
        problems: list[str] = []
        found.results = score_run(folder, host, options, problems.append, sources)
        for problem in problems:
            found.add("scoring", None, problem)
        if found.broken:
            found.results = None
    return found


def check_files(folder: RunFolder, sources: DataSources) -> Recomputed:
    """Hold every stored file to the rules of models' answers; derive nothing. The arguments are those of `recompute`.

    Raises:
        StoreError: the folder has no manifest of a run.

    Example:
        >>> check_files(RunFolder.from_text("nowhere"), DataSources({}, {}))
        Traceback (most recent call last):
        ...
        segharness.errors.StoreError: nowhere: not a run folder: it has no manifest.json
    """
    found = Recomputed()
    run = stored_run(folder.read_manifest(), folder.manifest)
    for opened in sources.datasets.values():
        for model in run.suite.models:
            for condition in run.suite.conditions:
                _check_cell(folder, run, opened, model.id, condition.name, found)
    return found


def _check_cell(
    folder: RunFolder, run: StoredRun, opened: OpenDataset, model: str, condition: str, found: Recomputed
) -> None:
    category_ids = [category.id for category in opened.dataset.categories]

    for shard in opened.shards:
        place = f"{model}/{opened.entry.id}/{condition}/{shard.index:05d}.arrow"
        try:
            stored = read_shard(folder.shard_files(model, opened.entry.id, condition, shard.index))
        except FileNotFoundError:
            found.add(f"images/{place}", None, "this file, or its predictions, is missing")
            continue
        except StoreError as error:
            kind = "predictions" if f"predictions/{place}" in str(error).partition(": ")[0] else "images"
            found.add(f"{kind}/{place}", None, str(error).partition(": ")[2] or str(error))
            continue
        wanted = run.inputs.of(model, opened.entry.id, condition, shard)
        if stored.identity != digest(wanted):
            found.add(f"images/{place}", None, "it was made from other inputs than the protocol's and the model's")
            continue
        samples = opened.samples[shard.start : shard.stop]
        for problem in shard_problems(stored, samples, category_ids, opened.annotation_ids):
            more = f" (and {problem.rows - 1} more rows)" if problem.rows > 1 else ""
            found.add(f"{problem.file}/{place}", problem.row, f"{problem.rule}{more}")
        for row, reason in _errors(stored):
            found.add(f"images/{place}", row, f"the model failed on this image: {reason}")
        found.unknown_pixels += stored.images.column("pixels").null_count


def _errors(stored: StoredShard) -> Iterator[tuple[int, str]]:
    """Yield the first image of a shard that has an error."""
    errors = stored.images.column("error")
    if errors.null_count < len(errors):
        row = next(row for row, error in enumerate(errors.to_pylist()) if error is not None)
        yield row, str(errors[row])


def _add_pixels(wrong: WrongPixels, found: Recomputed) -> None:
    if wrong.undecided:
        found.undecided.append(f"{wrong.condition}: {wrong.problem}")
    elif wrong.row is not None:  # a shard without digests is counted in `unknown_pixels`
        place = f"images/{wrong.model}/{wrong.dataset}/{wrong.condition}/{wrong.shard:05d}.arrow"
        found.add(place, wrong.row, wrong.problem)
