"""Anyone's table of APs (a row a model, a column a condition) -> average, CD and rCD of every row."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from segharness.errors import UsageError, nearest
from segharness.score.degradation import Curve, Ratios, Value, against_reference, own_metrics, ratios


@dataclass(frozen=True)
class ExternalTable:
    """APs as fractions: `rows` by model, each by condition; `conditions` are the i, in order.

    `rounding` is the last place that the table is written to: two of its numbers may differ by that and be one.
    """

    clean: str
    conditions: tuple[str, ...]
    rows: Mapping[str, Mapping[str, float]]
    rounding: float

    def curve(self, model: str) -> Curve:
        row = self.rows[model]
        return Curve({name: [row[name]] for name in self.conditions}, row[self.clean])


@dataclass(frozen=True)
class Degradation:
    """One row of the answer."""

    model: str
    average: Value
    cd: Value
    rcd: Value
    rcd_pooled: Value
    ratios: Ratios


def doubtful(table: ExternalTable, reference: str) -> dict[str, float]:
    """Return the conditions under which the reference loses something, but no more than the rounding, and how much."""
    row = table.rows[reference]
    losses = {name: row[table.clean] - row[name] for name in table.conditions}
    return {name: loss for name, loss in losses.items() if 0 < loss <= table.rounding * (1 + 1e-9)}


def degradations(table: ExternalTable, reference: str) -> list[Degradation]:
    """Return the degradation of every model against one of them.

    Raises:
        UsageError: the reference is not in the table.
    """
    if reference not in table.rows:
        raise UsageError(f"--reference {reference}: no such row{nearest(reference, table.rows)}")
    theirs = table.curve(reference)
    found = []
    for model in table.rows:
        curve = table.curve(model)
        against = against_reference(curve, theirs)
        average = own_metrics(curve)["AP_avg"]
        found.append(
            Degradation(model, average, against["CD"], against["rCD"], against["rCD_pooled"], ratios(curve, theirs))
        )
    return found


def read_table(
    file: Path, clean: str, scale: float, conditions: Sequence[str] | None = None, ignore: Sequence[str] = ()
) -> ExternalTable:
    """Read a CSV or Arrow file whose first column names the models.

    Args:
        file: CSV, or an Arrow file (IPC) when it ends in ``.arrow`` or ``.feather``.
        clean: the column of the clean APs.
        scale: what an AP of 1 is written as: 100 for percent, 1 for fractions.
        conditions: the columns that the averages run over; None for all others.
        ignore: columns that are none of them.

    Raises:
        UsageError: with every mistake: the file, its columns, its numbers.
    """
    header, lines = _arrow(file) if file.suffix in (".arrow", ".feather", ".ipc") else _csv(file)
    named, columns = header[0], header[1:]
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
            problems.append(f"{file}:{line}: " + (f"a second row of `{model}`" if model else f"`{named}` is empty"))
            continue
        by_name = dict(zip(columns, cells[1:], strict=True))
        rows[model] = {}
        for name in (clean, *chosen):
            number = _number(by_name[name])
            if number is None or not 0 <= number <= scale:
                unit = "a percentage from 0 to 100" if scale == 100 else "a fraction from 0 to 1"
                hint = _other(number, scale) or (
                    "" if conditions or name == clean else f"; is it a condition? --ignore {name}"
                )
                problems.append(f"{file}:{line}: {model}, {name}: `{by_name[name]}` is not {unit}{hint}")
            else:
                rows[model][name] = number / scale
                places = max(places, len(by_name[name].partition(".")[2]))
    if not rows and not problems:
        problems.append(f"{file}: has no rows")
    every = [value for row in rows.values() for value in row.values()]
    if scale == 100 and every and not problems and max(every) <= 0.01:
        problems.append(f"{file}: no AP is above 1 percent: are these fractions? give --fraction")
    if problems:
        raise UsageError(problems)
    return ExternalTable(clean, chosen, rows, 10.0**-places / scale)


def _other(number: float | None, scale: float) -> str:
    return "; are these percent? give --percent" if number is not None and scale == 1 and 1 < number <= 100 else ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


Lines = list[tuple[int, list[str]]]


def _csv(file: Path) -> tuple[list[str], Lines]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.reader(opened)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file}: cannot be read as CSV: {_said(error)}") from error
    if not lines or len(lines[0][1]) < 2:
        raise UsageError(f"{file}: no table: the first line must name the model's column and those of the APs")
    return lines[0][1], lines[1:]


def _arrow(file: Path) -> tuple[list[str], Lines]:
    try:
        with pa.OSFile(str(file)) as source:
            content = pa.ipc.open_file(source).read_all()
        content.validate(full=True)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise UsageError(f"{file}: cannot be read as an Arrow file: {_said(error)}") from error
    if {"model", "metric", "value"} <= set(content.column_names):
        raise UsageError(f"{file}: is a results file, which has CD and rCD already; see `segharness report {file}`")
    if len(content.column_names) < 2:
        raise UsageError(f"{file}: no table: it has the columns {content.column_names}")
    rows = zip(*(content.column(name).to_pylist() for name in content.column_names), strict=True)
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    return content.column_names, list(enumerate(texts, 1))


def _said(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).splitlines()[0]
