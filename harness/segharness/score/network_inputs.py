"""What the networks of a run were really given of the images: a summary of what their files record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

KEY = "network_inputs"
"""Where results have it in their manifest."""


class NetworkInputs:
    """Gathers the inputs of networks by model and data set, over all conditions.

    Attributes:
        facts: by model, what it said of itself when it was loaded.
    """

    def __init__(self) -> None:
        self.facts: dict[str, dict[str, Any]] = {}
        self._found: dict[tuple[str, str], dict[str, Any]] = {}

    def look(self, model: str, dataset: str, images: pa.Table) -> None:
        """Look at the images of one cell, a table of `segharness.store.IMAGES`."""
        found = self._found.setdefault(
            (model, dataset),
            {"height": [], "width": [], "interpolation": set(), "padded": False, "known": 0, "unknown": 0},
        )
        known = images.filter(images.column("input_height").is_valid())
        asked = images.filter(images.column("seconds").is_valid())  # others never reached the model
        found["known"] += len(known)
        found["unknown"] += max(0, len(asked) - len(known))
        if not len(known):
            return
        padding = np.array(known.column("padding").to_pylist(), dtype=np.int64).reshape(-1, 4)
        for side, bars in (("height", padding[:, :2]), ("width", padding[:, 2:])):
            content = known.column(f"input_{side}").to_numpy() - bars.sum(axis=1)
            found[side] = [int(min([*found[side], content.min()])), int(max([*found[side], content.max()]))]
        found["interpolation"] |= set(known.column("interpolation").to_pylist())
        found["padded"] |= bool(padding.any())

    def to_json(self) -> Iterator[dict[str, Any]]:
        """Yield a JSON object for every model and data set.

        ``height`` and ``width`` are the least and the greatest of the images in the tensors, without padding, in pixels;
        ``known`` and ``unknown`` count predictions.
        """
        for (model, dataset), found in self._found.items():
            yield {
                "model": model,
                "dataset": dataset,
                **found,
                "interpolation": sorted(found["interpolation"]),
            }
