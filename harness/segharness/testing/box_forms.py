"""Guesses the form that boxes were given in, by what they should lie around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segharness.testing.model_answers import Boxes, box_iou

RIGHT = "x1, y1, x2, y2 in pixels"

_FORMS: Mapping[str, tuple[tuple[int, int, int, int], str, bool]] = {
    RIGHT: ((0, 1, 2, 3), "corners", False),
    "x, y, width, height": ((0, 1, 2, 3), "size", False),
    "y1, x1, y2, x2": ((1, 0, 3, 2), "corners", False),
    "centre x, centre y, width, height": ((0, 1, 2, 3), "centre", False),
    "fractions of the image (x1, y1, x2, y2)": ((0, 1, 2, 3), "corners", True),
    "fractions of the image (y1, x1, y2, x2)": ((1, 0, 3, 2), "corners", True),
    "fractions of the image (centre x, centre y, width, height)": ((0, 1, 2, 3), "centre", True),
    "fractions of the image (x, y, width, height)": ((0, 1, 2, 3), "size", True),
}
"""For each form the order of the numbers as x y x y, what they are, and whether they are fractions of the image."""


@dataclass(frozen=True)
class BoxEvidence:
    """The boxes of one image, and what they should lie around.

    Attributes:
        boxes: float64 (N, 4), as given.
        expected: float64 (N, 4) x1 y1 x2 y2, one for each, or (M, 4) if `paired` is not set.
        shape: height and width of the image.
        paired: whether the box in a row should lie around the expected one in that row.
    """

    boxes: Boxes
    expected: Boxes
    shape: tuple[int, int]
    paired: bool = True

    def telling(self) -> BoxEvidence:
        """Return the evidence without boxes that fill the image: as corners and as sizes they are the same."""
        height, width = self.shape
        fills = (self.boxes[:, :2] <= 1).all(axis=1) & (self.boxes[:, 2:] >= [width - 1, height - 1]).all(axis=1)
        expected = self.expected[~fills] if self.paired else self.expected
        return BoxEvidence(self.boxes[~fills], expected, self.shape, self.paired)


def as_corners(boxes: Boxes, form: str, shape: tuple[int, int]) -> Boxes:
    """Return boxes of a form as x1 y1 x2 y2 in pixels.

    Example:
        >>> as_corners(np.array([[10.0, 20, 5, 5]]), "x, y, width, height", (64, 64)).tolist()
        [[10.0, 20.0, 15.0, 25.0]]
    """
    order, numbers, fractions = _FORMS[form]
    ordered = boxes[:, list(order)].astype(np.float64)
    if fractions:
        ordered = ordered * np.array([shape[1], shape[0]] * 2)
    if numbers == "size":
        ordered[:, 2:] += ordered[:, :2]
    elif numbers == "centre":
        half = ordered[:, 2:] / 2
        ordered = np.hstack([ordered[:, :2] - half, ordered[:, :2] + half])
    return ordered


_AGREES, _DISAGREES = 0.6, 0.5
"""From this IoU on, a box lies around what it should; below the other, it does not. A detector's boxes are often loose."""


def guessed_form(evidence: Sequence[BoxEvidence], right: str = RIGHT) -> tuple[str, float, float]:
    """Return the form in which most boxes lie around what they should.

    Another form than the right one must explain what the right one does, and clearly more: a box that fills its image
    agrees in several forms.

    Returns:
        The form; the share of boxes that agree in it; the share that agrees in the right form.
    """
    iou_in_right = _agreement(evidence, right)
    agrees = {form: _agreement(evidence, form) >= _AGREES for form in _FORMS}
    in_right = iou_in_right >= _DISAGREES
    if not in_right.size:
        return right, 0.0, 0.0
    best = max(agrees, key=lambda form: (agrees[form].sum(), form == right))
    gained, lost = int((agrees[best] & ~in_right).sum()), int((in_right & ~agrees[best]).sum())
    if gained < max(min(2, in_right.size), 0.15 * in_right.size) or lost > 0.1 * gained:
        best = right
    return best, float(agrees[best].mean()), float(in_right.mean())


def scale_of_network(evidence: Sequence[BoxEvidence]) -> tuple[float, float] | None:
    """Return by how much x and y of boxes must be multiplied to agree, if one pair of factors a picture does; or None."""
    factors = []
    for item in evidence:
        if not item.paired or not len(item.boxes):
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = item.expected / item.boxes
        usable = np.isfinite(ratio) & (item.boxes > 2)
        if not usable[:, ::2].any() or not usable[:, 1::2].any():
            return None
        fx = float(np.median(ratio[:, ::2][usable[:, ::2]]))
        fy = float(np.median(ratio[:, 1::2][usable[:, 1::2]]))
        scaled = item.boxes * np.array([fx, fy, fx, fy])
        if np.median(np.diag(box_iou(scaled, item.expected))) < 0.7 or abs(fx - 1) + abs(fy - 1) < 0.1:
            return None
        factors.append((fx, fy))
    return factors[0] if factors else None


def scale_of_objects(evidence: Sequence[BoxEvidence]) -> float | None:
    """Return the factor by which boxes agree with the objects of images, where there is no mask for each; or None."""
    factors = np.geomspace(0.1, 10, 81)
    shares = []
    for factor in factors:
        scaled = [BoxEvidence(item.boxes * factor, item.expected, item.shape, item.paired) for item in evidence]
        shares.append(float((_agreement(scaled, RIGHT) >= _AGREES).mean()))
    best = int(np.argmax(shares))
    return float(factors[best]) if shares[best] >= 0.5 else None


def _agreement(evidence: Sequence[BoxEvidence], form: str) -> npt.NDArray[np.float64]:
    """Return the IoU of all boxes with what each should lie around, in a form; of objects, that of their best box."""
    values: list[npt.NDArray[np.float64]] = []
    for item in evidence:
        iou = box_iou(as_corners(item.boxes, form, item.shape), item.expected)
        values.append(np.diag(iou) if item.paired else iou.max(axis=0, initial=0.0))
    return np.concatenate(values) if values else np.zeros(0)
