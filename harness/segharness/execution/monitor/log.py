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
    """Appends one line an event; a line that names a unit also says of which model, data set and shard it is.

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
        """Write that a run begins: its units, predictions to make, and cells."""
        self._units = units
        self._append({"event": "begin", "images": images, "cells": cells})

    def write(self, event: RunEvent) -> None:
        self._append(to_json(event))

    def end(self, state: str, made: int) -> None:
        """Write that the run ended: how, and how many predictions it made."""
        self._append({"event": "end", "state": state, "made": made})

    def close(self) -> None:
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
            self._stream = None  # a full disk: the run itself says so
