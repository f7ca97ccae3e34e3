"""Checks a data set: ids, order, digest, images, and that boxes, masks and areas of its ground truth agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from segharness.errors import ImageError
from segharness.images.decode import decode
from segharness.records import Dataset, Sample
from segharness.testing.findings import Finding, first_broken, listed, raised
from segharness.testing.shape_checks import shape_findings


def check_dataset(dataset: Dataset, images: int = 3) -> None:
    """Check a data set; see `dataset_findings`.

    Args:
        dataset: to check.
        images: how many images to decode.

    Raises:
        AssertionError: a rule is broken; the message names it, and where to look.
    """
    first_broken(dataset_findings(dataset, images))


def dataset_findings(dataset: Dataset, images: int = 3) -> list[Finding]:
    """Return what each check of a data set found.

    Args:
        dataset: to check.
        images: how many images to decode.

    Example:
        >>> from segharness.testing.sample import Squares
        >>> [finding.problem for finding in dataset_findings(Squares()) if finding.problem]
        []
    """
    return listed(_findings(dataset, images))


def _findings(dataset: Dataset, images: int) -> Iterator[Finding]:
    samples, problem = raised(dataset.samples)
    if problem is not None or not isinstance(samples, Sequence) or not samples:
        yield Finding("samples", problem or "samples() is no sequence, or an empty one", "samples()")
        return
    yield _categories(dataset)
    yield _digest(dataset)
    yield _order(dataset, samples)
    decoding = _images(samples[:images])
    yield decoding
    if getattr(dataset, "withheld", None) is not None:
        yield Finding("ground truth", skipped="its ground truth is withheld")
        return
    truth, problem = raised(lambda: dataset.ground_truth("instances"))
    if problem is not None or truth is None:
        if (
            problem is not None
            and problem.startswith("KeyError")
            and raised(lambda: dataset.ground_truth("panoptic"))[1] is None
        ):
            yield Finding("ground truth", skipped="it has no instances")
            return
        yield Finding("ground truth", problem, 'ground_truth("instances")')
        return
    yield from _ground_truth(dataset, samples, truth)


def _categories(dataset: Dataset) -> Finding:
    ids = [category.id for category in dataset.categories]
    if not ids or len(set(ids)) != len(ids):
        return Finding("categories", "categories must have distinct ids", "`categories`")
    names = [category.name for category in dataset.categories]
    if len(set(names)) != len(names):
        return Finding("categories", "two categories have one name", "`categories`: models are matched by name")
    return Finding("categories")


def _digest(dataset: Dataset) -> Finding:
    if not isinstance(dataset.digest, str) or not dataset.digest:
        return Finding("digest", "digest must be a text", "`digest`: a hash of the annotations and the list of images")
    if dataset.digest != dataset.digest:
        return Finding(
            "digest", "digest is another one each time", "`digest`: a hash of content, not of objects or times"
        )
    return Finding("digest")


def _order(dataset: Dataset, samples: Sequence[Sample]) -> Finding:
    ids = [sample.image_id for sample in samples]
    if len(set(ids)) != len(ids):
        return Finding("samples", "image ids must be distinct", "samples()")
    if ids != [sample.image_id for sample in dataset.samples()]:
        return Finding("samples", "samples come in another order the second time", "sort what a set or a folder gives")
    return Finding("samples")


def _images(samples: Sequence[Sample]) -> Finding:
    for sample in samples:
        try:
            decode(sample)
        except ImageError as error:
            turned = Sample(
                sample.image_id, sample.source, sample.width, sample.height, sample.name, sample.orientation
            )
            if sample.height != sample.width and raised(lambda turned=turned: decode(turned))[1] is None:  # type: ignore[misc]
                return Finding(
                    "images", str(error), "height and width are exchanged: Sample(id, source, height, width)"
                )
            return Finding("images", str(error), "the file, and the size that samples() declares")
    for sample in samples[:2]:
        if not np.array_equal(decode(sample), decode(sample)):
            return Finding("images", f"{sample}: other pixels the second time", "a generator without a fixed key")
    return Finding("images")


def _ground_truth(dataset: Dataset, samples: Sequence[Sample], truth: Mapping[str, Any]) -> Iterator[Finding]:
    lacking = {"images", "annotations", "categories"} - truth.keys()
    if lacking:
        yield Finding(
            "ground truth", f"it has no {', '.join(sorted(lacking))}", 'ground_truth("instances"): a COCO dict'
        )
        return
    if {image["id"] for image in truth["images"]} != {sample.image_id for sample in samples}:
        yield Finding("ground truth", "it has other images than samples()", "ids of images")
        return
    names = {category.id: category.name for category in dataset.categories}
    for category in truth["categories"]:
        if names.get(category["id"]) != category["name"]:
            text = f"category {category['id']} `{category['name']}` is not one of `categories`"
            yield Finding("categories", text, "`categories` and the ground truth must have the same ids and names")
            return
    used = {annotation.get("category_id") for annotation in truth["annotations"]}
    if used - names.keys() and all(isinstance(id, int) for id in used):
        shift = next((s for s in (1, -1) if {id + s for id in used} <= names.keys()), None)
        if shift is not None:
            text = f"annotations have the categories {sorted(used)[:5]}, and there are {sorted(names)[:5]}"
            yield Finding("categories", text, "category ids are off by one: they are ids, not positions in a list")
            return
    yield from shape_findings(samples, truth)
    other, problem = raised(lambda: dataset.ground_truth("nonsense"))
    if problem is None:
        yield Finding("kinds", f"ground_truth('nonsense') returned {other!r:.60}", "it must raise KeyError")
    elif not problem.startswith("KeyError"):
        yield Finding("kinds", f"ground_truth('nonsense') raised {problem:.80}", "it must raise KeyError")
    else:
        yield Finding("kinds")
