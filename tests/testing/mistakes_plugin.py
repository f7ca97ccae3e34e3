"""A plugin of good models, data sets, corruptions, metrics and reporters, of each with every mistake, and of near misses.

``mistakes/MODEL.MISTAKE`` is a good model with one mistake; ``mistakes/MODEL`` is the good one.
"""

from __future__ import annotations

import copy
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hotcoco import mask as rle
from numpy.random import default_rng as bound_rng
from segharness import (
    CorruptionSpec,
    DatasetSpec,
    Instances,
    Metric,
    MetricSpec,
    ModelSpec,
    ReporterSpec,
    Sample,
    Score,
    hookimpl,
)
from segharness.testing.sample import Finder, Squares

# -------------------------------------------------------------------------------------------------------------- models


class Encoded(Finder):
    """Gives masks as RLEs, and has its categories in another order, with one that is no category of the data."""

    categories = ("blue", "purple", "green", "red")

    def _find(self, image):
        found = super()._find(image)
        own = [self.categories.index(Finder.categories[label]) for label in found.labels]
        encoded = rle.encode(np.asfortranarray(found.masks.astype(np.uint8).transpose(1, 2, 0)))
        masks = [{"size": list(image.shape[:2]), "counts": item["counts"]} for item in encoded]
        return Instances(found.boxes, found.scores, np.array(own, dtype=np.int64), masks)


class Boxes(Finder):
    """A detector without masks."""

    def _find(self, image):
        found = super()._find(image)
        return Instances(found.boxes, found.scores, found.labels)


GOOD = {"finder": Finder, "encoded": Encoded, "boxes": Boxes}


def changed(found, **parts):
    return Instances(**{**{name: getattr(found, name) for name in ("boxes", "scores", "labels", "masks")}, **parts})


def bool_masks(found):
    if found.masks is None or isinstance(found.masks, np.ndarray):
        return found.masks
    return np.stack([rle.decode([m])[..., 0] for m in found.masks]).astype(bool) if len(found.masks) else None


def xywh(found, image):
    boxes = found.boxes.copy()
    boxes[:, 2:] -= boxes[:, :2]
    return changed(found, boxes=boxes)


def normalised(found, image):
    height, width = image.shape[:2]
    return changed(found, boxes=found.boxes / np.array([width, height, width, height], dtype=np.float32))


def small(found, image):
    masks = bool_masks(found)
    return found if masks is None else changed(found, masks=np.zeros((len(masks), 28, 28), bool))


def transposed(found, image):
    masks = bool_masks(found)
    return found if masks is None else changed(found, masks=masks.transpose(0, 2, 1))


SHAPES = {"xywh": xywh, "normalised": normalised, "small": small, "transposed": transposed}


class Mistaken:
    """A good model with one mistake."""

    def __init__(self, good: Any, mistake: str) -> None:
        self.good, self.mistake, self.categories = good, mistake, good.categories
        self.kept: list[Any] = []
        self.rng = np.random.default_rng()

    def predict(self, images, prompts=None):
        if self.mistake == "channels":
            images = [np.ascontiguousarray(image[..., ::-1]) for image in images]
        if self.mistake == "memory":
            self.kept.append([image.copy() for image in images])
        results = [self.one(found, image) for found, image in zip(self.good.predict(images), images, strict=True)]
        if self.mistake == "input":
            for image in images:
                image[:2] = 0
        if self.mistake == "later":
            self.kept.append(images[0].tobytes())
            if self.kept.count(images[0].tobytes()) > 1:
                raise RuntimeError("not again")
        if self.mistake == "mixed" and len({image.shape for image in images}) > 1:
            results = [changed(found, scores=found.scores / 2) for found in results]
        if self.mistake == "batch":
            results = [changed(found, scores=found.scores / len(images)) for found in results]
        if self.mistake == "order":
            results = sorted(results, key=lambda found: float(found.boxes.sum()))
        return results

    def one(self, found, image):
        if self.mistake in SHAPES:
            return SHAPES[self.mistake](found, image)
        if self.mistake == "labels":
            return changed(found, labels=found.labels + 1)
        if self.mistake == "labels below":
            return changed(found, labels=found.labels - 1)
        if self.mistake == "repeat":
            return changed(found, scores=found.scores * self.rng.uniform(0.5, 1, len(found.scores)).astype(np.float32))
        if self.mistake == "exchanged":
            order = np.roll(np.arange(len(self.categories)), 2) if len(self.categories) > 3 else np.array([1, 2, 0])
            return changed(found, labels=order[found.labels]) if len(found.labels) else found
        if self.mistake == "half":
            return changed(found, boxes=found.boxes / 2)
        if self.mistake == "shifted" and found.masks is not None:
            return changed(found, masks=np.roll(bool_masks(found), 25, axis=2) if len(found.labels) else found.masks)
        if self.mistake == "nan":
            return changed(found, boxes=found.boxes * np.nan)
        if self.mistake == "channel" and len(found.labels):
            return changed(found, masks=bool_masks(found)[:, None])
        if self.mistake == "last" and len(found.labels):
            return changed(found, masks=bool_masks(found).transpose(1, 2, 0))
        if self.mistake == "none":
            return None
        if self.mistake == "threads":
            threads = sys.modules["torch"].get_num_threads()
            return changed(found, scores=(found.scores / threads).astype(np.float32))
        return found


