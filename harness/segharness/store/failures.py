"""failures.json: which cells failed in the last run, for ``--lf``."""

from __future__ import annotations

import json
from collections.abc import Mapping

from segharness.store.atomic import write_atomic
from segharness.store.remote import StorePath

Key = tuple[str, str, str]


def write_failures(path: StorePath, failed: Mapping[Key, str]) -> None:
    """Write model, data set, condition and first error of every failed cell."""
    rows = [{"cell": list(key), "error": error} for key, error in failed.items()]
    write_atomic(path, (json.dumps(rows, indent=1) + "\n").encode())


def read_failures(path: StorePath) -> dict[Key, str]:
    """Return what `write_failures` wrote; nothing where there is no such file, or a damaged one: it is only an aid."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {(row["cell"][0], row["cell"][1], row["cell"][2]): row["error"] for row in rows}
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return {}
