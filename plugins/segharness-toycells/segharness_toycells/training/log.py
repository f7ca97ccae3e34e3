"""The log of a training."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from segharness_toycells.training.validation import THRESHOLDS


class Log:
    """A table with a row for every 50 steps and every validation: mean losses since the last row, learning rate, AP.

    Attributes:
        rows: the finished rows, by column.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self._open: list[Mapping[str, float]] = []

    def add(self, losses: Mapping[str, float]) -> None:
        """Add the losses of a step to the open row."""
        self._open.append(losses)

    def close(self, step: int, images: int, rate: float, precisions: Mapping[str, float] | None = None) -> str:
        """Finish the open row, and return it as a line of text.

        Args:
            step: steps done.
            images: images seen.
            rate: the learning rate of the last step.
            precisions: AP by the names in `THRESHOLDS`, if there was a validation.
        """
        means = {name: sum(losses[name] for losses in self._open) / len(self._open) for name in self._open[0]}
        self._open = []
        values = {**means, **{name: precisions[name] if precisions else math.nan for name in THRESHOLDS}}
        row = {"step": str(step), "images": str(images), "learning_rate": f"{rate:.3g}"}
        row |= {name: "" if math.isnan(value) else f"{value:.4f}" for name, value in values.items()}
        self.rows.append(row)
        return "  ".join(f"{name} {value}" for name, value in row.items() if value)

    def text(self) -> str:
        """Return the log as CSV."""
        file = io.StringIO()
        writer = csv.DictWriter(file, list(self.rows[0]) if self.rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return file.getvalue()

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"rows": self.rows, "open": [dict(losses) for losses in self._open]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state` returned."""
        self.rows, self._open = list(state["rows"]), list(state["open"])
