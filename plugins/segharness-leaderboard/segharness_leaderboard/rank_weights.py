"""Weights of instances by the rank of their scores, for comparing predictions image by image.

AP knows nothing of scores but their order within a category and condition. So an instance counts by its rank there: the
most confident one 1, falling to 0 at the rank of three times the number of objects, below which precision is under a
third. Whoever multiplies all scores by a small number changes nothing. What is below that rank counts nothing here, though
it may carry AP: the APs of the images that are compared have to agree as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from segharness_leaderboard.tables import with_column

REACH = 3
"""Instances count down to the rank of so many times the number of objects of their category."""


class RankWeights:
    """The weights of the instances of one condition.

        Args:
            stored: a table of `segharness.store.PREDICTIONS`, all predictions of a model under the condition.
            counts: how many objects of each category there are in all images.

        Raises:
            ValueError: a prediction has no score.

        Example:
            >>> import pyarrow as pa

    from segharness_leaderboard.tables import with_column
            >>> ranked = pa.table({"category_id": [1, 1, 1], "score": [0.9, 0.5, 0.1]})
            >>> RankWeights(ranked, {1: 1}).of(ranked).round(2).tolist()
            [1.0, 0.67, 0.33]
    """

    def __init__(self, stored: pa.Table, counts: Mapping[int, int]) -> None:
        if stored.column("score").null_count:
            raise ValueError("predictions without scores cannot be compared")
        categories, scores = (stored.column(name).to_numpy() for name in ("category_id", "score"))
        self._counts = counts
        self._sorted = {int(id): np.sort(scores[categories == id]) for id in np.unique(categories)}

    def of(self, predictions: pa.Table) -> np.ndarray:
        """Return the weights of some predictions, float64 (N,), from 0 to 1. They may be another model's."""
        if predictions.column("score").null_count:
            raise ValueError("predictions without scores cannot be compared")
        categories, scores = (predictions.column(name).to_numpy() for name in ("category_id", "score"))
        weights = np.zeros(len(scores))
        for id in np.unique(categories):
            reach = REACH * self._counts.get(int(id), 0)
            if not reach:
                continue
            ranked = self._sorted.get(int(id), np.zeros(0))
            chosen = categories == id
            above = len(ranked) - np.searchsorted(ranked, scores[chosen], side="right")
            weights[chosen] = np.clip(1 - above / reach, 0, 1)
        return weights

    def weighted(self, predictions: pa.Table) -> pa.Table:
        """Return predictions with their weights in the place of scores, without those that count nothing."""
        weights = self.of(predictions)
        return with_column(predictions, "score", weights).filter(pa.array(weights > 0))
