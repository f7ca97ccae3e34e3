"""failures.json: the cells that failed in the last run, for ``--lf``."""

from __future__ import annotations

import json
from collections.abc import Mapping

from segharness.errors import StoreError
from segharness.records import CellKey
from segharness.store.arrow_file import read_regular
from segharness.store.atomic import write_atomic
from segharness.store.remote import StorePath


def write_failures(path: StorePath, failed: Mapping[CellKey, str]) -> None:
    """Write every failed cell and its first error."""
    rows = [{"cell": list(key), "error": error} for key, error in failed.items()]
    write_atomic(path, (json.dumps(rows, indent=1) + "\n").encode())


def read_failures(path: StorePath) -> dict[CellKey, str]:
    """Return what `write_failures` wrote; nothing if the file is missing or damaged, since no result depends on it."""
    try:
        rows = json.loads(read_regular(path).decode())
        failed = {(row["cell"][0], row["cell"][1], row["cell"][2]): row["error"] for row in rows}
        return {key: error for key, error in failed.items() if isinstance(error, str)}
    except (OSError, StoreError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return {}
