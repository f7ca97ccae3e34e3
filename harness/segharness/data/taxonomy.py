"""What a suite makes of a data set's categories when it is scored: merged, dropped, ignored, or kept.

Predictions are stored under the data set's own categories, so that another policy needs no model, only scoring.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from segharness.errors import UsageError, nearest
from segharness.records import Category
from segharness.suite import DatasetEntry

DROP, IGNORE = "drop", "ignore"
"""What a category may become besides another one.

What is dropped is not looked at: a detection that lies there is judged as if nothing were annotated. What is ignored neither
rewards nor punishes: it is a crowd of every category that is scored. In a panoptic ground truth, where a pixel is of a
segment or void, both are void.
"""

_LISTS = ("neg_category_ids", "not_exhaustive_category_ids")
"""Keys of images under which federated data sets list categories."""


class Taxonomy:
    """The policy of one data set of a suite.

    Args:
        entry: of the data set; its `labels` are applied first, then its `categories`.
        categories: the data set's.

    Raises:
        UsageError: it names categories that the data set does not have, merges in a chain, or leaves none.
    """

    def __init__(self, entry: DatasetEntry, categories: Sequence[Category]) -> None:
        ids = {category.name: category.id for category in categories}
        labels = {name: becomes for name, becomes in entry.labels.items() if name != becomes}
        if problems := list(_problems(entry, labels, ids)):
            raise UsageError(problems)
        self.whole = not entry.policy
        kept = set(entry.categories or ids) - set(labels)
        self.becomes: dict[str, str] = {}
        for name in ids:
            target = labels.get(name, name)
            self.becomes[name] = target if target in kept or target == IGNORE else DROP
        self._ids = {ids[name]: ids[target] if target in kept else None for name, target in self.becomes.items()}
        self._ignored = {ids[name] for name, target in self.becomes.items() if target == IGNORE}

    def apply_to_ground_truth(self, kind: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a ground truth as it is scored.

        Args:
            kind: ``instances``, ``panoptic``; of another kind nothing is changed.
            content: a COCO dict.
        """
        if self.whole or kind not in ("instances", "panoptic"):
            return content
        categories = [c for c in content["categories"] if self._ids.get(c["id"], c["id"]) == c["id"]]
        annotations: list[Mapping[str, Any]] = []
        ignored: list[Mapping[str, Any]] = []
        for annotation in content["annotations"]:
            category = annotation["category_id"]
            if (target := self._ids.get(category, category)) is not None:
                annotations.append(annotation if target == category else {**annotation, "category_id": target})
            elif category in self._ignored and kind == "instances":
                ignored.append(annotation)
        free = max((a["id"] for a in content["annotations"]), default=0)
        for annotation in ignored:
            for category in categories:
                free += 1
                annotations.append({**annotation, "id": free, "category_id": category["id"], "iscrowd": 1})
        images = [self._image(image) for image in content["images"]]
        return {**content, "images": images, "annotations": annotations, "categories": categories}

    def _image(self, image: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an image whose lists of categories, where it has any, are of those that are scored."""
        lists = {key: image[key] for key in _LISTS if isinstance(image.get(key), list)}
        return image if not lists else {**image, **{key: self._listed(ids) for key, ids in lists.items()}}

    def _listed(self, ids: Sequence[int]) -> list[int]:
        return sorted({target for id in ids if (target := self._ids.get(id, id)) is not None})

    def apply_to_predictions(self, stored: pa.Table) -> pa.Table:
        """Return predictions under the categories that are scored; those of others are left out."""
        if self.whole or not len(stored):
            return stored
        column = stored.column("category_id").to_numpy()
        known, inverse = np.unique(column, return_inverse=True)
        targets = [self._ids.get(id, id) for id in known.tolist()]
        found = np.array([-1 if target is None else target for target in targets])[inverse]
        position = stored.schema.get_field_index("category_id")
        changed = stored.set_column(position, stored.schema.field(position), pa.array(found, pa.int32()))
        return changed.filter(pa.array(found >= 0))


def _problems(entry: DatasetEntry, labels: Mapping[str, str], ids: Mapping[str, int]) -> Iterator[str]:
    yield from (f"`labels`: no category `{name}`{nearest(name, ids)}" for name in entry.labels if name not in ids)
    if entry.policy and (taken := {DROP, IGNORE} & ids.keys()):
        yield f"its category `{min(taken)}` has the name of a policy, and cannot be told apart from it"
    for name, becomes in labels.items():
        if becomes not in (DROP, IGNORE) and becomes not in ids:
            hint = nearest(becomes, [*ids, DROP, IGNORE])
            yield f"`labels`: {name} becomes `{becomes}`, which is no category, nor {DROP} or {IGNORE}{hint}"
        elif becomes in labels:
            yield f"`labels`: {name} becomes {becomes}, which becomes {labels[becomes]} itself"
    yield from (
        f"`categories`: no category `{name}`{nearest(name, ids)}" for name in entry.categories if name not in ids
    )
    for name in entry.categories:
        if name in labels:
            yield f"`categories`: {name} is kept there, and becomes {labels[name]} by `labels`"
    if not set(entry.categories or ids) - set(labels):
        yield "`labels`: no category is left to be scored"