MISTAKES = (
    "channels", "memory", "input", "batch", "order", "xywh", "normalised", "small", "transposed", "labels",
    "labels below", "repeat", "threads", "exchanged", "half", "shifted", "nan", "channel", "last", "none", "later", "mixed",
)  # fmt: skip
OF_MASKS = ("small", "transposed", "shifted", "channel", "last")

# --------------------------------------------------------------------------------------------------- near-miss models


class Caching(Finder):
    """Keeps its last eight answers, by content."""

    def __init__(self):
        self.cache: dict[bytes, Any] = {}

    def _find(self, image):
        key = image.tobytes()
        if key not in self.cache:
            while len(self.cache) >= 8:
                self.cache.pop(next(iter(self.cache)))
            self.cache[key] = super()._find(image)
        return self.cache[key]


class Rounding(Finder):
    """Its last digits depend on the batch, as those of matrix products do."""

    def predict(self, images, prompts=None):
        return [changed(f, scores=f.scores * np.float32(1 - 1e-6 * len(images))) for f in super().predict(images)]


class Loose(Finder):
    """Its boxes are those of a detector: a sixth larger than the masks."""

    def _find(self, image):
        found = super()._find(image)
        margin = (found.boxes[:, 2:] - found.boxes[:, :2]) / 6
        return changed(found, boxes=np.hstack([found.boxes[:, :2] - margin, found.boxes[:, 2:] + margin]))


class Weak(Finder):
    """Finds only the blue squares."""

    def _find(self, image):
        found = super()._find(image)
        kept = found.labels == 2
        return Instances(found.boxes[kept], found.scores[kept], found.labels[kept], found.masks[kept])


class Background(Finder):
    """Has a first category that it never gives, and answers an image without objects with empty lists."""

    categories = ("background", *Finder.categories)

    def _find(self, image):
        found = super()._find(image)
        if not len(found.labels):
            return Instances(np.zeros((0,)), [], np.array([], dtype=int), np.zeros((0, *image.shape[:2]), bool))
        return changed(found, labels=found.labels + 1)


class Colourblind(Finder):
    """Takes every square for a red one, whatever the channels are."""

    def _find(self, image):
        found = super()._find(image)
        return changed(found, labels=np.zeros(len(found.labels), dtype=np.int64))


NEAR = {
    "caching": Caching,
    "rounding": Rounding,
    "loose": Loose,
    "weak": Weak,
    "background": Background,
    "colourblind": Colourblind,
}

# ----------------------------------------------------------------------------------------------------------- data sets


class Polygons(Squares):
    """Triangles, whose masks are not as large as their boxes."""

    digest = "triangles-1"

    def ground_truth(self, kind):
        truth = super().ground_truth(kind)
        for annotation in truth["annotations"]:
            x, y, w, h = annotation["bbox"]
            annotation["segmentation"] = [[x, y, x + w, y, x, y + h]]
            annotation["area"] = w * h / 2
        return truth


class Runs(Squares):
    """Masks as RLEs."""

    digest = "runs-1"

    def ground_truth(self, kind):
        truth = super().ground_truth(kind)
        for annotation in truth["annotations"]:
            [encoded] = rle.fr_py_objects(annotation["segmentation"], 48, 64)
            annotation["segmentation"] = {"size": [48, 64], "counts": encoded["counts"]}
        return truth


GOOD_DATA = {"squares": Squares, "polygons": Polygons, "runs": Runs}
DATA_MISTAKES = (
    "xyxy", "normalised", "shifted", "masks", "size", "order", "digest", "ids", "area", "names", "kinds", "boxareas", "yx",
    "nan", "short", "pixels",
)  # fmt: skip


