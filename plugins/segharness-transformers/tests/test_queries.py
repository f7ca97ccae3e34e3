"""The decoding of queries against another one: plain numpy, pixel by pixel, from the rules as they are written down."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segharness_transformers import queries
from segharness_transformers.queries import Geometry

GEOMETRIES = (
    Geometry((24, 32), (24, 32), (37, 29)),
    Geometry((24, 32), (24, 20), (61, 50)),
    Geometry((32, 32), (17, 32), (9, 18)),
    Geometry((12, 16), (12, 16), (12, 16)),
)


def bilinear(plane, rows, columns):
    """Sample between the centres of pixels; beyond the outermost, theirs."""
    height, width = plane.shape
    found = np.empty((rows, columns))
    for i in range(rows):
        y = max((i + 0.5) * height / rows - 0.5, 0)
        y0 = min(int(y), height - 1)
        y1, v = min(y0 + 1, height - 1), y - int(y)
        for j in range(columns):
            x = max((j + 0.5) * width / columns - 0.5, 0)
            x0 = min(int(x), width - 1)
            x1, u = min(x0 + 1, width - 1), x - int(x)
            top = plane[y0, x0] * (1 - u) + plane[y0, x1] * u
            found[i, j] = top * (1 - v) + (plane[y1, x0] * (1 - u) + plane[y1, x1] * u) * v
    return found


def at_image(plane, geometry):
    rows, columns = geometry.content
    return bilinear(bilinear(plane, *geometry.padded)[:rows, :columns], *geometry.image)


def softmax(row):
    powers = [np.exp(value - max(row)) for value in row]
    return [power / sum(powers) for power in powers]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def box_of(mask):
    y, x = np.nonzero(mask)
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


@pytest.fixture(params=range(len(GEOMETRIES)))
def case(request):
    rng = np.random.default_rng(request.param)
    classes = rng.normal(0, 3, (7, 5))
    y, x = np.mgrid[:12, :16]
    masks = np.stack(
        [rng.uniform(2, 6) - np.hypot(y - rng.uniform(0, 12), x - rng.uniform(0, 16)) for _ in range(7)]
    ) + rng.normal(0, 0.3, (7, 12, 16))
    masks[3] = -1  # an empty one
    return classes, masks, GEOMETRIES[request.param]


def tensors(classes, masks):
    return torch.tensor(classes, dtype=torch.float32), torch.tensor(masks, dtype=torch.float32)


def same(mask, logits):
    """Masks are equal but for pixels whose logit is as good as the threshold."""
    return np.array_equal(mask[abs(logits) > 1e-4], logits[abs(logits) > 1e-4] > 0)


@pytest.mark.parametrize("things", [None, [True, False, True, False]])
@pytest.mark.parametrize("mask_score", [True, False])
def test_instances_are_those_of_the_rules(case, things, mask_score):
    classes, masks, geometry = case
    rows = [
        (probability, query, label)
        for query in range(7)
        for label, probability in enumerate(softmax(classes[query])[:-1])
        if things is None or things[label]
    ]
    expected = []
    for probability, query, label in sorted(rows, key=lambda row: -row[0])[:9]:
        logits = at_image(masks[query], geometry)
        if (logits > 0).any():
            factor = sigmoid(logits)[logits > 0].mean() if mask_score else 1
            expected.append((probability * factor, label, logits))
    allowed = None if things is None else torch.tensor(things)
    found = queries.instances(*tensors(classes, masks), geometry, most=9, things=allowed, mask_score=mask_score)
    assert len(found.scores) == len(expected) >= 5
    assert found.labels.tolist() == [label for _, label, _ in expected]
    assert np.allclose(found.scores, [score for score, _, _ in expected], atol=2e-4)
    for row, (_, _, logits) in enumerate(expected):
        mask = found.masks[found.which[row]].numpy()
        assert same(mask, logits)
        assert found.boxes[row].tolist() == box_of(mask)


def test_no_score_is_too_low_and_no_more_than_asked_for(case):
    classes, masks, geometry = case
    classes[:, -1] = 40  # nothing is an object
    every = queries.instances(*tensors(classes, masks), geometry)
    there = sum(bool((at_image(plane, geometry) > 0).any()) for plane in masks)
    assert len(every.scores) == there * 4 >= 16 and every.scores.max() < 1e-10
    assert len(queries.instances(*tensors(classes, masks), geometry, most=3).scores) <= 3
    assert len(queries.instances(*tensors(classes, masks - 99), geometry).scores) == 0


@pytest.mark.parametrize("things", [None, [True, False, False, True]])
@pytest.mark.parametrize(("threshold", "overlap"), [(0.3, 0.4), (0.0, 0.0), (0.5, 0.8)])
def test_segments_are_those_of_the_rules(case, things, threshold, overlap):
    classes, masks, geometry = case
    classes[0], classes[1] = [0, 6, 0, 0, 0], [0, 5, 0, 0, 0]  # two of one class
    kept = []
    for query in range(7):
        probabilities = softmax(classes[query])
        label = int(np.argmax(probabilities))
        if label < 4 and probabilities[label] > threshold:
            kept.append((probabilities[label], label, sigmoid(at_image(masks[query], geometry))))
    expected = []
    winner = np.argmax([score * plane for score, _, plane in kept], axis=0)
    for number, (score, label, plane) in enumerate(kept):
        inside = plane >= 0.5
        mask = (winner == number) & inside
        if not mask.any() or (winner == number).sum() / inside.sum() < overlap:
            continue
        earlier = [row for row in expected if row[1] == label]
        if things is not None and not things[label] and earlier:
            earlier[0][0], earlier[0][2] = max(earlier[0][0], score), earlier[0][2] | mask
        else:
            expected.append([score, label, mask])
    allowed = None if things is None else torch.tensor(things)
    found = queries.panoptic(*tensors(classes, masks), geometry, allowed, threshold, overlap)
    assert found.labels.tolist() == [label for _, label, _ in expected]
    assert len(expected) >= 1 and np.allclose(found.scores, [score for score, _, _ in expected], atol=1e-5)
    for row, (_, _, mask) in enumerate(expected):
        assert (found.masks[row].numpy() != mask).sum() <= 1
    assert found.masks.sum(dim=0).max() == 1
    if things is not None:
        stuff = [label for label in found.labels.tolist() if not things[label]]
        assert len(stuff) == len(set(stuff))


def test_boxes_of_detections_are_parts_of_the_image(case):
    classes, masks, geometry = case
    rng = np.random.default_rng(9)
    boxes = rng.uniform(0.1, 0.9, (7, 4))
    found = queries.detections(*tensors(classes, boxes), tensors(classes, masks)[1], geometry, most=5)
    best = sorted(((max(softmax(row)[:-1]), query) for query, row in enumerate(classes)), reverse=True)[:5]
    rows, columns = geometry.image
    assert len(found.scores) == 5 and np.allclose(found.scores, [score for score, _ in best], atol=1e-5)
    for row, (_, query) in enumerate(best):
        x, y, width, height = boxes[query]
        wanted = [
            (x - width / 2) * columns,
            (y - height / 2) * rows,
            (x + width / 2) * columns,
            (y + height / 2) * rows,
        ]
        assert np.allclose(found.boxes[row], wanted, atol=1e-3)
        assert found.labels[row] == np.argmax(classes[query][:-1])
        assert same(found.masks[row].numpy(), at_image(masks[query], geometry))
    only = queries.detections(
        *tensors(classes, boxes), None, geometry, things=torch.tensor([False, False, True, False])
    )
    assert only.masks is None and only.labels.tolist() == [2] * 7


def test_many_pixels_are_looked_at_in_parts_with_the_same_result(case, monkeypatch):
    classes, masks, geometry = case
    given = (*tensors(classes, masks), geometry)
    whole = queries.instances(*given), queries.panoptic(*given, None, 0.2, 0.2)
    monkeypatch.setattr(queries, "_PIXELS", 2 * geometry.image[0] * geometry.image[1])
    parts = queries.instances(*given), queries.panoptic(*given, None, 0.2, 0.2)
    for one, other in zip(whole, parts, strict=True):
        for name in ("boxes", "scores", "labels", "masks", "which"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
