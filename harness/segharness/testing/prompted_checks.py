"""Checks the answers of a model that takes prompts: as many masks as prompts, in their order, of the objects meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from segharness.errors import ContractError
from segharness.model.outputs import validate_prompted
from segharness.model.prompts import KINDS, ImagePrompts
from segharness.testing.findings import Finding
from segharness.testing.labelled_images import LabelledImage
from segharness.testing.model_answers import Answer, mask_iou

PROMPTS = KINDS
"""The values of a model's `prompt`."""


def prompts_of(kind: str, labelled: Sequence[LabelledImage]) -> list[Any]:
    """Return the prompts of images: for each its objects' boxes, float32 (N, 4), or a point in each, (N, 2) x y."""
    if kind == "boxes":
        return [item.boxes.astype(np.float32) for item in labelled]
    return [
        np.array([_point(item, number) for number in range(len(item.boxes))], dtype=np.float32).reshape(-1, 2)
        for item in labelled
    ]


def _point(item: LabelledImage, number: int) -> tuple[float, float]:
    """Return a pixel of an object: the one in the middle of its mask's list, or the centre of its box."""
    mask = item.masks[number] if number < len(item.masks) else None
    if mask is None or not mask.any():
        x1, y1, x2, y2 = item.boxes[number]
        return (x1 + x2) / 2, (y1 + y2) / 2
    rows, columns = np.nonzero(mask)
    return float(columns[len(columns) // 2]), float(rows[len(rows) // 2])


def prompted_findings(
    raw: Sequence[Any], answers: Sequence[Answer], labelled: Sequence[LabelledImage], prompts: Sequence[Any]
) -> Iterator[Finding]:
    """Yield what is wrong with the answers to prompts.

    Args:
        raw: what the model returned for each labelled image.
        answers: the same as arrays.
        labelled: the images.
        prompts: what the model was given.
    """
    for instances, item, given in zip(raw, labelled, prompts, strict=True):
        numbers = np.arange(1, len(given) + 1)
        try:
            validate_prompted(instances, item.pixels.shape[:2], ImagePrompts(numbers, numbers.astype(np.int32), given))
        except ContractError as error:
            yield Finding("contract", str(error), "an answer to N prompts has N masks, in their order")
            return
    yield Finding("contract")
    right, others, count = 0, 0, 0
    for answer, item in zip(answers, labelled, strict=True):
        if answer.masks is None or not len(answer.masks) or any(mask is None for mask in item.masks):
            continue
        iou = mask_iou(answer.masks, np.array(item.masks, dtype=bool))
        own, best = np.diag(iou), iou.max(axis=1)
        right += int((own >= 0.5).sum())
        others += int(((own < 0.2) & (best >= 0.5)).sum())
        count += len(own)
    if not count or right + others == 0:
        yield Finding("prompts", skipped="none of the objects that were asked for is known and found")
    elif others > 0.25 * (right + others):
        yield Finding(
            "prompts",
            f"of {count} masks {others} are of another object than their prompt, {right} of the right one",
            "the order of the answers, or x and y of the prompts: boxes are x1, y1, x2, y2, points x, y",
        )
    else:
        yield Finding("prompts")
