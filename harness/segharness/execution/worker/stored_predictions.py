"""Runs a unit of stored predictions: checks and stores them, without decoding images or running a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from segharness.data.open_dataset import OpenDataset
from segharness.errors import CellError, NoPredictionsError, coded
from segharness.execution.worker.shard_tables import ImageOutcome, ShardTables, tables_of
from segharness.model.outputs import validate_stored
from segharness.records import Condition, Detections, Sample, StoredPredictions


def store_predictions(
    model: StoredPredictions,
    name: str,
    opened: OpenDataset,
    samples: Sequence[Sample],
    conditions: Sequence[Condition],
    write: Callable[[str, ShardTables], None],
    progress: Callable[[int], None],
) -> dict[str, str]:
    """Check and write the stored predictions of every sample under every condition.

    Args:
        model: the stored predictions.
        name: the model's id, for messages.
        opened: the data set.
        samples: the samples of the unit's shard.
        conditions: the conditions of the unit.
        write: called with each condition's name and tables.
        progress: called with the number of predictions just stored.

    Returns:
        Why there are none under some of the conditions, by the condition's name; the same text for all of them.
    """
    missing: dict[str, str] = {}
    image_ids = frozenset(sample.image_id for sample in opened.dataset.samples())
    category_ids = frozenset(category.id for category in opened.dataset.categories)
    for condition in conditions:
        outcomes = [ImageOutcome(sample) for sample in samples]
        try:
            stored = model.load_predictions(condition.name, [sample.image_id for sample in samples], image_ids)
            if len(stored) != len(samples):
                raise CellError(f"load_predictions returned {len(stored)} results for {len(samples)} images")
            _check_categories(stored, category_ids)
        except NoPredictionsError as error:
            missing[condition.name] = f"no stored predictions under its condition: {error}"
            continue
        except CellError as error:
            for outcome in outcomes:
                outcome.error = f"model `{name}`: {error}"
        else:
            for outcome, detections in zip(outcomes, stored, strict=True):
                try:
                    shape = (outcome.sample.height, outcome.sample.width)
                    outcome.detections = validate_stored(detections, shape, category_ids)
                except CellError as error:
                    outcome.error = f"model `{name}`, {outcome.sample}: {error}"
        progress(len(samples))  # before its file, which may be the last event that anybody waits for
        write(condition.name, tables_of(outcomes))
    return missing


def _check_categories(stored: Sequence[Detections], category_ids: Collection[int]) -> None:
    """Raise CellError if no detection has a category of the data set: its ids then follow another numbering."""
    stored_ids = {int(id) for detections in stored for id in detections.category_ids}
    if stored_ids and not stored_ids & set(category_ids):
        shown = ", ".join(map(str, sorted(stored_ids)[:5]))
        expected = ", ".join(map(str, sorted(category_ids)[:5]))
        raise CellError(
            coded("T10", f"none of its category ids ({shown} ...) is one of the data set's ({expected} ...)")
        )
