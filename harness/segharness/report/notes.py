"""The lines below a table: severities, versions of corruption families, devices, and why numbers are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from segharness.plugin.metric_specs import CD, COUNT, FRACTION, PER_SECOND, RCD, RCD_POOLED
from segharness.records import Condition
from segharness.report.entry import TableEntry
from segharness.report.layout import Column
from segharness.report.scope import HEADINGS, TableScope
from segharness.report.units import unit_text
from segharness.suite import OVERALL
from segharness.suite.suite import AS_PUBLISHED


def severity_notes(members: Sequence[Condition]) -> Iterator[str]:
    """Yield lines with the severities of the corruptions, which the headings do not show."""
    by_levels: dict[tuple[int | None, ...], list[str]] = {}
    by_corruption: dict[str, list[int | None]] = {}
    for member in members:
        by_corruption.setdefault(str(member.corruption), []).append(member.severity)
    for corruption, severities in by_corruption.items():
        by_levels.setdefault(tuple(severities), []).append(corruption)
    for levels, corruptions in by_levels.items():
        subject = "corruptions" if len(by_levels) == 1 else ", ".join(corruptions)
        noun = "severities" if len(levels) > 1 else "severity"
        mean = ", their means" if len(levels) > 1 else ""
        yield f"{subject} at {noun} {', '.join(map(str, levels))}{mean}"


def device_notes(scope: TableScope) -> Iterator[str]:
    """Yield lines with the devices that timings were taken on: one for all models, or one per model."""
    headings: dict[str, list[str]] = {}
    for metric, kind in scope.numbers.further_columns(scope.kind):
        headings.setdefault(kind[1], []).append(str(metric.column))
    for evaluation, names in headings.items():
        timed = ", ".join(names)
        devices = {model: tuple(on) for (of, model), on in scope.numbers.devices.items() if of == evaluation}
        if len(set(devices.values())) == 1 and len(next(iter(devices.values()))) == 1:
            yield f"{timed} on {next(iter(devices.values()))[0]}"
            continue
        for model, (first, *further) in devices.items():
            more = f"; the results have those on {', '.join(further)} too" if further else ""
            yield f"{model}: {timed} on {first}{more}"


_OF_REFERENCE = {HEADINGS[kind] for kind in (CD, RCD, RCD_POOLED)}
"""Columns that the legend explains."""


def unit_notes(columns: Sequence[Column], title_unit: str) -> Iterator[str]:
    """Yield lines that say of columns in other units than the title's what is better, or what they count."""
    by_direction: dict[str, list[str]] = {}
    for column in columns:
        usual = (FRACTION, "larger") if title_unit == FRACTION else (PER_SECOND, "larger")
        if (column.unit, column.better) in (usual, (PER_SECOND, "larger")) or column.heading in _OF_REFERENCE:
            continue
        unit = f"{unit_text(column.unit)}, " if column.unit in (FRACTION, COUNT) and column.unit != title_unit else ""
        text = "" if column.better == "neither" else f"{column.better} is better"
        if unit or text:
            by_direction.setdefault((unit + text).removesuffix(", "), []).append(column.heading)
    for text, headings in by_direction.items():
        yield text if len(headings) == len(columns) else f"{', '.join(dict.fromkeys(headings))}: {text}"


def further_notes(scope: TableScope) -> Iterator[str]:
    """Yield a line that says under which condition the columns of other evaluations stand, if there are several."""
    headings = [str(metric.column) for metric, _ in scope.numbers.further_columns(scope.kind)]
    if headings and len(scope.suite.conditions) > 1:
        yield f"{', '.join(headings)}: under {scope.suite.conditions[0].name}"


def network_input_notes(scope: TableScope, datasets: Sequence[str]) -> Iterator[str]:
    """Yield a line for every data set that says what the networks were given of its images, as far as it is known.

    Where the suite asks for the original size, what is not known is said, too.
    """
    for dataset in datasets:
        entry = scope.suite.dataset(dataset)
        texts = scope.numbers.network_inputs.get(dataset, {})
        by_text: dict[str, list[str]] = {}
        for model in scope.group.models:
            unknown = "not known" if entry.resolution != AS_PUBLISHED else ""
            by_text.setdefault(texts.get(model, unknown), []).append(model)
        by_text.pop("", None)
        asked = "" if entry.resolution == AS_PUBLISHED else f" (resolution: {entry.resolution})"
        where = f" on {dataset}" if len(datasets) > 1 else ""
        said = [f"{', '.join(models)}: {text}" for text, models in by_text.items()]
        if list(by_text.values()) == [list(scope.group.models)]:
            said = list(by_text)
        if said:
            yield f"network input{where}{asked}: {'; '.join(said)}"


def observation_notes(scope: TableScope) -> Iterator[str]:
    """Yield what is to be said of the models on a table's data set, under the tables over all categories."""
    if scope.kind[3] == OVERALL:
        for model, dataset, text in scope.numbers.observations:
            if dataset == scope.kind[0] and model in scope.group.models:
                yield f"{model}: {text}"


def family_of(corruption: str) -> str:
    """Return the family in a corruption's name (``family/name``), or an empty text."""
    return corruption.rpartition("/")[0]


def family_notes(conditions: Sequence[Condition]) -> Iterator[str]:
    """Yield a line with the versions of every family that corruptions name (``family/name``)."""
    by_family: dict[str, dict[str, None]] = {}
    for condition in conditions:
        family = family_of(str(condition.corruption))
        members = [part.rpartition("=")[2] for part in condition.version.split(";")[1:]] if condition.mixture else []
        for version in (members or [condition.version]) if family else ():
            by_family.setdefault(family, {})[version] = None
    for family, versions in by_family.items():
        yield f"corruptions of the family {family}, version {', '.join(versions)}"


def reason_notes(columns: Sequence[Column], rows: Sequence[tuple[str, tuple[TableEntry, ...]]]) -> tuple[str, ...]:
    """Return one line per row and reason: the columns that have no number, or no interval, and why."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for name, entries in rows:
        for column, entry in zip(columns, entries, strict=True):
            if entry.number is None or (entry.reason and column.shows_interval):
                heading = f"{column.heading} ({column.group})" if column.group else column.heading
                by_reason.setdefault((name, entry.reason or "no reason given"), []).append(heading)
    return tuple(f"{name}: {', '.join(headings)}: {reason}" for (name, reason), headings in by_reason.items())
