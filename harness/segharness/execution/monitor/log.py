"""``--log-file``: a run's events as JSON lines, with the seconds of every stage."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from segharness.errors import UsageError
from segharness.execution.events import RunEvent, to_json
from segharness.execution.units import Unit


class EventLog:
    """Appends one line per event. A line that names a unit also names its model, data set and shard.

    Args:
        path: the file; without one, nothing is written.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._stream: TextIO | None = None
        if path is not None:
            if path.is_fifo():
                raise UsageError(f"--log-file {path}: is a pipe; give a file")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = path.open("a", encoding="utf-8", buffering=1)
            except OSError as error:
                raise UsageError(f"--log-file {path}: cannot be written: {error.strerror}") from error
        self._units: Mapping[int, Unit] = {}

    def begin(self, units: Mapping[int, Unit], images: int, cells: int) -> None:
        """Write that a run begins, with the number of predictions to make and of cells.

        Args:
            units: the units by index; later lines take their names from them.
            images: how many predictions the run makes.
            cells: how many cells are selected.
        """
        self._units = units
        self._append({"event": "begin", "images": images, "cells": cells})

    def write(self, event: RunEvent) -> None:
        """Write an event."""
        self._append(to_json(event))

    def end(self, state: str, made: int) -> None:
        """Write that the run ended, with its final state and the number of predictions that it made."""
        self._append({"event": "end", "state": state, "made": made})

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _append(self, line: Mapping[str, Any]) -> None:
        if self._stream is None:
            return
        unit = self._units.get(line.get("unit", -1))
        names = {} if unit is None else {"model": unit.model, "dataset": unit.dataset, "shard": unit.shard.index}
        try:
            self._stream.write(json.dumps({"time": round(time.time(), 3), **line, **names}) + "\n")
        except OSError:
            self._stream = None  # the disk is full; the run itself reports that
