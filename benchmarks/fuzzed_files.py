"""Annotation and result files with any mixture of what exporters write: right numbers, or a refusal that names the file.

    python benchmarks/fuzzed_files.py [--count 2000] [--seed 0]

Each case makes a small data set and detections, and has pycocotools score them as they are meant. Then it writes both
files with a random set of properties that change no number (areas or boxes that are missing, whole numbers as floats,
truth values, categories that are there twice, annotations of images that were removed, polygons of two points, further keys,
other encodings, another order, runs in the place of compressed RLEs), and sometimes with one that may mean several
things or nothing. ``segharness.score_results`` must give pycocotools' numbers, overall and by category, or refuse the
file by name.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import random
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from segharness import UsageError, score_results

METRICS = {"AP": 0, "AP50": 1, "AP75": 2, "AR1": 6, "AR10": 7, "AR100": 8}
"""The numbers that are compared, and where they stand in `COCOeval.stats`."""

TOLERANCE = 1e-9

Content = dict[str, Any]


# ------------------------------------------------------------------------------------------------------- what is meant


def box_of(draw: random.Random, height: int, width: int) -> tuple[int, int, int, int]:
    w, h = draw.randint(4, width // 2), draw.randint(4, height // 2)
    return draw.randint(0, width - w), draw.randint(0, height - h), w, h


def encoded(mask: np.ndarray) -> dict[str, Any]:
    runs = rle.encode(np.asfortranarray(mask))
    return {"size": list(runs["size"]), "counts": runs["counts"].decode()}


def meant(draw: random.Random) -> tuple[Content, list[dict[str, Any]]]:
    """Return ground truth and detections without any peculiarity."""
    image_ids = draw.sample(range(1, 10**6), draw.randint(1, 4))
    category_ids = sorted(draw.sample(range(0, 100), draw.randint(1, 4)))
    images = [{"id": id, "file_name": f"{id}.png", "height": draw.randint(24, 60), "width": draw.randint(24, 60)}
              for id in image_ids]  # fmt: skip
    annotations: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for image in images:
        height, width = image["height"], image["width"]
        for _ in range(draw.randint(0, 5)):
            x, y, w, h = box_of(draw, height, width)
            mask = np.zeros((height, width), np.uint8)
            mask[y : y + h, x : x + w] = 1
            crowd = draw.random() < 0.15
            polygon = [[x, y, x + w, y, x + w, y + h, x, y + h]]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image["id"], "category_id": draw.choice(category_ids),
                 "bbox": [float(x), float(y), float(w), float(h)], "area": float(w * h), "iscrowd": int(crowd),
                 "segmentation": encoded(mask) if crowd or draw.random() < 0.4 else polygon}
            )  # fmt: skip
            if draw.random() < 0.8:
                moved = np.roll(mask, (draw.randint(-2, 2), draw.randint(-2, 2)), (0, 1))
                detections.append(detection(draw, image["id"], annotations[-1]["category_id"], moved))
        for _ in range(draw.randint(0, 2)):
            x, y, w, h = box_of(draw, height, width)
            mask = np.zeros((height, width), np.uint8)
            mask[y : y + h, x : x + w] = 1
            detections.append(detection(draw, image["id"], draw.choice(category_ids), mask))
    scores = draw.sample(range(1, 10**6), len(detections))
    for found, score in zip(detections, scores, strict=True):
        found["score"] = score / 10**6
    categories = [{"id": id, "name": f"category {id}"} for id in category_ids]
    return {"images": images, "annotations": annotations, "categories": categories}, detections


def detection(draw: random.Random, image_id: int, category_id: int, mask: np.ndarray) -> dict[str, Any]:
    runs = rle.encode(np.asfortranarray(mask))
    box = [float(side) for side in rle.toBbox(runs)]
    if draw.random() < 0.3:
        box[0] += 1
    return {"image_id": image_id, "category_id": category_id, "score": 0.0, "bbox": box, "segmentation": encoded(mask)}


# --------------------------------------------------------------------------------- properties that change no number


def each(items: list[Any], change: Callable[[Any], Any], draw: random.Random) -> None:
    share = draw.choice([0.3, 1.0])
    for item in items:
        if draw.random() < share:
            change(item)


def flat(draw: random.Random) -> list[float]:
    x, y = draw.randint(1, 20), draw.randint(1, 20)
    return draw.choice([[x, y, x + 5, y, x + 2, y], [x, y, x, y + 4, x, y + 2, x, y + 1]])


def short(draw: random.Random) -> list[float]:
    x, y = draw.randint(1, 20), draw.randint(1, 20)
    return draw.choice([[x, y], [x, y, x + 3, y], [x, y, x + 3, y + 2]])


def duplicate(truth: Content, draw: random.Random) -> None:
    new = {"id": 1000, "name": draw.choice(truth["categories"])["name"]}
    truth["categories"].insert(draw.randint(0, len(truth["categories"])), new)


def lost(truth: Content, draw: random.Random) -> None:
    if not truth["annotations"]:
        return  # annotations none of which has its image are refused
    for number in range(draw.randint(1, 40)):
        category = truth["categories"][0]["id"]
        truth["annotations"].append(
            {"id": 10_000 + number, "image_id": 10**7 + number, "category_id": category, "bbox": [0.0, 0.0, 5.0, 5.0],
             "area": 25.0, "iscrowd": 0, "segmentation": [[0, 0, 5, 0, 5, 5, 0, 5]]}
        )  # fmt: skip


def flat_polygons(truth: Content, draw: random.Random) -> None:
    for annotation in truth["annotations"]:
        if annotation.get("segmentation") and isinstance(annotation["segmentation"], list) and draw.random() < 0.5:
            annotation["segmentation"].insert(draw.randint(0, 1), short(draw))


def flat_object(truth: Content, draw: random.Random) -> None:
    """An object whose points lie on one line: nothing matches it, and it counts, as pycocotools has it."""
    image, category = draw.choice(truth["images"]), draw.choice(truth["categories"])
    truth["annotations"].append(
        {"id": 900, "image_id": image["id"], "category_id": category["id"], "bbox": [3.0, 3.0, 4.0, 0.0], "area": 0.0,
         "iscrowd": 0, "segmentation": [flat(draw)]}
    )  # fmt: skip


def runs_of(item: dict[str, Any]) -> None:
    shape = item.get("segmentation")
    if isinstance(shape, dict) and isinstance(shape["counts"], str):
        mask = rle.decode({"size": shape["size"], "counts": shape["counts"].encode()}).ravel(order="F")
        changes = np.flatnonzero(np.diff(mask)) + 1
        counts = np.diff([0, *changes, len(mask)]).tolist()
        shape["counts"] = [0, *counts] if mask[0] else counts


def as_floats(names: tuple[str, ...]) -> Callable[[dict[str, Any]], None]:
    def change(item: dict[str, Any]) -> None:
        for name in names:
            if name in item:
                item[name] = float(item[name])

    return change


def further_keys(truth: Content, draw: random.Random) -> None:
    truth["info"] = draw.choice([None, {}, {"year": "2026", "version": 1.0}, "made by hand"])
    truth["licenses"] = draw.choice([[], [{"id": "one"}], {}])
    keys: list[tuple[str, Any]] = [
        ("date_captured", 0), ("license", None), ("attributes", {"occluded": False}), ("rotation", 0.0), ("coco_url", ""),
        ("score", "high"), ("keypoints", [[1, 2], "x"]), ("num_keypoints", 1.5), ("extra", {"segmentation": [[1]]}),
    ]  # fmt: skip
    for item in [*truth["images"], *truth["annotations"], *truth["categories"]]:
        item.update(draw.sample(keys, draw.randint(0, 3)))


HARMLESS: dict[str, Callable[[Content, random.Random], Any]] = {
    "areas missing": lambda t, d: each(t["annotations"], lambda a: a.pop("area", None), d),
    "areas null": lambda t, d: each(t["annotations"], lambda a: a.update(area=None), d),
    "boxes missing": lambda t, d: each(t["annotations"], lambda a: a.pop("bbox", None) if a.get("segmentation") else 0, d),
    "boxes empty": lambda t, d: each(t["annotations"], lambda a: a.update(bbox=[]) if a.get("segmentation") else 0, d),
    "float ids": lambda t, d: each(t["annotations"], as_floats(("id", "image_id", "category_id", "iscrowd")), d),
    "float sizes": lambda t, d: each(t["images"], as_floats(("id", "height", "width")), d),
    "float categories": lambda t, d: each(t["categories"], as_floats(("id",)), d),
    "truth values": lambda t, d: each(t["annotations"], lambda a: a.update(iscrowd=bool(a.get("iscrowd"))), d),
    "no iscrowd": lambda t, d: each(t["annotations"], lambda a: None if a.get("iscrowd") else a.pop("iscrowd", None), d),
    "category twice": duplicate,
    "lost annotations": lost,
    "flat polygons": flat_polygons,
    "runs": lambda t, d: each(t["annotations"], runs_of, d),
    "float runs": lambda t, d: each(
        [a["segmentation"] for a in t["annotations"] if isinstance(a.get("segmentation"), dict)],
        lambda s: s.update(counts=[float(c) for c in s["counts"]]) if isinstance(s["counts"], list) else 0, d),
    "further keys": further_keys,
    "shuffled": lambda t, d: [d.shuffle(t[key]) for key in ("images", "annotations", "categories")],
}  # fmt: skip

RESULTS: dict[str, Callable[[list[Any], random.Random], Any]] = {
    "float ids": lambda r, d: each(r, as_floats(("image_id", "category_id")), d),
    "runs": lambda r, d: each(r, runs_of, d),
    "further keys": lambda r, d: each(r, lambda x: x.update(category_name="cat", area=1, id=None), d),
    "shuffled": lambda r, d: d.shuffle(r),
}
"""Properties of result files that change no number."""


# ---------------------------------------------------------------------------- properties that make a file unreadable


def break_item(key: str, **values: Any) -> Callable[[Content, random.Random], Any]:
    """Return a change of one item that is scored; of the list, where there is none."""

    def change(truth: Content, draw: random.Random) -> None:
        scored = [
            item for item in truth[key] if key != "annotations" or (item["id"] < 900 and item.get("segmentation"))
        ]
        draw.choice(scored).update(values) if scored else truth.update({key: None})

    return change


BROKEN: dict[str, Callable[[Content, random.Random], Any]] = {
    "text id": break_item("annotations", image_id="1"),
    "fraction": break_item("annotations", category_id=1.5),
    "no category": break_item("annotations", category_id=77_777),
    "nan": break_item("annotations", area=float("nan")),
    "negative box": break_item("annotations", bbox=[1, 2, -3, 4]),
    "short box": break_item("annotations", bbox=[1, 2, 3]),
    "odd polygon": break_item("annotations", segmentation=[[1, 2, 3, 4, 5, 6, 7]]),
    "other mask": break_item("annotations", segmentation={"size": [3, 3], "counts": [9]}),
    "crowd of 2": break_item("annotations", iscrowd=2),
    "no size": break_item("images", height=0),
    "id twice": lambda t, d: t["images"].append(copy.deepcopy(t["images"][0])),
    "name twice": lambda t, d: t["categories"].append({"id": 900, "name": t["categories"][0]["name"]})
    or t["annotations"].extend(
        {"id": 30_000 + i, "image_id": t["images"][0]["id"], "category_id": id, "bbox": [0, 0, 2, 2], "area": 4,
         "iscrowd": 0, "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]}
        for i, id in enumerate((900, t["categories"][0]["id"]))
    ),
    "no list": lambda t, d: t.pop(d.choice(["images", "annotations", "categories"])),
}  # fmt: skip

BROKEN_RESULTS: dict[str, Callable[[list[Any], random.Random], Any]] = {
    "nan": lambda r, d: r.append({**r[0], "score": float("nan")}),
    "text": lambda r, d: r.append({**r[0], "image_id": "x"}),
    "other image": lambda r, d: r.append({**r[0], "image_id": 5 * 10**7}),
    "broken mask": lambda r, d: r.append(
        {**r[0], "segmentation": {"size": r[0]["segmentation"]["size"], "counts": "~~"}}
    ),
    "infinite box": lambda r, d: r.append({**r[0], "bbox": [0, 0, float("inf"), 1]}),
}

ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16")


# ------------------------------------------------------------------------------------------------------------- a case


def expected(truth: Content, results: list[Any], kind: str) -> dict[Any, float | None]:
    """Return pycocotools' numbers, overall and AP by category; None where it has none."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        detections = coco.loadRes(copy.deepcopy(results)) if results else None
        if detections is None:
            detections = COCO()
            detections.dataset = {**copy.deepcopy(truth), "annotations": []}
            detections.createIndex()
        evaluation = COCOeval(coco, detections, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    found: dict[Any, float | None] = {name: _number(evaluation.stats[position]) for name, position in METRICS.items()}
    names = {c["id"]: c["name"] for c in truth["categories"]}
    for position, id in enumerate(evaluation.params.catIds):
        values = evaluation.eval["precision"][:, :, position, 0, -1]
        found[names[id]] = _number(values[values > -1].mean() if (values > -1).any() else -1)
    return found


def _number(value: float) -> float | None:
    return None if value < 0 else float(value)


def case(seed: int, folder: Path) -> str:
    """Make one case, check it, and return what became of it: ``right`` or ``refused``.

    Raises:
        AssertionError: a number is wrong, or a file was refused without its name or accepted although it is broken.
    """
    draw = random.Random(seed)
    truth, results = meant(draw)
    if draw.random() < 0.2:
        flat_object(truth, draw)
    chosen = draw.sample(sorted(HARMLESS), draw.randint(0, 6))
    written, written_results = copy.deepcopy(truth), copy.deepcopy(results)
    options: dict[str, str] = {}
    maskless = draw.random() < 0.2 and [
        a for a in truth["annotations"] if not a["iscrowd"] and a["id"] < 900 and draw.random() < 0.5
    ]
    unsaid = False
    if maskless and len(maskless) < len(truth["annotations"]):
        chosen.append("maskless")
        ids = {annotation["id"] for annotation in maskless}
        for annotation in written["annotations"]:
            if annotation["id"] in ids:
                draw.choice(
                    [lambda a: a.pop("segmentation"), lambda a: a.update(segmentation=draw.choice([[], None]))]
                )(annotation)
        choice = draw.choice(["drop", "ignore", "box", ""])
        unsaid = not choice
        options = {"maskless": choice} if choice else {}
        if choice == "drop":
            truth["annotations"] = [a for a in truth["annotations"] if a["id"] not in ids]
        for annotation in truth["annotations"]:
            if choice == "ignore" and annotation["id"] in ids:
                annotation["iscrowd"] = 1
    for name in chosen:
        if name in HARMLESS:
            HARMLESS[name](written, draw)
    chosen_results = draw.sample(sorted(RESULTS), draw.randint(0, 3))
    for name in chosen_results:
        RESULTS[name](written_results, draw)
    broken, file = None, "truth.json"
    if unsaid:
        pass  # it is refused already
    elif draw.random() < 0.15:
        broken = draw.choice(sorted(BROKEN))
        BROKEN[broken](written, draw)
    elif results and draw.random() < 0.1:
        broken, file = draw.choice(sorted(BROKEN_RESULTS)), "found.json"
        BROKEN_RESULTS[broken](written_results, draw)
    text = json.dumps(written, indent=draw.choice([None, 2]), ensure_ascii=draw.random() < 0.5)
    (folder / "truth.json").write_bytes(text.encode(draw.choice(ENCODINGS)))
    (folder / "found.json").write_bytes(json.dumps(written_results).encode(draw.choice(ENCODINGS)))
    story = f"seed {seed}: {chosen}, {chosen_results}, broken: {broken}, {options}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the notes of what was repaired
            table = score_results(folder / "found.json", folder / "truth.json", dataset_options=options, bootstrap=0)
    except UsageError as error:
        assert broken or unsaid, f"{story}: refused though it is good: {error}"
        assert all(file in problem for problem in error.problems), f"{story}: the file is not named: {error}"
        return "refused"
    assert not broken and not unsaid, f"{story}: accepted though it is broken"
    rows = table.to_pylist()
    for kind in ("segm", "bbox"):
        wanted = expected(truth, results, kind)
        overall = {
            r["metric"]: r["value"] for r in rows if r["task"] == kind and not r["category"] and r["split"] == "all"
        }
        by_name = {
            r["category"]: r["value"] for r in rows if r["task"] == kind and r["category"] and r["metric"] == "AP"
        }
        for name, value in wanted.items():
            found = overall[name] if name in METRICS else by_name.get(name)
            close = found == value if found is None or value is None else abs(found - value) <= TOLERANCE
            assert close, f"{story}: {kind} {name} is {found}, pycocotools has {value}"
    return "right"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    ended: Counter[str] = Counter()
    for seed in range(args.seed * 1_000_000, args.seed * 1_000_000 + args.count):
        with tempfile.TemporaryDirectory() as folder:
            ended[case(seed, Path(folder))] += 1
    print(f"{args.count} cases: " + ", ".join(f"{count} {name}" for name, count in sorted(ended.items())))


if __name__ == "__main__":
    main()
