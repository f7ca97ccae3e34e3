"""Degradation from an external table of APs, with a row for each model and a column for each condition."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from segharness.errors import UsageError, nearest
from segharness.plugin.metric_specs import AVERAGE, CD, RCD, RCD_POOLED
from segharness.score.degradation import Curve, Ratios, Value, against_reference, own_metrics, ratios
from segharness.score.severity_columns import averaged, corruptions_of


@dataclass(frozen=True)
class ExternalTable:
    """A table of APs, as fractions.

    Attributes:
        clean: the column of the clean APs.
        corruptions: the columns of every corruption, in order; those of its severities are averaged first.
        rows: the APs by model, then by column.
        rounding: one unit of the last decimal place in the file. A difference of up to that much may be rounding alone.
    """

    clean: str
    corruptions: Mapping[str, tuple[str, ...]]
    rows: Mapping[str, Mapping[str, float]]
    rounding: float

    def curve(self, model: str) -> Curve:
        """Return the APs of one model."""
        row = self.rows[model]
        return Curve({name: [row[c] for c in columns] for name, columns in self.corruptions.items()}, row[self.clean])


@dataclass(frozen=True)
class Degradation:
    """The average AP and the degradation of one model of a table."""

    model: str
    average: Value
    cd: Value
    rcd: Value
    rcd_pooled: Value
    ratios: Ratios


def losses_within_rounding(table: ExternalTable, reference: str) -> dict[str, float]:
    """Return the reference's losses that are positive but no larger than the rounding, by condition."""
    row = table.rows[reference]
    losses = {
        name: row[table.clean] - sum(row[column] for column in columns) / len(columns)
        for name, columns in table.corruptions.items()
    }
    return {name: loss for name, loss in losses.items() if 0 < loss <= table.rounding * (1 + 1e-9)}


def degradations(table: ExternalTable, reference: str) -> list[Degradation]:
    """Return the degradation of every model of a table against `reference`, one of its models.

    Raises:
        UsageError: the reference is not in the table.
    """
    if reference not in table.rows:
        raise UsageError(f"--reference {reference}: no such row{nearest(reference, table.rows)}")
    reference_curve = table.curve(reference)
    results = []
    for model in table.rows:
        curve = table.curve(model)
        metrics = against_reference(curve, reference_curve)
        average = own_metrics(curve)[AVERAGE]
        results.append(
            Degradation(model, average, metrics[CD], metrics[RCD], metrics[RCD_POOLED], ratios(curve, reference_curve))
        )
    return results


def read_table(
    file: Path,
    clean: str,
    scale: float,
    conditions: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    severities: str | None = None,
) -> ExternalTable:
    """Read a CSV or Arrow file whose first column names the models.

    Args:
        file: an Arrow file (IPC) if its name ends in ``.arrow``, ``.feather`` or ``.ipc``; otherwise CSV.
        clean: the column of the clean APs.
        scale: how an AP of 1 is written: 100 for percent, 1 for fractions.
        conditions: the columns to average; None for all but `clean` and `ignore`.
        ignore: columns that are not conditions.
        severities: ``average`` if every number in a column's name is a severity, ``separate`` if none is; None to go by
            the usual spellings, such as ``fog-3``.

    Raises:
        UsageError: the file cannot be read, or has mistakes; the error lists all of them.
    """
    header, lines = _read_arrow(file) if file.suffix in (".arrow", ".feather", ".ipc") else read_csv(file)
    model_column, columns = header[0], header[1:]
    problems = [
        f"{file}: two columns have the name `{name}`" for name in dict.fromkeys(columns) if columns.count(name) > 1
    ]
    for flag, names in (("--clean", [clean]), ("--conditions", conditions or ()), ("--ignore", ignore)):
        problems += [
            f"{flag} {name}: {file} has no such column{nearest(name, columns)}" for name in names if name not in columns
        ]
    if conditions is not None and clean in conditions:
        problems.append(f"--conditions: `{clean}` is the clean column")
    chosen = (
        tuple(conditions) if conditions is not None else tuple(c for c in columns if c != clean and c not in ignore)
    )
    if not chosen:
        problems.append(f"{file}: no column is left to average over")
    if problems:
        raise UsageError(problems)
    rows: dict[str, dict[str, float]] = {}
    places = 0
    for line, cells in lines:
        if len(cells) != len(header):
            problems.append(f"{file}:{line}: has {len(cells)} cells, the header {len(header)}")
            continue
        model = cells[0]
        if not model or model in rows:
            problems.append(
                f"{file}:{line}: " + (f"a second row of `{model}`" if model else f"`{model_column}` is empty")
            )
            continue
        by_column = dict(zip(columns, cells[1:], strict=True))
        rows[model] = {}
        for name in (clean, *chosen):
            number = _finite_number(by_column[name])
            if number is None or not 0 <= number <= scale:
                unit = "a percentage from 0 to 100" if scale == 100 else "a fraction from 0 to 1"
                hint = _percent_hint(number, scale) or (
                    "" if conditions or name == clean else f"; is it a condition? --ignore {name}"
                )
                problems.append(f"{file}:{line}: {model}, {name}: `{by_column[name]}` is not {unit}{hint}")
            else:
                rows[model][name] = number / scale
                places = max(places, len(by_column[name].partition(".")[2]))
    if not rows and not problems:
        problems.append(f"{file}: has no rows")
    values = [value for row in rows.values() for value in row.values()]
    if scale == 100 and values and not problems and max(values) <= 0.01:
        problems.append(f"{file}: no AP is above 1 percent: are these fractions? give --fraction")
    if problems:
        raise UsageError(problems)
    corruptions = (
        {name: (name,) for name in chosen}
        if severities == "separate"
        else averaged(chosen)
        if severities == "average"
        else corruptions_of(chosen)
    )
    return ExternalTable(clean, corruptions, rows, 10.0**-places / scale)


def _percent_hint(number: float | None, scale: float) -> str:
    return "; are these percent? give --percent" if number is not None and scale == 1 and 1 < number <= 100 else ""


def _finite_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


Lines = list[tuple[int, list[str]]]


def read_csv(file: Path) -> tuple[list[str], Lines]:
    """Return the header of a CSV file and its lines, each with its number, as texts.

    Raises:
        UsageError: it cannot be read, or has no table.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file}: cannot be read as CSV: {_first_line(error)}") from error
    if not lines or len(lines[0][1]) < 2:
        raise UsageError(
            f"{file}: no table: the first line must name the column of models and at least one column of APs"
        )
    return lines[0][1], lines[1:]


def _read_arrow(file: Path) -> tuple[list[str], Lines]:
    try:
        with pa.OSFile(str(file)) as source:
            content = pa.ipc.open_file(source).read_all()
        content.validate(full=True)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise UsageError(f"{file}: cannot be read as an Arrow file: {_first_line(error)}") from error
    if {"model", "metric", "value"} <= set(content.column_names):
        raise UsageError(f"{file}: is a results file, which has CD and rCD already; see `segharness report {file}`")
    if len(content.column_names) < 2:
        raise UsageError(
            f"{file}: no table: it must have a column of models and columns of APs, and has {content.column_names}"
        )
    rows = zip(*(content.column(name).to_pylist() for name in content.column_names), strict=True)
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    return content.column_names, list(enumerate(texts, 1))


def _first_line(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).splitlines()[0]