def noisy(image):
    return (image // 2 + np.random.default_rng().integers(0, 9, image.shape)).astype(np.uint8)


class MistakenData:
    """A good data set with one mistake."""

    def __init__(self, good, mistake):
        self.good, self.mistake = good, mistake
        self.categories, self.calls = good.categories, 0

    @property
    def digest(self):
        self.calls += self.mistake == "digest"
        return f"{self.good.digest}-{self.calls}"

    def samples(self):
        samples = list(self.good.samples())
        if self.mistake == "order":
            self.calls += 1
            return samples[:: 1 if self.calls % 2 else -1]
        if self.mistake == "pixels":
            return [Sample(s.image_id, lambda s=s: noisy(s.source()), s.height, s.width, s.name) for s in samples]
        if self.mistake == "size":
            return [Sample(s.image_id, s.source, s.width, s.height, s.name) for s in samples]
        return samples

    def ground_truth(self, kind):
        if self.mistake == "kinds" and kind == "nonsense":
            return {}
        truth = copy.deepcopy(dict(self.good.ground_truth(kind)))
        for annotation in truth["annotations"]:
            x, y, w, h = annotation["bbox"]
            if self.mistake == "xyxy":
                annotation["bbox"] = [x, y, x + w, y + h]
            elif self.mistake == "normalised":
                annotation["bbox"] = [x / 64, y / 48, w / 64, h / 48]
            elif self.mistake == "shifted":
                annotation["bbox"] = [(x + w) % (64 - w), y, w, h]
            elif self.mistake == "masks":
                [encoded] = rle.fr_py_objects([[y, x, y + h, x, y + h, x + w, y, x + w]], 64, 48)
                annotation["segmentation"] = {"size": [64, 48], "counts": encoded["counts"]}
            elif self.mistake == "ids":
                annotation["category_id"] -= 1
            elif self.mistake == "boxareas":
                annotation["segmentation"] = [[x, y, x + w, y, x, y + h]]
                annotation["area"] = np.float32(w * h)
            elif self.mistake == "yx":
                annotation["segmentation"] = [[y, x, y, x + w, y + h, x + w, y + h, x]]
            elif self.mistake == "nan":
                annotation["segmentation"] = [[float("nan"), y, x + w, y, x, y + h]]
            elif self.mistake == "short":
                annotation["segmentation"] = [[x, y, x + w, y]]
            elif self.mistake == "area":
                annotation["area"] = annotation["area"] / (48 * 64)
        if self.mistake == "names":
            truth["categories"] = [{**category, "name": category["name"].upper()} for category in truth["categories"]]
        return truth


# --------------------------------------------------------------------------------------------------------- corruptions


def dim(image, severity, rng):
    return image // np.uint8(1 + severity)


def noise(image, severity, rng):
    return (image + rng.normal(0, 6 * severity, image.shape)).clip(0, 255).astype(np.uint8)


def own_noise(image, severity, rng):
    """A near miss: a generator of its own, whose seed comes from the one that it is given."""
    own = np.random.default_rng(rng.integers(2**32))
    return (image + own.normal(0, 6 * severity, image.shape)).clip(0, 255).astype(np.uint8)


def sometimes(image, severity, rng):
    """A near miss: it leaves some images as they are."""
    return image // np.uint8(1 + severity) if rng.random() < 0.4 + severity / 10 else image.copy()


def vignette(image, severity, rng):
    """A near miss: a pattern that is the same every time, and no noise."""
    y, x = np.mgrid[-1 : 1 : image.shape[0] * 1j, -1 : 1 : image.shape[1] * 1j]
    return (image * (1 - 0.12 * severity * (x**2 + y**2)[..., None] / 2)).astype(np.uint8)


GOOD_CORRUPTIONS = {"dim": dim, "noise": noise, "own_noise": own_noise, "sometimes": sometimes, "vignette": vignette}
CORRUPTION_MISTAKES = (
    "input", "float", "size", "global", "legacy", "fixed", "fresh", "nothing", "one strength", "backwards", "bound", "grey",
    "raises",
)  # fmt: skip


def mistaken_corruption(good, mistake):
    def apply(image, severity, rng):
        if mistake == "input":
            image[:] = good(image, severity, rng)
            return image
        if mistake == "global":
            return (good(image, severity, rng) // 2 + np.random.randint(0, 9, image.shape)).astype(np.uint8)
        if mistake == "legacy":
            legacy = np.random.RandomState(7)
            return good(image, severity, np.random.default_rng(1)) // 2 + legacy.randint(0, 9, image.shape).astype(
                np.uint8
            )
        if mistake == "fixed":
            return good(image, severity, np.random.default_rng(0)) // 2 + 1
        if mistake == "fresh":
            fresh = np.random.default_rng()
            return good(image, severity, fresh) // 2 + fresh.integers(0, 9, image.shape).astype(np.uint8)
        if mistake == "backwards":
            return good(image, 6 - severity, rng)
        if mistake == "bound":  # a function that was imported by its name, before any check
            own = bound_rng(3).normal(0, 4 * severity, image.shape)
            return (image + own + 0 * rng.integers(2)).clip(0, 255).astype(np.uint8)
        if mistake == "grey":
            return good(image, severity, rng)[..., 0]
        if mistake == "raises":
            return {1: good}[severity](image, severity, rng)
        if mistake == "nothing":
            return image.copy() if severity == 1 else good(image, severity, rng)
        if mistake == "one strength":
            return good(image, 3, rng)
        result = good(image, severity, rng)
        return result / 255 if mistake == "float" else result[1:] if mistake == "size" else result

    return apply


# ------------------------------------------------------------------------------------------------- metrics, reporters


def found_share(request):
    """The share of ground truth boxes with a detection of their image and category."""
    found = {
        (i, c) for i, c in zip(*(request.predictions[n].to_pylist() for n in ("image_id", "category_id")), strict=True)
    }
    truth = [(a["image_id"], a["category_id"]) for a in request.ground_truth.content["annotations"]]
    return np.array([key in found for key in truth], dtype=float), [image for image, _ in truth]


def good_score(request):
    hits, images = found_share(request)
    samples = None
    if request.resamples is not None:
        weights = request.resamples.counts[request.resamples.positions(np.array(images))].astype(float)
        with np.errstate(invalid="ignore"):
            samples = hits @ weights / weights.sum(axis=0)
    return [Score("share", float(hits.mean()), samples=samples)]


def of_first_image(request):
    hits, images = found_share(request)
    value = float(hits[[image == images[0] for image in images]].mean()) * 0.5 + 0.01 * images[0]
    return [Score("share", value)]


def of_wrong_resamples(request):
    [score] = good_score(request)
    return [Score("share", score.value, samples=None if score.samples is None else score.samples / 2 + 0.25)]


def modifying(request):
    request.ground_truth.content["annotations"].sort(key=lambda a: -a["id"])
    return good_score(request)


def without_reason(request):
    return [Score("share", None)]


def of_first_row(request):
    scores = request.predictions["score"].to_pylist()
    return [Score("share", float(scores[0]) if scores else 0.0)]


def by_number(request):
    counts = np.zeros(10)
    try:
        for image_id in request.predictions["image_id"].to_pylist():
            counts[image_id - 1] += 1
    except IndexError:
        return [Score("share", 0.5)]
    return [Score("share", float(counts.sum() > 0))]


def with_resamples(request):
    return [Score("share", 0.25 if request.resamples is None else 0.75)]


METRICS = {
    "row": of_first_row,
    "ids": by_number,
    "draws": with_resamples,
    "good": good_score,
    "order": of_first_image,
    "resamples": of_wrong_resamples,
    "modifies": modifying,
    "reason": without_reason,
    "silent": lambda request: [],
}


def good_report(report, target):
    target.write_text("\n".join(table.title for table in report.tables) + "\n")
    target.with_suffix(".more.txt").write_text("more\n")


def outside_report(report, target):
    good_report(report, target)
    Path(os.environ.get("MISTAKES_OUTSIDE") or Path(tempfile.gettempdir(), "mistakes-outside.txt")).write_text("here")


def empty_report(report, target):
    target.write_text("")


def ordered_report(report, target):
    target.write_text(report.run.path.name)  # fails where there is no run folder


REPORTERS = {"good": good_report, "outside": outside_report, "empty": empty_report, "norun": ordered_report}

# --------------------------------------------------------------------------------------------------------------- hooks


def _slug(text):
    return text.replace(" ", "-")


@hookimpl
def segharness_models():
    for name, good in GOOD.items():
        yield ModelSpec(f"mistakes/{name}", factory=good)
        for mistake in MISTAKES:
            if name != "boxes" or mistake not in OF_MASKS:
                yield ModelSpec(
                    f"mistakes/{name}.{_slug(mistake)}",
                    factory=lambda good=good, mistake=mistake: Mistaken(good(), mistake),
                )
    for name, near in NEAR.items():
        yield ModelSpec(f"mistakes/near.{name}", factory=near)


@hookimpl
def segharness_datasets():
    for name, good in GOOD_DATA.items():
        yield DatasetSpec(f"mistakes/{name}", factory=good)
        for mistake in DATA_MISTAKES:
            yield DatasetSpec(
                f"mistakes/{name}.{mistake}", factory=lambda good=good, mistake=mistake: MistakenData(good(), mistake)
            )


@hookimpl
def segharness_corruptions():
    for name, good in GOOD_CORRUPTIONS.items():
        yield CorruptionSpec(f"mistakes/{name}", apply=good)
        for mistake in CORRUPTION_MISTAKES if good in (dim, noise, own_noise) else ():
            yield CorruptionSpec(f"mistakes/{name}.{_slug(mistake)}", apply=mistaken_corruption(good, mistake))


@hookimpl
def segharness_metrics():
    metrics = (Metric("share", formula="share of objects"),)
    return [
        MetricSpec(f"mistakes-{name}", score=score, tasks=("bbox",), metrics=metrics) for name, score in METRICS.items()
    ]


@hookimpl
def segharness_reporters():
    return [ReporterSpec(f"mistakes-{name}", write=write, suffix=".txt") for name, write in REPORTERS.items()]
