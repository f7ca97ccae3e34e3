"""What the annotations, and the labels that models declare, already say before the first cell: lines for the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segharness.data.found_objects import lacking_categories
from segharness.data.open_dataset import OpenDataset
from segharness.errors import ContractError
from segharness.execution import PreparedRun
from segharness.model.labels import Labels
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import ModelSpec
from segharness.suite import Split
from segharness.suite.suite import AS_PUBLISHED, ORIGINAL_IF_POSSIBLE


def planning_notes(prepared: PreparedRun, host: PluginHost) -> Iterator[str]:
    """Yield what was repaired, and the splits and categories that will have no numbers."""
    yield from _resolutions(prepared)
    for id, opened in prepared.datasets.items():
        yield from (f"data set `{id}`: {note}" for note in opened.notes)
        if opened.withheld is not None:
            yield f"data set `{id}`: {opened.withheld}: its images are predicted, and its numbers will be null"
        splits = prepared.plan.suite.scoring.splits
        labels = _declared_labels(prepared, host, id)
        truth = opened.scored_ground_truth("instances") if splits or labels else None
        if truth is None:
            continue
        yield from (f"data set `{id}`: {note}" for note in _splits(splits, truth))
        for model, names in labels.items():
            yield from (f"model `{model}`, data set `{id}`: {note}" for note in _labels(names, opened, truth))


def _resolutions(prepared: PreparedRun) -> Iterator[str]:
    """Yield the models that cannot be given images at their own size, where the suite asks for it if possible."""
    unable: dict[str, list[str]] = {}
    for model, id in dict.fromkeys((cell.model, cell.dataset) for cell in prepared.plan.selected):
        entry, dataset = prepared.plan.suite.model(model), prepared.plan.suite.dataset(id)
        if dataset.resolution == ORIGINAL_IF_POSSIBLE and entry.resolution_on(dataset) == AS_PUBLISHED:
            unable.setdefault(model, []).append(f"`{id}`")
    for model, ids in unable.items():
        yield (
            f"model `{model}` cannot be given images at their own size: on {', '.join(ids)} its network gets them as it "
            "was published"
        )


def _declared_labels(prepared: PreparedRun, host: PluginHost, dataset: str) -> dict[str, tuple[str, ...]]:
    """Return the labels of the models that run on a data set, as far as their plugins declare them."""
    labels: dict[str, tuple[str, ...]] = {}
    for model in dict.fromkeys(cell.model for cell in prepared.plan.selected if cell.dataset == dataset):
        entry = prepared.plan.suite.model(model)
        spec = host.find(entry.model, ModelSpec) if entry.local_function is None else None
        if spec is not None and spec.categories is not None:
            labels[model] = spec.categories
    return labels


def _splits(splits: Sequence[Split], truth: Mapping[str, Any]) -> Iterator[str]:
    """Yield the splits of categories that have no ground truth."""
    names = {category["id"]: category["name"] for category in truth["categories"]}
    there = {names.get(a["category_id"]) for a in truth["annotations"] if not a.get("iscrowd")}
    for split in splits:
        wanted = set(split.categories)
        members = set(names.values()) - wanted if split.complement else wanted
        if not members & there:
            yield f"no ground truth of the split `{split.name}`: its numbers will be null"


def _labels(labels: Sequence[str], opened: OpenDataset, truth: Mapping[str, Any]) -> Iterator[str]:
    """Yield the categories for which a model declares no label, with their share of the ground truth."""
    try:
        known = Labels(labels, opened.dataset.categories)
    except ContractError as error:
        yield str(error)
        return
    predictable = opened.taxonomy.scored_ids(known.ids[known.known].tolist())
    if lacking := lacking_categories(truth, predictable):
        yield f"it has no label for {lacking}"
