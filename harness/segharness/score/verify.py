"""Verifies a run: derives its numbers again from the stored predictions, and names what differs. Writes nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segharness.errors import StoreError, UsageError
from segharness.identity import stored_run
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import CorruptionSpec, MixtureSpec
from segharness.score.data_sources import DataSources, GivenPlaces, find_data_sources
from segharness.score.pixel_checks import WrongPixels, compare_pixels
from segharness.score.score_options import ScoreOptions, check_engine
from segharness.score.score_run import ScoredRun, scored_run
from segharness.store import RunFolder, manifest_of, read_results
from segharness.store.resamples import KEY_COLUMNS, read_resamples, resamples_file, resamples_key
from segharness.suite import Suite

TOLERANCE = 1e-9
"""The relative difference between two values that counts as none: the last bits may depend on the processor."""

_NAMES = ("model", "dataset", "condition", "evaluation", "task", "split", "category", "metric", "reference")
_VALUES = ("value", "ci_low", "ci_high")
_FACTS = ("corruption", "severity", "n_images", "n_instances", "device", "reason")


@dataclass(frozen=True)
class Finding:
    """Something that does not hold.

    Attributes:
        place: a file of the run folder, or ``model::dataset::condition``.
        problem: what is wrong there, in one line.
    """

    place: str
    problem: str


@dataclass
class Verification:
    """What was verified, and what does not hold.

    Attributes:
        findings: all that does not hold; the run is verified if there is nothing.
        numbers: how many numbers were derived again.
        cells: how many cells the run has.
        images: how many digests of pixels were computed again.
    """

    findings: list[Finding] = field(default_factory=list)
    numbers: int = 0
    cells: int = 0
    images: int = 0

    def add(self, place: object, problem: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(str(place), problem))


def verify(
    folder: RunFolder, host: PluginHost, given: GivenPlaces | None = None, *, pixels: bool = False
) -> Verification:
    """Verify a run.

    Every number of results.arrow and resamples.arrow is derived again from the stored predictions, which are held to the
    rules of models' answers. The run may come from anybody, so call this in a process with limits, as ``segharness
    verify`` does.

    Args:
        folder: of the run.
        host: the plugins that offer its data sets and metrics; for `pixels` also its corruptions.
        given: where its data lie; None for what this machine remembers.
        pixels: whether to apply every condition to every image again, and compare the digests of the pixels.

    Raises:
        UsageError: it is not a run folder, or the data or the plugins that the run needs are not known on this machine.

    Example:
        >>> import pathlib, tempfile
        >>> from segharness import run
        >>> from segharness.plugin.host import PluginArguments
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     suite = pathlib.Path(folder, "squares.yaml")
        ...     text = "models: [sample/finder], datasets: [sample/squares], conditions: [clean]"
        ...     _ = suite.write_text(f"{{segharness: 1, {text}}}")
        ...     names = ("segharness.testing.sample",)
        ...     _ = run(suite, out=folder, executor="inline", bootstrap=0, plugins=names)
        ...     found = verify(RunFolder.from_text(folder), PluginHost.load(PluginArguments(names)))
        >>> found.findings, found.cells
        ([], 1)
    """
    found = Verification()
    if not os.path.lexists(folder.manifest) if isinstance(folder.manifest, Path) else not folder.manifest.is_file():
        raise StoreError(f"{folder.path}: not a run folder: it has no manifest.json")
    try:
        manifest = folder.read_manifest()
        run = stored_run(manifest, folder.manifest)
    except StoreError as error:
        found.add("manifest.json", str(error))
        return found
    suite = run.suite
    found.cells = len(suite.models) * len(suite.datasets) * len(suite.conditions)
    sources = find_data_sources(folder, host, given)
    _verify_headings(suite, host, found)
    _verify_numbers(folder, manifest, suite, host, sources, found)
    if pixels:
        for entry in suite.datasets:
            opened = sources.datasets[entry.id]
            found.images += compare_pixels(
                folder, run, host, opened, lambda wrong: found.add(_place_of(wrong), wrong.problem)
            )
    return found


def _place_of(wrong: WrongPixels) -> str:
    return wrong.condition if wrong.model is None else f"{wrong.model}::{wrong.dataset}::{wrong.condition}"


# --------------------------------------------------------------------------------------------------------- numbers


def _verify_headings(suite: Suite, host: PluginHost, found: Verification) -> None:
    """Compare what decides no number, but stands above it: the categories of corruptions."""
    for condition in suite.conditions:
        spec: Any = host.find(condition.corruption, CorruptionSpec, MixtureSpec) if condition.corruption else None
        if condition.corruption is None:
            expected: tuple[Any, bool] = (None, False)
        elif spec is None:
            continue  # the plugin is not here, and numbers need it not
        else:
            expected = (getattr(spec, "category", "") or None, isinstance(spec, MixtureSpec))
        if (condition.category, condition.mixture) != expected:
            found.add(condition.name, f"is said to be of the category {condition.category}, and is of {expected[0]}")


def _verify_numbers(
    folder: RunFolder,
    manifest: Mapping[str, Any],
    suite: Suite,
    host: PluginHost,
    sources: DataSources,
    found: Verification,
) -> None:
    try:
        results = read_results(folder.results)
        recorded = manifest_of(results, folder.results)
        if type(recorded["bootstrap"]) is not int:
            raise TypeError
        options = ScoreOptions(_engine(recorded), recorded["bootstrap"])
        check_engine(suite, host, options.engine)
        samples = read_resamples(folder.results, results)
    except (KeyError, TypeError):
        found.add(
            "results.arrow",
            f"{folder.results}: does not say how it was scored; an earlier version wrote it? `segharness score` makes it "
            "again",
        )
        return
    except UsageError as error:
        found.findings += [Finding("results.arrow", problem) for problem in error.problems]
        return
    scored = scored_run(folder, host, options, sources)
    for cell, reason in scored.incomplete.items():
        found.add(cell, reason)
    for problem in scored.problems:
        if not any(problem.endswith(reason) for reason in scored.incomplete.values()):
            found.add("scoring", problem)
    rows = results.to_pylist()
    derived = {
        **scored.metadata,
        **scored.reference_digests(suite, rows),
    }  # of the stored bits, which are compared below
    _compare_metadata(manifest, recorded, derived, found)
    _compare_rows(rows, scored, found)
    _compare_samples(folder, samples, scored, found)


def _engine(recorded: Mapping[str, Any]) -> str | None:
    engine = recorded["engine"]
    return None if engine == "default" else str(engine)


def _compare_metadata(
    manifest: Mapping[str, Any], recorded: Mapping[str, Any], derived: Mapping[str, Any], found: Verification
) -> None:
    for key in sorted({*derived, *recorded} - {"schema_version"}):
        if key not in recorded and key not in manifest:
            continue  # an earlier version wrote it
        if _as_json(recorded.get(key)) != _as_json(derived.get(key)):
            source = "manifest.json" if key in manifest else "what its predictions give"
            found.add("results.arrow", f"its `{key}` differs from {source}")


def _as_json(value: Any) -> Any:
    """Return a value as a file holds it: with lists for tuples, and numbers rounded to the tolerance."""
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _compare_rows(stored: Sequence[Mapping[str, Any]], scored: ScoredRun, found: Verification) -> None:
    stored_rows, derived_rows = _by_name(stored), _by_name(scored.content.to_pylist())
    following = 0
    if len(stored_rows) < len(stored):
        found.add("results.arrow", f"{len(stored) - len(stored_rows)} numbers stand in it twice")
    for names, row in stored_rows.items():
        if names not in derived_rows and _cell(row) in scored.incomplete:
            following += 1  # a category of a cell without numbers
        elif names not in derived_rows:
            found.add(_cell(row), f"{_number(row)}: stands in results.arrow, and the predictions give no such number")
    for names, row in derived_rows.items():
        found.numbers += 1
        before = stored_rows.get(names)
        wrong = (
            [name for name in _VALUES if not _same(before[name], row[name])]
            + [name for name in _FACTS if before[name] != row[name]]
            if before is not None
            else []
        )
        if scored.incomplete and row["value"] is None and (before is None or wrong):
            following += 1  # of a cell without numbers, or averaged over one
            continue
        if before is None:
            found.add(_cell(row), f"{_number(row)}: is missing in results.arrow")
            continue
        for name in wrong:
            found.add(
                _cell(row),
                f"{_number(row)}: `{name}` is {_text(before[name])} in results.arrow, and {_text(row[name])} derived again",
            )

    if following:
        found.add("results.arrow", f"has {following} numbers of cells that cannot be scored, or averaged over them")


def _by_name(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    return {tuple(row[name] for name in _NAMES): row for row in rows}


def _cell(row: Mapping[str, Any]) -> str:
    return f"{row['model']}::{row['dataset']}::{row['condition']}"


def _number(row: Mapping[str, Any]) -> str:
    parts = [row["evaluation"], row["task"], *([row["split"]] if row["split"] != "all" else [])]
    parts += [f"category {row['category']}"] if row["category"] is not None else []
    parts += [f"reference {row['reference']}"] if row["reference"] is not None else []
    return f"{row['metric']} ({', '.join(str(part) for part in parts)})"


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{value:.10g}" if isinstance(value, float) else f"{value}"


def _same(stored: float | None, derived: float | None) -> bool:
    if stored is None or derived is None:
        return stored is derived
    return math.isclose(stored, derived, rel_tol=TOLERANCE, abs_tol=TOLERANCE * 1e-3)


def _compare_samples(
    folder: RunFolder, stored: Mapping[tuple[Any, ...], Any], scored: ScoredRun, found: Verification
) -> None:
    name = resamples_file(folder.results).name
    derived = {
        tuple(row.get(column) for column in KEY_COLUMNS): row["samples"]
        for row in scored.rows
        if row.get("samples") is not None and row.get("category") is None
    }
    if derived and not stored:
        found.add(name, "is missing, or does not belong to results.arrow: comparisons have no intervals")
        return
    if stored and resamples_key(folder.results) != scored.key:
        found.add(name, "says that it is of other resamples than the run's")
    foreign = sorted(stored.keys() - derived.keys(), key=str)
    if foreign and scored.incomplete:
        found.add(name, f"has {len(foreign)} resamples of cells that cannot be scored, or averaged over them")
    for key in foreign if not scored.incomplete else ():
        found.add(name, f"{_shown(key)}: the predictions give no such resamples")
    for key, values in derived.items():
        before = stored.get(key)
        if before is None:
            found.add(name, f"{_shown(key)}: is missing")
        elif before.shape != values.shape or not np.allclose(before, values, TOLERANCE, TOLERANCE, equal_nan=True):
            found.add(name, f"{_shown(key)}: its resamples are not those that the predictions give")


def _shown(key: tuple[Any, ...]) -> str:
    return ", ".join(str(part) for part in key if part is not None)
