"""The units of one model. A separate thread opens the next unit while the model works on earlier units."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from segharness.execution.units import Unit
from segharness.execution.worker.open_unit import OpenUnit


class UnitStream:
    """Takes units as long as they need the model of the first unit.

    Args:
        first: a unit that was already taken.
        take: returns the next unit; see `segharness.execution.worker.unit_runner.Units.next`.
        model_key: returns a key of the model that a unit needs.
        open_unit: opens a unit.
        failed: called with a unit that could not be opened, and the error.
        taken: a list to which every unit of this model is appended.
    """

    def __init__(
        self,
        first: Unit,
        take: Callable[[bool], Unit | None],
        model_key: Callable[[Unit], Any],
        open_unit: Callable[[Unit], OpenUnit],
        failed: Callable[[Unit, BaseException], None],
        taken: list[Unit],
    ) -> None:
        self._unit: Unit | None = first
        self._unit_of_another_model: Unit | None = None
        self._take, self._model_key, self._key = take, model_key, model_key(first)
        self._open_unit, self._failed, self._taken = open_unit, failed, taken
        self._opener = ThreadPoolExecutor(1, "open")
        self._opening: Future[OpenUnit] | None = None

    def close(self) -> Unit | None:
        """Stop opening units. Return a unit that was taken but needs another model, if there is one."""
        self._opener.shutdown(wait=True)
        return self._unit_of_another_model

    def next(self, block: bool) -> OpenUnit | None:
        """Return the next unit of this model after opening it; see `segharness.execution.worker.prefetch.NextUnit`."""
        while True:
            if self._unit is None and self._unit_of_another_model is None:
                unit = self._take(block)
                if unit is not None and self._model_key(unit) != self._key:
                    self._unit_of_another_model = unit
                elif unit is not None:
                    self._unit = unit
                    self._taken.append(unit)
            if self._unit is None:
                return None
            if self._opening is None:
                self._opening = self._opener.submit(self._open_unit, self._unit)
            if not block and not self._opening.done():
                return None
            unit, opening = self._unit, self._opening
            self._unit = self._opening = None
            try:
                return opening.result()
            except (Exception, SystemExit) as error:  # noqa: BLE001  it costs the cells of the unit
                self._failed(unit, error)
