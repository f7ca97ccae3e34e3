"""The lines below a table: severities, versions of corruption families, devices, and why numbers are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from segharness.records import Condition
from segharness.report.entry import TableEntry
from segharness.report.layout import Column
from segharness.report.results_lookup import Numbers


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


def device_notes(numbers: Numbers) -> Iterator[str]:
    """Yield lines with the devices that speed was measured on: one for all models, or one per model."""
    if (
        len({tuple(devices) for devices in numbers.devices.values()}) == 1
        and len(next(iter(numbers.devices.values()))) == 1
    ):
        yield f"fps on {next(iter(next(iter(numbers.devices.values()))))}"
        return
    for model, (first, *further) in numbers.devices.items():
        yield f"{model}: fps on {first}" + (f"; the results have those on {', '.join(further)} too" if further else "")


def family_of(corruption: str) -> str:
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
