"""What the files of a run say of its models: what their networks were given of the images, and facts of theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa


class ModelRecords:
    """Gathers what files say of models, over all cells.

    Attributes:
        facts: by model, what it said of itself when it was loaded.
    """

    def __init__(self) -> None:
        self.facts: dict[str, dict[str, Any]] = {}
        self._found: dict[tuple[str, str], dict[str, Any]] = {}

    def look(self, model: str, dataset: str, images: pa.Table, facts: Mapping[str, Any]) -> None:
        """Look at one cell.

        Args:
            model, dataset: their ids.
            images: a table of `segharness.store.IMAGES`.
            facts: what the loaded model said of itself.
        """
        self.facts.setdefault(model, {}).update(facts)
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
        padding = known.column("padding").combine_chunks().flatten().to_numpy().reshape(-1, 4).astype(np.int64)
        for side, bars in (("height", padding[:, :2]), ("width", padding[:, 2:])):
            content = known.column(f"input_{side}").to_numpy() - bars.sum(axis=1)
            found[side] = [int(min([*found[side], content.min()])), int(max([*found[side], content.max()]))]
        found["interpolation"] |= set(known.column("interpolation").to_pylist())
        found["padded"] |= bool(padding.any())

    def network_inputs(self) -> Iterator[dict[str, Any]]:
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
