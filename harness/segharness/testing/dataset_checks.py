"""Checks a data set: ids, order, digest, images, and that boxes, masks and areas of its ground truth agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from segharness.data.annotation_checks import annotation_problems
from segharness.errors import ImageError
from segharness.images.decode import decode
from segharness.masks import to_pixels
from segharness.records import Dataset, Sample
from segharness.testing.box_forms import BoxEvidence, guessed_form
from segharness.testing.findings import Finding, first_broken, raised
from segharness.testing.model_answers import box_iou, mask_boxes

_XYWH = "x, y, width, height"
_ANNOTATIONS = 400
"""Of so many annotations the mask is compared with box and area."""


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
    return list(_findings(dataset, images))


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
    yield from _shapes(samples, truth)
    other, problem = raised(lambda: dataset.ground_truth("nonsense"))
    if problem is None:
        yield Finding("kinds", f"ground_truth('nonsense') returned {other!r:.60}", "it must raise KeyError")
    elif not problem.startswith("KeyError"):
        yield Finding("kinds", f"ground_truth('nonsense') raised {problem:.80}", "it must raise KeyError")
    else:
        yield Finding("kinds")


def _shapes(samples: Sequence[Sample], truth: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare boxes and areas with masks, before the rules that a box in the wrong form breaks as well."""
    sizes = {sample.image_id: (sample.height, sample.width) for sample in samples}
    evidence, areas, named, transposed = [], [], [], 0
    for annotation in islice(
        (a for a in truth["annotations"] if a.get("segmentation") and a.get("image_id") in sizes), _ANNOTATIONS
    ):
        shape = sizes[annotation["image_id"]]
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, Mapping) and list(segmentation.get("size") or ()) != list(shape):
            transposed += list(segmentation.get("size") or ())[::-1] == list(shape)
            continue
        mask, problem = raised(lambda s=segmentation, shape=shape: to_pixels(s, *shape).astype(bool))  # type: ignore[misc]
        box, wrong = raised(lambda a=annotation: np.array(a["bbox"], dtype=float).reshape(1, 4))  # type: ignore[misc]
        if problem is not None or wrong is not None or mask is None or box is None or mask.sum() < 25:
            continue
        evidence.append(BoxEvidence(box, mask_boxes(mask[None]), shape))
        areas.append((annotation.get("area"), float(mask.sum()), float(box[0, 2:].prod())))
        named.append(annotation.get("id"))
    if transposed:
        text = f"{transposed} masks have the size width x height"
        yield Finding("shapes", text, "masks are transposed: the size of an RLE is [height, width]")
        return
    if evidence:
        form, agreement, right = guessed_form(evidence, _XYWH)
        if form != _XYWH:
            text = f"as {_XYWH}, {right:.0%} of the boxes agree with their masks; as {form}, {agreement:.0%}"
            yield Finding("shapes", text, f"bbox was given as {form}: COCO's is {_XYWH} in pixels")
            return
        corners = [np.hstack([e.boxes[:, :2], e.boxes[:, :2] + e.boxes[:, 2:]]) for e in evidence]
        iou = np.array([box_iou(box, e.expected)[0, 0] for box, e in zip(corners, evidence, strict=True)])
        apart = np.flatnonzero(iou < 0.5)
        if len(apart) > 0.05 * len(iou):
            first = named[apart[0]]
            text = f"of {len(iou)} boxes {len(apart)} do not lie around their mask, the first of annotation {first}"
            yield Finding("shapes", text, "boxes and masks that belong to different objects, or are shifted or scaled")
            return
        ratios = np.array(
            [area / pixels if isinstance(area, (int, float)) and area > 0 else np.nan for area, pixels, _ in areas]
        )
        if np.isfinite(ratios).all() and not 0.5 < np.median(ratios) < 2:
            text = f"areas are {np.median(ratios):.2f} times the pixels of their masks"
            yield Finding("shapes", text, "area is the number of pixels of the mask")
            return
    problem = next(annotation_problems(samples, truth), None)
    yield Finding("shapes", problem, "the annotation; `segharness datasets check` lists all of them" if problem else "")
