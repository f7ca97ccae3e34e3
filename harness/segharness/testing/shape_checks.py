"""Checks whether boxes, masks and areas of a ground truth agree, and names in which form they were given if not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from segharness.data.annotation_checks import annotation_problems
from segharness.masks import to_pixels
from segharness.records import Sample
from segharness.testing.box_forms import BoxEvidence, guessed_form
from segharness.testing.findings import Finding, raised
from segharness.testing.model_answers import as_numbers, box_iou, mask_boxes

_XYWH = "x, y, width, height"
_ANNOTATIONS = 400
"""Of so many annotations the mask is compared with box and area."""

_SMALLEST = 25
"""Objects of fewer pixels say little about the agreement of boxes and masks."""


@dataclass(frozen=True)
class _Shape:
    """An annotation whose mask and box can be compared.

    Attributes:
        id: of the annotation.
        evidence: its box, and the box around its mask.
        by_rows: the box around its mask if its run lengths go along the rows.
        area: that it has, or NaN.
        pixels: of its mask.
    """

    id: Any
    evidence: BoxEvidence
    by_rows: npt.NDArray[np.float64]
    area: float
    pixels: int

    @property
    def corners(self) -> npt.NDArray[np.float64]:
        """Its box as x1 y1 x2 y2, (1, 4)."""
        boxes = self.evidence.boxes
        return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def shape_findings(samples: Sequence[Sample], truth: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with boxes, masks and areas, before the rules that a box in the wrong form breaks as well.

    Args:
        samples: the images of a data set.
        truth: its ground truth, a COCO dict.
    """
    sizes = {sample.image_id: (sample.height, sample.width) for sample in samples}
    with_masks = (a for a in truth["annotations"] if a.get("segmentation") and a.get("image_id") in sizes)
    shapes: list[_Shape] = []
    turned = 0
    for annotation in islice(with_masks, _ANNOTATIONS):
        size = sizes[annotation["image_id"]]
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, Mapping) and list(segmentation.get("size") or ()) != list(size):
            turned += list(segmentation.get("size") or ())[::-1] == list(size)
            continue
        shape, problem = _read(annotation, size)
        if problem is not None:
            look = "polygons are lists of x, y, x, y ... in pixels; an RLE covers its image"
            yield Finding("shapes", f"annotation {annotation.get('id')}: its mask: {problem}", look)
            return
        if shape is not None:
            shapes.append(shape)
    if turned:
        look = "masks are transposed: the size of an RLE is [height, width]"
        yield Finding("shapes", f"{turned} masks have the size width x height", look)
        return
    wrong = (_wrong_boxes(shapes) or _wrong_areas(shapes)) if shapes else None
    if wrong is not None:
        yield wrong
        return
    problem = next(annotation_problems(samples, truth), None)
    yield Finding("shapes", problem, "the annotation; `segharness datasets check` lists all of them" if problem else "")


def _read(annotation: Mapping[str, Any], size: tuple[int, int]) -> tuple[_Shape | None, str | None]:
    """Return what can be compared of an annotation, or None; and what is wrong with its mask, or None."""
    segmentation = annotation["segmentation"]
    if (problem := _polygon_problem(segmentation)) is not None:
        return None, problem
    mask, problem = raised(lambda: to_pixels(segmentation, *size).astype(bool))
    if mask is None:
        return None, problem
    box = as_numbers(annotation.get("bbox"))
    if box is None or box.shape != (4,):
        return None, None
    pixels = int(mask.sum())
    if pixels == 0 and box[2:].prod() >= _SMALLEST:
        exchanged = [[n for y, x in zip(p[::2], p[1::2], strict=True) for n in (x, y)] for p in _polygons(segmentation)]
        has_then = bool(exchanged) and bool(to_pixels(exchanged, *size).any())
        return None, "it has no pixel" + (", but has some if x and y are exchanged" if has_then else "")
    if pixels < _SMALLEST:
        return None, None
    area = as_numbers(annotation.get("area"))
    return (
        _Shape(
            id=annotation.get("id"),
            evidence=BoxEvidence(box.reshape(1, 4), mask_boxes(mask[None]), size),
            by_rows=mask_boxes(mask.flatten(order="F").reshape(1, *size)),
            area=float(area) if area is not None and area.ndim == 0 else np.nan,
            pixels=pixels,
        ),
        None,
    )


def _polygons(segmentation: Any) -> list[Any]:
    return segmentation if isinstance(segmentation, list) else []


def _polygon_problem(segmentation: Any) -> str | None:
    """Return what is wrong with polygons, or None; RLEs are not looked at."""
    for polygon in _polygons(segmentation):
        numbers = as_numbers(polygon)
        if numbers is None or numbers.ndim != 1 or len(numbers) % 2 or len(numbers) < 6:
            return f"a polygon of {numbers.size if numbers is not None else '?'} numbers"
        if not np.isfinite(numbers).all() or np.abs(numbers).max() > 1e6:
            return "a polygon whose numbers are not finite, or over a million"
    return None


def _wrong_boxes(shapes: Sequence[_Shape]) -> Finding | None:
    form, agreement, right = guessed_form([shape.evidence for shape in shapes], _XYWH)
    if form != _XYWH:
        text = f"as {_XYWH}, {right:.0%} of the boxes agree with their masks; as {form}, {agreement:.0%}"
        return Finding("shapes", text, f"bbox was given as {form}: COCO's is {_XYWH} in pixels")
    agrees = _agree(shapes, [shape.evidence.expected for shape in shapes])
    apart = np.flatnonzero(~agrees)
    if len(apart) <= 0.05 * len(shapes):
        return None
    for boxes, look in (
        ([s.evidence.expected[:, [1, 0, 3, 2]] for s in shapes], "x and y are exchanged: polygons are x, y, x, y ..."),
        ([s.by_rows for s in shapes], "run lengths were taken along the rows: COCO's go down the columns"),
    ):
        if (otherwise := _agree(shapes, boxes)).mean() > agrees.mean() + 0.25:
            text = (
                f"{agrees.mean():.0%} of the boxes lie around their masks, and {otherwise.mean():.0%} if that is mended"
            )
            return Finding("shapes", text, look)
    first = shapes[apart[0]].id
    text = f"of {len(shapes)} boxes {len(apart)} do not lie around their mask, the first of annotation {first}"
    return Finding("shapes", text, "boxes and masks that belong to different objects, or are shifted or scaled")


def _agree(shapes: Sequence[_Shape], boxes: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.bool_]:
    """Return for each annotation whether its box agrees with another, (1, 4) x1 y1 x2 y2."""
    return np.array([box_iou(s.corners, box)[0, 0] >= 0.5 for s, box in zip(shapes, boxes, strict=True)], dtype=bool)


def _wrong_areas(shapes: Sequence[_Shape]) -> Finding | None:
    areas = np.array([shape.area for shape in shapes])
    if not (areas > 0).all():
        return None  # said of the annotation
    of_mask = float(np.median(areas / [shape.pixels for shape in shapes]))
    of_boxes = areas / [max(float(shape.evidence.boxes[0, 2:].prod()), 1e-9) for shape in shapes]
    if len(shapes) > 2 and (np.abs(of_boxes - 1) < 0.02).mean() > 0.9 and abs(of_mask - 1) > 0.1:
        text = f"areas are those of the boxes, {of_mask:.2f} times the pixels of their masks"
        return Finding("shapes", text, "area is the number of pixels of the mask: AP by size depends on it")
    if not 0.5 < of_mask < 2:
        text = f"areas are {of_mask:.2f} times the pixels of their masks"
        return Finding("shapes", text, "area is the number of pixels of the mask")
    return None
