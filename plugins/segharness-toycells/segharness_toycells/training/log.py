"""The log of a training."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from segharness_toycells.training.validation import THRESHOLDS


class Log:
    """A line for every 50 steps and every validation: mean losses since the last line, learning rate, AP."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self._open: list[Mapping[str, float]] = []

    def add(self, losses: Mapping[str, float]) -> None:
        self._open.append(losses)

    def close(self, step: int, images: int, rate: float, found: Mapping[str, float] | None = None) -> str:
        """End a line and return it for reading."""
        means = {name: sum(one[name] for one in self._open) / len(self._open) for name in self._open[0]}
        self._open = []
        values = {**means, **{name: found[name] if found else math.nan for name in THRESHOLDS}}
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
        return {"rows": self.rows, "open": [dict(one) for one in self._open]}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.rows, self._open = list(state["rows"]), list(state["open"])
