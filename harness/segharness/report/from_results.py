"""Makes a report of results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from segharness.report.by_fact import check_fact, grouped, recorded_facts
from segharness.report.layout import Report
from segharness.report.printed_tables import PrintedRows
from segharness.report.tables import tables
from segharness.store import RunFolder, manifest_of, read_results, store_path
from segharness.suite.stored_suite import stored_suite

if TYPE_CHECKING:
    import pyarrow as pa


def make_report(
    results: pa.Table,
    views: Sequence[str] = (),
    digits: int | None = None,
    run: RunFolder | None = None,
    printed: Sequence[PrintedRows] = (),
    only_fitting: bool = True,
    by: str | None = None,
) -> Report:
    """Return the report of a results table.

    Args:
        results: the table of results.arrow, with the run's manifest in its metadata.
        views: further tables to show, keys of `segharness.suite.VIEWS`.
        digits, run: as in `Report`.
        printed: printed tables to show beside one's own.
        only_fitting: whether to leave out printed tables of another data set.
        by: a fact of the models; under every table stands one of the means over models that share it.

    Raises:
        UsageError: no model has the fact.
    """
    manifest = manifest_of(results)
    laid_out = list(tables(stored_suite(manifest, "results"), results, views, printed, only_fitting))
    if by is not None:
        facts = recorded_facts(manifest)
        check_fact(by, facts)
        pairs = [(table, grouped(table, by, facts)) for table in laid_out]
        laid_out = [table for pair in pairs for table in pair if table is not None]
    return Report(results, manifest, tuple(laid_out), digits, run)


def read_report(
    path: str | os.PathLike[str],
    views: Sequence[str] = (),
    digits: int | None = None,
    printed: Sequence[PrintedRows] = (),
    only_fitting: bool = True,
    by: str | None = None,
) -> Report:
    """Return the report of a run folder or a results.arrow. As `make_report` otherwise.

    Raises:
        StoreError: the file does not exist, or segharness did not write it.
    """
    results, place = read_results(path), store_path(path)
    return make_report(results, views, digits, RunFolder(place) if place.is_dir() else None, printed, only_fitting, by)
