"""Makes a report of results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from segharness.report.layout import Report
from segharness.report.tables import tables
from segharness.store import RunFolder, manifest_of, read_results, store_path
from segharness.suite.stored_suite import stored_suite

if TYPE_CHECKING:
    import pyarrow as pa


def make_report(
    results: pa.Table, views: Sequence[str] = (), digits: int | None = None, run: RunFolder | None = None
) -> Report:
    """Return the report of a results table.

    Args:
        results: the table of results.arrow, with the run's manifest in its metadata.
        views: further tables to show, keys of `segharness.suite.VIEWS`.
        digits, run: as in `Report`.
    """
    manifest = manifest_of(results)
    return Report(results, manifest, tuple(tables(stored_suite(manifest, "results"), results, views)), digits, run)


def read_report(path: str | os.PathLike[str], views: Sequence[str] = (), digits: int | None = None) -> Report:
    """Return the report of a run folder or a results.arrow.

    Raises:
        StoreError: the file does not exist, or segharness did not write it.
    """
    results, place = read_results(path), store_path(path)
    return make_report(results, views, digits, RunFolder(place) if place.is_dir() else None)
