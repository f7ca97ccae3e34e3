"""The numbers of a protocol that a board shows, as weights of its cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from segharness import UsageError
from segharness.protocols import AdoptedRun

from segharness_leaderboard.reproduction.sampling import Cell, Sampling, parts_of_images


def numbers_of(run: AdoptedRun) -> Mapping[str, Mapping[tuple[str, str], float]]:
    """Return the weights of the cells, (data set, condition), in each number: averages, and what is in none of them.

    Parts of an average, such as its corruptions of one category, are no number of their own.
    """
    suite = run.run.suite
    groups = {group.name: group.conditions for group in suite.condition_groups if "/" not in group.name}
    averaged = {condition for conditions in groups.values() for condition in conditions}
    alone = {condition.name: (condition.name,) for condition in suite.conditions if condition.name not in averaged}
    corruption_of = {condition.name: condition.corruption for condition in suite.conditions}
    several = len(suite.datasets) > 1
    found = {}
    for dataset in suite.datasets:
        for name, conditions in {**alone, **groups}.items():
            severities = Counter(corruption_of[condition] for condition in conditions)  # averaged first, as AP_avg does
            found[f"{dataset.id}, {name}" if several else name] = {
                (dataset.id, condition): 1 / len(severities) / severities[corruption_of[condition]]
                for condition in conditions
            }
    return found


def sampling_of(run: AdoptedRun) -> Sampling:
    """Return the images of a run under its conditions, with their parts in the numbers.

    Raises:
        UsageError: a data set has no ground truth of instances.
    """
    numbers = numbers_of(run)
    cells = []
    for dataset, opened in run.sources.datasets.items():
        objects = objects_of(run, dataset)
        ids = [sample.image_id for sample in opened.samples]
        parts = parts_of_images(ids, objects)
        for condition in run.run.suite.conditions:
            key = (dataset, condition.name)
            weights = {name: cells_of[key] for name, cells_of in numbers.items() if key in cells_of}
            cells.append(Cell(*key, np.array(ids, dtype=np.int64), parts, weights))
    return Sampling(cells)


def objects_of(run: AdoptedRun, dataset: str) -> dict[int, Counter[int]]:
    """Return how many objects of each category each image has, by image and category; crowds are none.

    Raises:
        UsageError: the data set has no ground truth of instances.
    """
    truth = run.sources.datasets[dataset].ground_truth("instances")
    if truth is None:
        raise UsageError(f"data set `{dataset}` has no instances, which a draw is weighted by")
    objects: dict[int, Counter[int]] = {}
    for annotation in truth["annotations"]:
        if not annotation["iscrowd"]:
            objects.setdefault(annotation["image_id"], Counter())[annotation["category_id"]] += 1
    return objects


def counts_of(run: AdoptedRun, dataset: str) -> Counter[int]:
    """Return how many objects of each category there are in all images.

    Raises:
        UsageError: the data set has no ground truth of instances.
    """
    counts: Counter[int] = Counter()
    for objects in objects_of(run, dataset).values():
        counts.update(objects)
    return counts
