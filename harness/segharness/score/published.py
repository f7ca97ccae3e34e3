"""Printed results: reads the tables that plugins offer, and computes CD and rCD of any choice of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segharness.errors import PluginError, UsageError, nearest
from segharness.plugin.packaged_file import packaged_file
from segharness.plugin.published_specs import PublishedSpec
from segharness.score.degradation import Curve, Value, against_reference, own_metrics
from segharness.score.external_table import read_csv
from segharness.score.severity_columns import corruptions_of


@dataclass(frozen=True)
class PublishedRow:
    """A row of a printed table.

    Attributes:
        spec: the table.
        model: the row's name, as printed.
        values: the numbers by column, as fractions if the table is of APs, else as printed; without empty cells.
    """

    spec: PublishedSpec
    model: str
    values: Mapping[str, float]

    @property
    def name(self) -> str:
        """Table and row, such as ``robustness/ib::C4``."""
        return f"{self.spec.name}::{self.model}"

    def curve(self, conditions: Mapping[str, Sequence[str]]) -> Curve:
        """Return the row's APs under conditions, which are the columns of each corruption."""
        clean = self.values.get(self.spec.clean)
        missing = [column for columns in conditions.values() for column in columns if column not in self.values]
        return Curve(
            {name: [self.values[column] for column in columns] for name, columns in conditions.items()}
            if not missing
            else {},
            clean,
            None if clean is not None else "no clean number was printed",
            f"no number was printed for {', '.join(missing[:3])}" if missing else None,
        )


@dataclass(frozen=True)
class PublishedDegradation:
    """What is computed of a printed row.

    Attributes:
        row: the row.
        mpc, rpc, cd, rcd: fractions, or None with the reason.
        printed: the average, CD and rCD that the source prints, as fractions, by ``average``, ``cd`` and ``rcd``; empty if
            they are against another reference than these.
    """

    row: PublishedRow
    mpc: Value
    rpc: Value
    cd: Value
    rcd: Value
    printed: Mapping[str, float]


def read_published(spec: PublishedSpec, metric: str = "AP") -> list[PublishedRow]:
    """Return the rows of a printed table.

    Args:
        spec: the table.
        metric: one of its metrics.

    Raises:
        UsageError: it has no such metric.
        PluginError: its file is missing, or is no such table.
    """
    if metric not in spec.tables:
        raise UsageError(f"`{spec.name}` has no metric `{metric}`{nearest(metric, spec.tables)}")
    owner = f"PublishedSpec `{spec.name}`"
    file = packaged_file(spec.tables[metric], f"{owner}: {metric}")
    try:
        (first, *columns), lines = read_csv(file)
    except UsageError as error:
        raise PluginError(f"{owner}: {error}") from error
    if first != "model":
        raise PluginError(f"{owner}: {file}: its first column is `{first}`, not `model`")
    rows: list[PublishedRow] = []
    for number, (model, *cells) in lines:
        if len(cells) != len(columns) or model in (row.model for row in rows):
            raise PluginError(
                f"{owner}: {file}:{number}: has not {len(columns)} numbers, or is a second row of `{model}`"
            )
        try:
            values = {name: float(cell) / spec.scale for name, cell in zip(columns, cells, strict=True) if cell}
        except ValueError as error:
            raise PluginError(f"{owner}: {file}:{number}: {error}") from error
        rows.append(PublishedRow(spec, model, values))
    return rows


def conditions_of(
    spec: PublishedSpec, rows: Sequence[PublishedRow], chosen: str | None = None, severity: int | None = None
) -> dict[str, tuple[str, ...]]:
    """Return the columns of each condition that a table's rows are averaged over.

    Args:
        spec: the table.
        rows: its rows.
        chosen: one of its sets, or names of corruptions or columns, separated by commas; None for its first set, or else
            all of its columns that are conditions.
        severity: of corruptions that have several; None for all of them.

    Raises:
        UsageError: there is no such set, condition or severity.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row.values))
    left_out = {spec.clean, *spec.printed.values()}
    by_corruption = corruptions_of([column for column in columns if column not in left_out])
    if severity is not None:
        wanted = {name: tuple(c for c in of if c.endswith(f"-{severity}")) for name, of in by_corruption.items()}
        if not any(wanted.values()):
            raise UsageError(f"`{spec.name}` has no severity {severity}")
        by_corruption = {name: of for name, of in wanted.items() if of}
    if chosen is None and not spec.sets:
        return by_corruption
    if chosen is None or chosen in spec.sets:
        names: Sequence[str] = spec.sets[chosen] if chosen is not None else next(iter(spec.sets.values()))
    else:
        names = [name.strip() for name in chosen.split(",") if name.strip()]
    unknown = [name for name in names if name not in by_corruption and name not in columns]
    if unknown:
        raise UsageError(
            f"`{spec.name}` has no set or condition `{unknown[0]}`{nearest(unknown[0], [*spec.sets, *by_corruption])}"
        )
    return {name: by_corruption.get(name, (name,)) for name in names}


def published_degradation(
    rows: Sequence[PublishedRow], reference: PublishedRow | None, chosen: str | None = None, severity: int | None = None
) -> list[PublishedDegradation]:
    """Return what is computed of printed rows, which may be of several tables, against another printed row.

    Args:
        rows: the rows.
        reference: the row that CD and rCD divide by; None for each table's own.
        chosen, severity: as of `conditions_of`; the conditions must be those of the reference, too.

    Raises:
        UsageError: a table has no such conditions, or no reference.
    """
    found = []
    for row in rows:
        spec = row.spec
        table = [r for r in rows if r.spec is spec]
        conditions = conditions_of(spec, table, chosen, severity)
        own = reference or next((r for r in table if r.model == spec.reference), None)
        if own is None and spec.reference:
            own = next((r for r in read_published(spec) if r.model == spec.reference), None)
        curve = row.curve(conditions)
        metrics = own_metrics(curve)
        none = Value(None, "the table has no reference; --reference TABLE::ROW gives one")
        against = {"CD": none, "rCD": none}
        if own is not None:
            theirs = conditions_of(own.spec, [own], ",".join(conditions), severity)
            against = against_reference(curve, own.curve(theirs))
        is_own = own is not None and own.spec is spec and own.model == spec.reference
        printed = {name: row.values[c] for name, c in spec.printed.items() if is_own and c in row.values}
        found.append(PublishedDegradation(row, metrics["mPC"], metrics["rPC"], against["CD"], against["rCD"], printed))
    return found
