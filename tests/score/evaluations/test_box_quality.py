"""How well boxes fit objects: against counting by brute force, and on cases that can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from segharness import UsageError
from segharness.score import GroundTruth, ScoreRequest
from segharness.score.evaluations.box_quality import configure, score
from segharness.suite import Split

from tests.score.generated_datasets import as_predictions

CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 5, "name": "dog"}]


def request(truths, found, splits=(), **options):
    """`truths` are (image, category, crowd, box), `found` (image, category, score, box); boxes are x y w h."""
    annotations = [
        {"id": n, "image_id": i, "category_id": c, "iscrowd": crowd, "area": 1.0, "bbox": list(box)}
        for n, (i, c, crowd, box) in enumerate(truths, 1)
    ]
    rows = [{"image_id": i, "category_id": c, "score": s, "bbox": list(box)} for i, c, s, box in found]
    images = [{"id": i, "height": 100, "width": 100} for i in (1, 2)]
    content = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    return ScoreRequest(GroundTruth(content), as_predictions(rows), "box-quality", splits, options=options)


def numbers(*args, split="all", **more):
    return {s.metric: s.value for s in score(request(*args, **more)) if s.split == split}


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inter = max(w, 0) * max(h, 0)
    return inter / (a[2] * a[3] + b[2] * b[3] - inter)


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_those_of_brute_force(seed):
    rng = np.random.default_rng(seed)

    def boxes(count):
        return [tuple(map(float, (*rng.integers(0, 60, 2), *rng.integers(5, 40, 2)))) for _ in range(count)]

    truths = [(int(rng.integers(1, 3)), int(rng.choice([1, 5])), int(rng.random() < 0.2), b) for b in boxes(25)]
    found = [(i, c, float(rng.random()), tuple(np.add(b, rng.integers(-4, 5, 4)).clip(1))) for i, c, _, b in truths]
    found += [(1, 5, 0.5, b) for b in boxes(10)]
    best = []
    for image, category, _, box in found:
        same = [iou(box, t) for i, c, crowd, t in truths if (i, c) == (image, category) and not crowd]
        best += [max(same)] if same and max(same) >= 0.5 else []
    values = numbers(truths, found)
    assert values["samples"] == len(best) > 3
    assert values["below_75"] == pytest.approx(np.mean(np.array(best) < 0.75))
    assert values["mean_IoU"] == pytest.approx(np.mean(best))
    shares = [values[f"IoU_{step}"] for step in range(50, 100, 5)]
    assert sum(shares) == pytest.approx(1)
    assert shares[0] == pytest.approx(np.mean((np.array(best) >= 0.5) & (np.array(best) < 0.55)))
    assert sum(shares[:5]) == pytest.approx(values["below_75"])


BOX = (10.0, 10.0, 20.0, 20.0)
HALF = (10.0, 10.0, 20.0, 12.0)  # IoU .6


def test_only_boxes_on_an_object_of_their_own_category_and_image_count():
    truths = [(1, 1, 0, BOX), (2, 5, 1, BOX)]
    found = [(1, 1, 0.9, BOX), (1, 1, 0.1, HALF), (1, 5, 0.9, BOX), (2, 5, 0.9, BOX), (2, 1, 0.9, BOX)]
    values = numbers(truths, found)
    assert (values["samples"], values["below_75"], values["mean_IoU"]) == (2, 0.5, pytest.approx(0.8))
    assert values["IoU_60"] == values["IoU_95"] == 0.5
    assert numbers(truths, found, score=0.5)["samples"] == 1
    assert numbers(truths, found, minimum=0.7)["samples"] == 1
    by_split = score(request(truths, found, (Split("dogs", ("dog",)),)))
    of_dogs = {s.metric: s for s in by_split if s.split == "dogs"}
    assert of_dogs["samples"].value == 0 and of_dogs["below_75"].reason == "no box fits an object"


def test_options_are_checked():
    assert len(configure({"minimum": 0.3})) == 13
    for options, message in (({"least": 1}, "no option `least`"), ({"minimum": 2}, "not a number from 0 to 1")):
        with pytest.raises(UsageError, match=message):
            configure(options)
