"""What the annotations, and the labels that models declare, already say before the first cell: lines for the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from segharness.data.open_dataset import OpenDataset
from segharness.errors import ContractError
from segharness.execution import PreparedRun
from segharness.model.labels import Labels
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import ModelSpec

_LEAST_SHARE = 0.01
"""Categories with a smaller share of the instances are not worth a line."""


def planning_notes(prepared: PreparedRun, host: PluginHost) -> Iterator[str]:
    """Yield what is foreseen of a run's numbers: what was repaired, splits and labels that will have none."""
    for id, opened in prepared.datasets.items():
        yield from (f"data set `{id}`: {note}" for note in opened.notes)
        yield from _splits(prepared, id, opened)
        selected = dict.fromkeys(cell.model for cell in prepared.plan.selected if cell.dataset == id)
        for model in selected:
            if model in prepared.settings.options.objects:
                continue
            entry = prepared.plan.suite.model(model)
            spec = host.find(entry.model, ModelSpec) if entry.local_function is None else None
            if spec is not None and spec.categories is not None:
                yield from _labels(model, spec.categories, id, opened)


def _splits(prepared: PreparedRun, id: str, opened: OpenDataset) -> Iterator[str]:
    """Yield the splits of categories that have no ground truth in a data set."""
    splits = prepared.plan.suite.scoring.splits
    truth = opened.scored_ground_truth("instances") if splits else None
    if truth is None:
        return
    names = {category["id"]: category["name"] for category in truth["categories"]}
    there = {
        names[a["category_id"]] for a in truth["annotations"] if not a.get("iscrowd") and a["category_id"] in names
    }
    for split in splits:
        wanted = set(split.categories)
        members = set(names.values()) - wanted if split.complement else wanted
        if not members & there:
            yield f"data set `{id}`: no ground truth of the split `{split.name}`: its numbers will be null"


def _labels(model: str, labels: tuple[str, ...], id: str, opened: OpenDataset) -> Iterator[str]:
    """Yield the categories of a data set for which a model declares no label, with their share of the ground truth."""
    try:
        known = Labels(labels, opened.dataset.categories)
    except ContractError as error:
        yield f"model `{model}`, data set `{id}`: {error}"
        return
    truth = opened.scored_ground_truth("instances")
    if truth is None:
        return
    counts = Counter(a["category_id"] for a in truth["annotations"] if not a.get("iscrowd"))
    predictable = set(opened.taxonomy.scored_ids(known.ids[known.known].tolist()))
    names = {category["id"]: category["name"] for category in truth["categories"]}
    lacking = [category for category in counts if category in names and category not in predictable]
    share = sum(counts[category] for category in lacking) / max(1, sum(counts.values()))
    if lacking and share >= _LEAST_SHARE:
        listed = ", ".join(f"`{names[category]}`" for category in lacking[:5]) + (", ..." if len(lacking) > 5 else "")
        yield (
            f"model `{model}`, data set `{id}`: it has no label for {listed}: {len(lacking)} of {len(counts)} categories "
            f"with ground truth, {share:.0%} of the instances"
        )
