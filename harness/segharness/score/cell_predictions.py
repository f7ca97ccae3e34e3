"""Reads the stored predictions of one cell, all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from segharness.data.open_dataset import OpenDataset
from segharness.digests import digest
from segharness.errors import StoreError
from segharness.identity import Inputs
from segharness.plugin.facts import facts_of
from segharness.score.shard_checks import shard_problem
from segharness.store import RunFolder, read_shard


@dataclass(frozen=True)
class CellPredictions:
    """The stored predictions of one cell, or the reason why they cannot be scored.

    Attributes:
        predictions: a table of `segharness.store.PREDICTIONS`; None if the cell cannot be scored.
        reason: why not; None if it can.
        absent: whether shards of the cell are missing.
        damaged: whether a file of the cell is damaged, or holds what no model may answer.
        images: a table of `segharness.store.IMAGES`; None if the cell cannot be scored.
        predictable: the ids of the categories that the model has labels for; None if that is not known.
        facts: what the loaded model said of itself.
    """

    predictions: pa.Table | None
    reason: str | None = None
    absent: bool = False
    images: pa.Table | None = None
    damaged: bool = False
    predictable: frozenset[int] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_cell(folder: RunFolder, inputs: Inputs, opened: OpenDataset, model: str, condition: str) -> CellPredictions:
    """Return all predictions of a cell, if every shard is stored, intact and free of errors."""
    predictions, images = [], []
    shards = opened.shards
    absent = 0
    errors: list[str] = []
    predictable: list[frozenset[int] | None] = []
    facts: dict[str, Any] = {}
    category_ids = [category.id for category in opened.dataset.categories]

    for shard in shards:
        files = folder.shard_files(model, opened.entry.id, condition, shard.index)
        try:
            stored = read_shard(files)
        except FileNotFoundError:
            absent += 1
            continue
        except StoreError as error:
            return CellPredictions(None, str(error), damaged=True)
        if stored.identity != digest(inputs.of(model, opened.entry.id, condition, shard)):
            return CellPredictions(None, "made from other inputs than this run's")
        samples = opened.samples[shard.start : shard.stop]
        if problem := shard_problem(stored, samples, category_ids, opened.annotation_ids):
            return CellPredictions(None, f"{files.predictions}: damaged: {problem}", damaged=True)
        errors += stored.images.column("error").drop_null().to_pylist()
        predictions.append(stored.predictions)
        images.append(stored.images)
        predictable.append(stored.predictable)
        facts = facts_of(stored.facts)
    if errors:
        return CellPredictions(None, f"{len(errors)} of {len(opened.samples)} images failed: {errors[0]}")
    if absent:
        reason = "not run" if absent == len(shards) else f"{absent} of {len(shards)} shards are missing"
        return CellPredictions(None, reason, absent=True)
    known = [ids for ids in predictable if ids is not None]
    return CellPredictions(
        pa.concat_tables(predictions),
        images=pa.concat_tables(images),
        predictable=frozenset().union(*known) if len(known) == len(predictable) else None,
        facts=facts,
    )
