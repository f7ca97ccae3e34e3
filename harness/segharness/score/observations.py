"""What a model's predictions look like beside the ground truth: mistakes that cost AP and that no rule forbids.

Boxes that are fractions, corners given as sides, x and y exchanged, every detection twice, labels shifted by one,
categories that a model never predicts, objects of which it finds none. They are said under the tables; no number
depends on them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from hotcoco import mask as rle

from segharness.data.found_objects import FoundObjects, found_objects, lacking_categories
from segharness.data.open_dataset import OpenDataset
from segharness.errors import coded
from segharness.score.evaluations.coco_engines import boxes as boxes_of

_MOST = 5000
"""How many predictions are looked at."""

_MANY = 50
"""So many equal scores are no chance."""

Boxes = npt.NDArray[np.float64]
"""x, y, width, height in pixels, float64 (N, 4)."""

_NO_BOXES: Boxes = np.zeros((0, 4))


class Observer:
    """Looks at the predictions of the models of one data set.

    Args:
        opened: the data set.
    """

    def __init__(self, opened: OpenDataset) -> None:
        self._taxonomy = opened.taxonomy
        self._sizes = {sample.image_id: (sample.height, sample.width) for sample in opened.samples}
        self._predicted: dict[str, set[int]] = {}
        self._first: dict[str, pa.Table] = {}
        self._dropped: dict[str, tuple[int, int]] = {}

    def look(self, model: str, predictions: pa.Table, dropped: int = 0) -> None:
        """Look at the stored predictions of one cell; details are taken from the first that has some.

        Args:
            model: the model's id.
            predictions: of the cell.
            dropped: how many further ones had categories that the data set does not have.
        """
        if dropped and model not in self._dropped:
            self._dropped[model] = (dropped, dropped + len(predictions))
        self._predicted.setdefault(model, set()).update(predictions.column("category_id").unique().to_pylist())
        if model not in self._first and len(predictions):
            self._first[model] = predictions.take(np.arange(min(_MOST, len(predictions))))  # a copy: the rest may go

    def observations(self, truth: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
        """Yield models and what is to be said of them, a line each.

        Args:
            truth: the ground truth of instances as it is scored, in COCO's form; None where no evaluation uses one.
        """
        for model, (dropped, count) in self._dropped.items():
            yield model, f"{dropped} of {count} detections are left out: the data set does not have their categories"
        for model in self._predicted:
            if model not in self._first:
                if truth is not None and found_objects(truth, self._sizes, [], _NO_BOXES).is_nothing:
                    yield model, "predicts nothing at all"
                continue
            first = self._first[model]
            predictions = self._taxonomy.apply_to_predictions(first)
            shown = boxes_of(predictions)
            ids = predictions.column("image_id").to_pylist()
            sizes = np.array([self._sizes[id] for id in ids], dtype=np.float64).reshape(-1, 2)
            of_masks = self._boxes_of_masks(predictions, ids)
            wrong_boxes = _wrong_boxes(shown, of_masks, sizes)
            said = [wrong_boxes, _doubled(predictions, shown)]
            if truth is not None:
                if lacking := lacking_categories(truth, self._taxonomy.scored_ids(self._predicted[model])):
                    said.insert(
                        0,
                        f"never predicts {lacking}; has it no label of that name? (`segharness collect SUITE --labels`)",
                    )
                found = found_objects(truth, set(ids), ids, shown if of_masks is None else of_masks)
                if found.is_nothing and wrong_boxes is None:
                    said.append(
                        f"none of its first {len(predictions)} detections overlaps an object of any category (IoU over .5)"
                    )
                said += [_shifted(truth, predictions, found), _unranked(predictions)]
            yield from ((model, text) for text in said if text is not None)

    def _boxes_of_masks(self, predictions: pa.Table, ids: Sequence[int]) -> Boxes | None:
        if not len(predictions) or predictions.column("mask").null_count:
            return None
        masks = predictions.column("mask").to_pylist()
        counts = [{"size": list(self._sizes[id]), "counts": mask} for id, mask in zip(ids, masks, strict=True)]
        return np.asarray(rle.to_bbox(counts), dtype=np.float64).reshape(-1, 4)


def _shifted(truth: Mapping[str, Any], predictions: pa.Table, found: FoundObjects) -> str | None:
    """Return whether detections lie on objects of a category that is always so many further in the list."""
    order = {id: position for position, id in enumerate(sorted(c["id"] for c in truth["categories"]))}
    labels = predictions.column("category_id").to_pylist()
    known = [(id, labels[row]) for id, row in found.pairs if id in order and labels[row] in order]
    offsets = Counter(order[label] - order[id] for id, label in known)
    if len({id for id, _ in known}) < 2 or (total := len(known)) < 10:
        return None
    offset, count = offsets.most_common(1)[0]
    if offset == 0 or count < 0.8 * total:
        return None
    return (
        f"its labels look shifted: {count} of {total} objects that it finds get the category {abs(offset)} place"
        f"{'s' if abs(offset) > 1 else ''} {'after' if offset > 0 else 'before'} their own in the data set's list"
    )


def _ious(boxes: Boxes, others: Boxes) -> npt.NDArray[np.float64]:
    """Return the IoU of boxes with others, pair by pair."""
    low = np.maximum(boxes[:, :2], others[:, :2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(np.clip(boxes[:, 2:], 0, None), axis=1) + np.prod(np.clip(others[:, 2:], 0, None), axis=1)
    found: npt.NDArray[np.float64] = shared / np.maximum(areas - shared, 1e-9)
    return found


def _readings(boxes: Boxes, sizes: npt.NDArray[np.float64]) -> Mapping[str, Boxes]:
    """Return boxes as they would be if they had been written in another form; `sizes` are (height, width)."""
    unit = np.concatenate([sizes[:, ::-1], sizes[:, ::-1]], axis=1)
    sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return {
        "fractions of the image": boxes * unit,
        "corners (x1, y1, x2, y2) in the place of x, y, width, height": sides,
        "x and y exchanged": boxes[:, [1, 0, 3, 2]],
    }


def _unranked(predictions: pa.Table) -> str | None:
    """Return whether many detections have one score: AP ranks by it. Panoptic segments have none."""
    scores = predictions.column("score")
    if len(predictions) < _MANY or scores.null_count or len(scores.unique()) > 1:
        return None
    return (
        f"all of its first {len(predictions)} scores are {scores[0].as_py():g}: AP, which ranks by them, means little"
    )


def _wrong_boxes(boxes: Boxes, of_masks: Boxes | None, sizes: npt.NDArray[np.float64]) -> str | None:
    """Return what is wrong with boxes, held against their masks or, without masks, against their images."""
    if of_masks is not None:
        used = of_masks[:, 2] > 0
        if not used.any():
            return None
        as_given = float(np.median(_ious(boxes[used], of_masks[used])))
        for form, other in _readings(boxes, sizes).items():
            if float(np.median(_ious(other[used], of_masks[used]))) >= max(0.5, as_given + 0.25):
                return coded(
                    "T14", f"its boxes are not those of its masks; they look like {form}: box AP means nothing"
                )
        if as_given < 0.3:
            return f"its boxes are not those of its masks (median IoU {as_given:.2f}): box AP means little"
        return None
    if len(boxes) and float(np.abs(boxes).max()) <= 2:
        return coded("T14", "its boxes look like fractions of the image, not pixels: box AP means nothing")
    outside = ((boxes[:, :2] + boxes[:, 2:]) > 1.1 * sizes[:, ::-1]).any(axis=1)
    if len(boxes) >= 4 and float(outside.mean()) >= 0.2:
        share = f"{outside.mean():.0%} of its boxes leave their images"
        return coded("T14", f"{share}: corners in the place of sides, or x and y exchanged?")
    return None


def _doubled(predictions: pa.Table, boxes: Boxes) -> str | None:
    """Return whether nearly every detection is there twice."""
    rows = Counter(
        zip(
            predictions.column("image_id").to_pylist(),
            predictions.column("category_id").to_pylist(),
            map(tuple, np.round(boxes, 3).tolist()),
            predictions.column("mask").to_pylist(),
            strict=True,
        )
    )
    repeated = sum(count for count in rows.values() if count > 1)
    if len(predictions) < 4 or repeated < 0.9 * len(predictions):
        return None
    return f"{repeated} of {len(predictions)} detections are there twice or more: each costs a false positive"
