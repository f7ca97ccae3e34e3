"""One unit of what was predicted elsewhere: nothing is decoded or run, only checked and stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from segharness.data.dataset import OpenDataset
from segharness.errors import CellError
from segharness.execution.worker.shard_tables import Outcome, ShardTables, tables
from segharness.model.validation import admit_recalled
from segharness.records import Condition, Detections, Recalled, Sample


def recall(
    model: Recalled,
    name: str,
    data: OpenDataset,
    samples: Sequence[Sample],
    conditions: Sequence[Condition],
    finish: Callable[[str, ShardTables], None],
    progress: Callable[[int], None],
) -> None:
    """Store what a model found elsewhere in every sample under every condition; arguments as of `Pipeline.run`."""
    known = frozenset(sample.image_id for sample in data.dataset.samples())
    categories = frozenset(category.id for category in data.dataset.categories)
    for condition in conditions:
        outcomes = [Outcome(sample) for sample in samples]
        try:
            found = model.recall(condition.name, [sample.image_id for sample in samples], known)
            if len(found) != len(samples):
                raise CellError(f"recall returned {len(found)} results for {len(samples)} images")
            _check_categories(found, categories)
        except CellError as error:
            for outcome in outcomes:
                outcome.error = f"model `{name}`: {error}"
        else:
            for outcome, detections in zip(outcomes, found, strict=True):
                try:
                    shape = (outcome.sample.height, outcome.sample.width)
                    outcome.detections = admit_recalled(detections, shape, categories)
                except CellError as error:
                    outcome.error = f"model `{name}`, {outcome.sample}: {error}"
        finish(condition.name, tables(outcomes))
        progress(len(samples))


def _check_categories(found: Sequence[Detections], known: Collection[int]) -> None:
    """Raise CellError if all detections are of categories that the data set does not have: ids that count otherwise."""
    theirs = {int(id) for detections in found for id in detections.category_ids}
    if theirs and not theirs & set(known):
        shown = ", ".join(map(str, sorted(theirs)[:5]))
        ours = ", ".join(map(str, sorted(known)[:5]))
        raise CellError(f"none of its category ids ({shown} ...) is one of the data set's ({ours} ...)")
