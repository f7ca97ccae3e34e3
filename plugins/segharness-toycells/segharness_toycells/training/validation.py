"""Validation during training: AP on a split that is used neither for training nor for tests."""

from __future__ import annotations

import contextlib
import io

import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from segharness import Model

from segharness_toycells.dataset import validation

THRESHOLDS = ("AP50", "AP70", "AP80", "AP90")


def average_precision(model: Model, count: int) -> dict[str, float]:
    """Return mask AP at IoU .5, .7, .8 and .9 on the first `count` validation images.

    Returns:
        Fractions by the names in `THRESHOLDS`.
    """
    dataset = validation(count)
    detections = []
    for sample in dataset.samples():
        assert callable(sample.source)
        image = sample.source()
        assert isinstance(image, np.ndarray)
        [instances] = model.predict([image])
        assert instances.masks is not None and instances.scores is not None
        for mask, score in zip(instances.masks, instances.scores, strict=True):
            encoded = rle.encode(np.asfortranarray(mask, dtype=np.uint8))
            detections.append(
                {"image_id": sample.image_id, "category_id": 1, "score": float(score), "segmentation": encoded}
            )
    if not detections:
        return dict.fromkeys(THRESHOLDS, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dict(dataset.ground_truth("instances"))
        truth.createIndex()
        scoring = COCOeval(truth, truth.loadRes(detections), "segm")
        scoring.params.iouThrs = np.array([0.5, 0.7, 0.8, 0.9])
        scoring.evaluate()
        scoring.accumulate()
    precision = scoring.eval["precision"][:, :, 0, 0, -1]
    return {name: float(row.mean()) for name, row in zip(THRESHOLDS, precision, strict=True)}
