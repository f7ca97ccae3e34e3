"""Checks models, data sets and corruptions against their contracts; AssertionError names the broken rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from segharness.data.annotation_checks import annotation_problems
from segharness.images.decode import decode
from segharness.model.interface import require_model
from segharness.model.labels import Labels
from segharness.model.outputs import validate_instances
from segharness.records import Category, Corruption, Dataset, Model, Sample

if TYPE_CHECKING:
    from segharness.records import Image


def check_model(model: Model, images: Sequence[Image]) -> None:
    """Run a model on images and check all that the harness checks of its detections.

    Args:
        model: to check.
        images: uint8 RGB (H, W, 3).

    Raises:
        AssertionError: `predict` modified its input, or returned another number of results than images.
        ContractError: an `Instances` breaks a rule.
        UsageError: the object is not a model.
    """
    require_model(model)
    before = [image.copy() for image in images]
    results = model.predict(list(images))
    assert len(results) == len(images), f"predict returned {len(results)} results for {len(images)} images"
    for image, copy in zip(images, before, strict=True):
        assert np.array_equal(image, copy), "predict modified its input"
    labels = Labels(model.categories, [Category(i, name) for i, name in enumerate(model.categories, 1)])
    for instances, image in zip(results, images, strict=True):
        validate_instances(instances, image.shape[:2], labels)


def check_dataset(dataset: Dataset, images: int = 3) -> None:
    """Check a data set's categories, digest, order and ground truth, and decode its first images.

    Args:
        dataset: to check.
        images: how many images to decode.

    Raises:
        AssertionError: a rule is broken.
        ImageError: an image cannot be decoded, or does not have the declared size.
    """
    category_ids = [category.id for category in dataset.categories]
    assert category_ids and len(set(category_ids)) == len(category_ids), "categories must have distinct ids"
    assert isinstance(dataset.digest, str) and dataset.digest, "digest must be a text"
    assert dataset.digest == dataset.digest, "digest must be the same every time"
    samples = dataset.samples()
    assert isinstance(samples, Sequence) and samples, "samples() must be a sequence, and not empty"
    image_ids = [sample.image_id for sample in samples]
    assert len(set(image_ids)) == len(image_ids), "image ids must be distinct"
    assert image_ids == [sample.image_id for sample in dataset.samples()], (
        "samples must come in the same order every time"
    )
    if getattr(dataset, "withheld", None) is None:
        _check_instances(dataset, samples)
    for sample in samples[:images]:
        decode(sample)


def check_corruption(corruption: Corruption, severities: Sequence[int] = (1, 2, 3, 4, 5)) -> None:
    """Check shape, dtype and repeatability, and that the input stays unmodified, on images of several sizes.

    Args:
        corruption: to check.
        severities: to check it at.

    Raises:
        AssertionError: a rule is broken.
    """
    for shape in ((32, 32, 3), (33, 47, 3), (64, 40, 3)):
        image = np.random.Generator(np.random.Philox(key=1)).integers(0, 256, shape, dtype=np.uint8)
        before = image.copy()
        for severity in severities:
            first, second = (
                corruption(image, severity, np.random.Generator(np.random.Philox(key=severity))) for _ in range(2)
            )
            assert isinstance(first, np.ndarray) and first.dtype == np.uint8, f"severity {severity}: not uint8"
            assert first.shape == shape, f"severity {severity}: shape {first.shape}, not {shape}"
            assert np.array_equal(first, second), f"severity {severity}: the same generator gave other pixels"
            assert np.array_equal(image, before), f"severity {severity}: the input was modified"


def _check_instances(dataset: Dataset, samples: Sequence[Sample]) -> None:
    """Check the ground truth of instances."""
    truth = dataset.ground_truth("instances")
    assert {"images", "annotations", "categories"} <= truth.keys(), f"the ground truth has only {', '.join(truth)}"
    assert {image["id"] for image in truth["images"]} == {sample.image_id for sample in samples}, (
        "ground truth and samples must have the same images"
    )
    names = {category.id: category.name for category in dataset.categories}
    for category in truth["categories"]:
        assert names.get(category["id"]) == category["name"], f"{category['name']} is not one of `categories`"
    problem = next(annotation_problems(samples, truth), None)
    assert problem is None, problem
    try:
        other = dataset.ground_truth("nonsense")
    except KeyError:
        pass
    else:
        raise AssertionError(f"ground_truth('nonsense') must raise KeyError; it returned {other!r:.60}")
