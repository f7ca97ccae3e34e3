"""The stored predictions of one cell, whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from segharness.data.dataset import OpenDataset
from segharness.digests import digest
from segharness.errors import StoreError
from segharness.identity import Inputs
from segharness.store import RunFolder, read_shard


@dataclass(frozen=True)
class CellPredictions:
    """The stored predictions of one cell, or why they cannot be scored; `absent` says that shards are missing."""

    predictions: pa.Table | None
    reason: str | None = None
    absent: bool = False
    images: pa.Table | None = None


def read_cell(folder: RunFolder, inputs: Inputs, opened: OpenDataset, model: str, condition: str) -> CellPredictions:
    """Return all predictions of a cell, if every shard is there, intact, and without errors."""
    found, images = [], []
    shards = opened.shards
    absent = 0
    for shard in shards:
        files = folder.shard(model, opened.entry.id, condition, shard.index)
        try:
            stored = read_shard(files)
        except FileNotFoundError:
            absent += 1
            continue
        except StoreError as error:
            return CellPredictions(None, str(error))
        if stored.identity != digest(inputs.of(model, opened.entry.id, condition, shard)):
            return CellPredictions(None, "made from other inputs than this run's")
        errors = stored.images.column("error").drop_null()
        if len(errors):
            return CellPredictions(None, f"{len(errors)} of {len(stored.images)} images failed: {errors[0].as_py()}")
        found.append(stored.predictions)
        images.append(stored.images)
    if absent:
        missing = "not run" if absent == len(shards) else f"{absent} of {len(shards)} shards are missing"
        return CellPredictions(None, missing, absent=True)
    return CellPredictions(pa.concat_tables(found), images=pa.concat_tables(images))
