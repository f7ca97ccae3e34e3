"""The outcome of every image of a shard under one condition, and the two tables that store it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from segharness.records import Detections, NetworkInput, Sample
from segharness.store import IMAGES, PREDICTIONS, table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class ImageOutcome:
    """The outcome of an image under one condition: a row of the table of images, and its detections."""

    sample: Sample
    seconds: float | None = None
    pixels: int | None = None
    drawn: str | None = None
    detections: Detections | None = None
    error: str | None = None
    batch: int | None = None
    call: int | None = None
    device: str | None = None
    prompt: str | None = None


@dataclass
class ShardTables:
    """The outcomes of a shard under one condition as the tables to store; `errors` has those of its images."""

    predictions: pa.Table
    images: pa.Table
    errors: list[str] = field(default_factory=list)


def tables_of(outcomes: Sequence[ImageOutcome]) -> ShardTables:
    """Return the outcomes of a shard under one condition as the tables to store."""
    import numpy as np

    predicted = [(o.sample.image_id, o.detections) for o in outcomes if o.detections is not None]
    sizes = [len(d.category_ids) for _, d in predicted]
    predictions = table(
        PREDICTIONS,
        {
            "image_id": np.repeat(np.array([image_id for image_id, _ in predicted], dtype=np.int64), sizes),
            "category_id": np.concatenate([np.zeros(0, np.int32), *(d.category_ids for _, d in predicted)]),
            "score": _concatenated([(d.scores, n) for (_, d), n in zip(predicted, sizes, strict=True)]),
            "bbox": list(np.concatenate([np.zeros((0, 4)), *(d.boxes for _, d in predicted)])),
            "mask": _concatenated([(d.masks, n) for (_, d), n in zip(predicted, sizes, strict=True)]),
            "annotation_id": _concatenated([(d.annotation_ids, n) for (_, d), n in zip(predicted, sizes, strict=True)]),
        },
    )
    images = table(
        IMAGES,
        {
            "image_id": [o.sample.image_id for o in outcomes],
            "height": [o.sample.height for o in outcomes],
            "width": [o.sample.width for o in outcomes],
            "n_instances": [len(o.detections.category_ids) if o.detections else 0 for o in outcomes],
            "dropped": [o.detections.dropped if o.detections else 0 for o in outcomes],
            "clipped": [o.detections.clipped if o.detections else 0 for o in outcomes],
            **{
                name: [getattr(o, name) for o in outcomes]
                for name in ("seconds", "batch", "call", "device", "prompt", "pixels", "drawn", "error")
            },
            **_network_inputs([o.detections.network_input if o.detections else None for o in outcomes]),
        },
    )
    return ShardTables(predictions, images, [o.error for o in outcomes if o.error is not None])


def _network_inputs(given: Sequence[NetworkInput | None]) -> dict[str, list[Any]]:
    """Return the columns that say what entered the network."""
    columns = {"input_height": "height", "input_width": "width", "interpolation": "interpolation", "padding": "padding"}
    return {column: [getattr(one, name, None) for one in given] for column, name in columns.items()}


def _concatenated(parts: Sequence[tuple[Any, int]]) -> list[Any]:
    """Return the values of all images in one list; an image without values contributes `count` nulls."""
    return [value for values, count in parts for value in ([None] * count if values is None else values)]
