"""The policy of a suite for a data set's categories: which are merged, dropped, ignored or kept when it is scored.

Predictions are stored under the data set's own categories, so a changed policy needs new scores, but no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from segharness.errors import UsageError, nearest
from segharness.records import Category
from segharness.suite import DatasetEntry

DROP, IGNORE = "drop", "ignore"
"""What a category may become, other than another category.

Annotations that are dropped do not exist for the evaluation: a detection on one is scored as if nothing were annotated.
Annotations that are ignored become crowds of every category that is scored: a detection on one counts neither for nor
against a model. In a panoptic ground truth, where every pixel is part of a segment or void, both become void.
"""

_LISTS = ("neg_category_ids", "not_exhaustive_category_ids")
"""Keys of images, under which federated data sets list category ids."""


class Taxonomy:
    """The policy for one data set of a suite.

    Args:
        entry: the suite's entry of the data set; its `labels` are applied first, then its `categories`.
        categories: all categories of the data set.

    Attributes:
        whole: whether there is no policy, so that all categories stay as they are.
        targets: maps the name of every category to the one it is scored as, or to ``drop`` or ``ignore``.

    Raises:
        UsageError: the policy names categories that the data set does not have, merges in a chain, or leaves no
            category.
    """

    def __init__(self, entry: DatasetEntry, categories: Sequence[Category]) -> None:
        ids = {category.name: category.id for category in categories}
        labels = {name: becomes for name, becomes in entry.labels.items() if name != becomes}
        if problems := list(_problems(entry, labels, ids)):
            raise UsageError(problems)
        self.whole = not entry.policy
        kept = set(entry.categories or ids) - set(labels)
        self.targets: dict[str, str] = {}
        for name in ids:
            target = labels.get(name, name)
            self.targets[name] = target if target in kept or target == IGNORE else DROP
        self._ids = {ids[name]: ids[target] if target in kept else None for name, target in self.targets.items()}
        self._ignored = {ids[name] for name, target in self.targets.items() if target == IGNORE}

    def apply_to_ground_truth(self, kind: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a ground truth as it is scored.

        Args:
            kind: ``instances`` or ``panoptic``; a ground truth of another kind is not changed.
            content: the ground truth, a COCO dict.
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
        last_id = max((a["id"] for a in content["annotations"]), default=0)
        for annotation in ignored:
            for category in categories:
                last_id += 1
                annotations.append({**annotation, "id": last_id, "category_id": category["id"], "iscrowd": 1})
        images = [self._apply_to_image(image) for image in content["images"]]
        return {**content, "images": images, "annotations": annotations, "categories": categories}

    def _apply_to_image(self, image: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an image whose lists of category ids, if it has any, hold those that are scored."""
        lists = {key: image[key] for key in _LISTS if isinstance(image.get(key), list)}
        return image if not lists else {**image, **{key: self.scored_ids(ids) for key, ids in lists.items()}}

    def scored_ids(self, ids: Iterable[int]) -> list[int]:
        """Return the categories that some become when they are scored, in order."""
        return sorted({target for id in ids if (target := self._ids.get(id, id)) is not None})

    def apply_to_predictions(self, stored: pa.Table) -> pa.Table:
        """Return predictions with the categories that are scored; rows of other categories are left out."""
        if self.whole or not len(stored):
            return stored
        column = stored.column("category_id").to_numpy()
        ids, inverse = np.unique(column, return_inverse=True)
        targets = [self._ids.get(id, id) for id in ids.tolist()]
        scored_ids = np.array([-1 if target is None else target for target in targets])[inverse]
        position = stored.schema.get_field_index("category_id")
        changed = stored.set_column(position, stored.schema.field(position), pa.array(scored_ids, pa.int32()))
        return changed.filter(pa.array(scored_ids >= 0))


def _problems(entry: DatasetEntry, labels: Mapping[str, str], ids: Mapping[str, int]) -> Iterator[str]:
    yield from (f"`labels`: no category `{name}`{nearest(name, ids)}" for name in entry.labels if name not in ids)
    if entry.policy and (ambiguous := {DROP, IGNORE} & ids.keys()):
        yield f"its category `{min(ambiguous)}` has the name of a policy, and cannot be told apart from it"
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
