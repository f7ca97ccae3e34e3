"""``--log-file``: a run's events as JSON lines, with the seconds of every stage."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from segharness.errors import UsageError
from segharness.execution.executors.interface import Event
from segharness.execution.units import Unit


class RunLog:
    """Appends one line an event; `shard` lines say of which model, data set and images they are.

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
        self._units = units
        self.write({"event": "begin", "images": images, "cells": cells})

    def write(self, event: Event) -> None:
        """Write an event, with the time; one that names a unit gets what the unit is."""
        if self._stream is None:
            return
        unit = self._units.get(event.get("unit", -1))
        of = {} if unit is None else {"model": unit.model, "dataset": unit.dataset, "shard": unit.shard.index}
        try:
            self._stream.write(json.dumps({"time": round(time.time(), 3), **event, **of}) + "\n")
        except OSError:
            self._stream = None  # a full disk: the run itself says so

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
