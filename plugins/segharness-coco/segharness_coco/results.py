"""The model ``coco-results``: detections that another program wrote, one COCO result file for each condition.

``clean.json``, ``fog-3.json`` ... hold masks, boxes or both, as detectron2 writes them. ``clean.segm.json`` and
``clean.bbox.json`` hold the same detections in the same order, as mmdetection writes them. YOLACT's own layout is read
too. A single file of any name has the detections in clean images; one called ``x.segm.json`` with ``x.bbox.json``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle
from segharness import CellError, Detections, NoPredictionsError
from segharness.masks import check_counts

from segharness_coco.annotations import are_numbers
from segharness_coco.names import ALIASES, IDS


def read_files(path: Path) -> list[Path]:
    """Return the files whose content decides predictions, of a folder of result files or of a single one."""
    return sorted(path.rglob("*")) if path.is_dir() else _with_boxes(path)


def _with_boxes(file: Path) -> list[Path]:
    """Return a result file, and for ``x.segm.json`` also ``x.bbox.json``, if it is there."""
    boxes = file.with_name(f"{file.name.removesuffix('.segm.json')}.bbox.json")
    return [file, boxes] if file.name.endswith(".segm.json") and boxes.is_file() else [file]


class CocoResults:
    """The result files of a folder, or a single one, as `segharness.StoredPredictions`.

    Args:
        folder: of the result files, or the single one.
    """

    categories: Sequence[str] = ()

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._read: dict[str, dict[int, Detections]] = {}
        self._listed: dict[str, frozenset[int] | None] = {}

    def load_predictions(
        self, condition: str, image_ids: Sequence[int], known_image_ids: Collection[int]
    ) -> Sequence[Detections]:
        """Return the detections of images under a condition; see `segharness.StoredPredictions`.

        Raises:
            NoPredictionsError: the condition has no file.
            CellError: its file is not a result file, or has images that the data set lacks.
        """
        if condition not in self._read:
            self._read[condition], self._listed[condition] = self._load(condition, known_image_ids)
        detections, listed = self._read[condition], self._listed[condition]
        if listed is not None and (missing := [id for id in image_ids if id not in listed]):
            raise CellError(f"{self._folder}, {condition}: lists its images, and image {missing[0]} is not among them")
        no_detections = Detections(np.zeros(0, np.int32), np.zeros(0), np.zeros((0, 4)), ())
        return [detections.get(image_id, no_detections) for image_id in image_ids]

    def _load(
        self, condition: str, known_image_ids: Collection[int]
    ) -> tuple[dict[int, Detections], frozenset[int] | None]:
        """Return the detections by image id, and the ids that the file lists (None if its layout has no such list)."""
        files = self._files(condition)
        rows, listed = _read_results(files[0])
        if len(files) == 2:
            rows = _merged(files, rows, _read_results(files[1])[0])
        grouped: dict[int, list[Mapping[str, Any]]] = {}
        for row in rows:
            grouped.setdefault(row["image_id"], []).append(row)
        for image_id in listed if listed is not None else grouped:
            if image_id not in known_image_ids:
                raise CellError(f"{files[0]}: image {image_id} is not one of the data set's")
        kinds = {("segmentation" in row, "bbox" in row) for row in rows}
        if len(kinds) > 1:
            raise CellError(f"{files[0]}: some results have a segmentation or a bbox, others have not")
        try:
            return {image_id: _detections(image_rows) for image_id, image_rows in grouped.items()}, listed
        except (ValueError, OverflowError) as error:
            raise CellError(f"{files[0]}: a broken mask: {error}") from error

    def _files(self, condition: str) -> list[Path]:
        if not self._folder.is_dir():
            if condition != "clean":
                raise NoPredictionsError(
                    f"{self._folder} is one file, of clean images; a folder has a file for each condition"
                )
            return _with_boxes(self._folder)
        single = self._folder / f"{condition}.json"
        parts = [self._folder / f"{condition}.{kind}.json" for kind in ("segm", "bbox")]
        files = [single] if single.is_file() else [part for part in parts if part.is_file()]
        if not files:
            names = sorted(file.name for file in self._folder.glob("*.json"))
            there = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise NoPredictionsError(
                f"{self._folder} has no such files, called CONDITION.json, or CONDITION.segm.json and CONDITION.bbox.json "
                f"(it has {there or 'no .json file'})"
            )
        return files


def _merged(files: Sequence[Path], masks: list[Any], boxes: list[Any]) -> list[dict[str, Any]]:
    """Return the results of two files with the same detections: masks in the first file, boxes in the second."""
    if len(masks) != len(boxes):
        raise CellError(f"{files[0]} has {len(masks)} results, {files[1].name} {len(boxes)}: not the same detections")
    for number, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        if "segmentation" not in mask or "bbox" not in box:
            missing = f"{files[0].name}: no segmentation" if "segmentation" not in mask else f"{files[1].name}: no bbox"
            raise CellError(f"{files[0].parent}: result {number} of {missing}")
        if any(mask[key] != box[key] for key in ("image_id", "category_id", "score")):
            raise CellError(
                f"{files[0]}: result {number} is not that of {files[1].name}: image, category or score differ"
            )
    return [{**mask, "bbox": box["bbox"]} for mask, box in zip(masks, boxes, strict=True)]


def _read_results(file: Path) -> tuple[list[dict[str, Any]], frozenset[int] | None]:
    """Return the checked results of a file, and the image ids that it lists, or None if its layout has no such list."""
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise CellError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CellError(f"{file}: not JSON: {error}") from error
    listed = None
    if isinstance(content, dict) and isinstance(content.get("images"), list):
        images = content["images"]
        content = list(_from_yolact(file, images))
        listed = frozenset(image["image_id"] for image in images)
    if not isinstance(content, list):
        raise CellError(f"{file}: holds a JSON {type(content).__name__}, not a list of COCO results")
    for number, row in enumerate(content):
        for key in ("image_id", "category_id"):  # of programs that keep them in tables of floats
            if isinstance(row, dict) and type(value := row.get(key)) is float and value.is_integer():
                row[key] = int(value)
        if problem := _row_problem(row):
            raise CellError(f"{file}: result {number}: {problem}")
    return content, listed


def _row_problem(row: Any) -> str | None:
    """Return what is wrong with a COCO result, or None."""
    if not isinstance(row, dict):
        return "is no object"
    for key in ("image_id", "category_id"):
        if type(row.get(key)) is not int:
            return f"`{key}` is {row.get(key)!r:.60}, not a whole number"
    score = row.get("score")
    if not are_numbers([score], 1):
        return f"`score` is {score!r:.60}, not a finite number"
    if "segmentation" not in row and "bbox" not in row:
        return "has neither `segmentation` nor `bbox`"
    if "bbox" in row and not are_numbers(row["bbox"], 4):
        return f"`bbox` is {row['bbox']!r:.60}, not four finite numbers"
    mask = row.get("segmentation")
    if "segmentation" in row and not (
        isinstance(mask, dict) and are_numbers(mask.get("size"), 2) and isinstance(mask.get("counts"), (str, list))
    ):
        return f"`segmentation` is {mask!r:.60}, not an RLE with `size` and `counts`"
    return None


def _from_yolact(file: Path, images: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield COCO results from YOLACT's layout: a list of detections an image, categories by name."""
    for image in images:
        if (
            not isinstance(image, dict)
            or not isinstance(image.get("dets"), list)
            or type(image.get("image_id")) is not int
        ):
            raise CellError(
                f"{file}: neither COCO results nor YOLACT's layout: an image has no `image_id` or no list `dets`"
            )
        for detection in image["dets"]:
            name = detection.get("category") if isinstance(detection, dict) else None
            if not isinstance(name, str) or name not in _BY_NAME:
                raise CellError(f"{file}: image {image.get('image_id')}: no category `{name}` in COCO")
            yield {
                "image_id": image.get("image_id"),
                "category_id": _BY_NAME[name],
                "score": detection.get("score"),
                "bbox": detection.get("bbox"),
                "segmentation": detection.get("mask"),
            }


_BY_NAME = {alias: IDS[name] for name, aliases in ALIASES.items() for alias in aliases} | IDS
"""COCO's category ids by name and alias."""


def _detections(rows: Sequence[Mapping[str, Any]]) -> Detections:
    """Return the results of one image; boxes are those of the masks if the rows have none.

    Raises:
        ValueError: a mask is broken.
    """
    masks = [_rle(row["segmentation"]) for row in rows] if "segmentation" in rows[0] else None
    if "bbox" in rows[0]:
        boxes = np.array([row["bbox"] for row in rows], dtype=np.float64)
    else:
        for mask in masks or ():
            check_counts(mask["counts"], *mask["size"])
        boxes = np.asarray(rle.toBbox(masks), dtype=np.float64)
    return Detections(
        np.array([row["category_id"] for row in rows], dtype=np.int64),
        np.array([row["score"] for row in rows], dtype=np.float64),
        boxes.reshape(len(rows), 4),
        masks,
    )


def _rle(mask: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mask as a compressed RLE. Counts that are compressed already are not checked here."""
    counts, (height, width) = mask["counts"], mask["size"]
    if isinstance(counts, list):
        if not all(type(run) is int and run >= 0 for run in counts) or sum(counts) != height * width:
            raise ValueError(f"its runs do not cover {height}x{width} pixels")
        return dict(rle.frPyObjects({"size": [height, width], "counts": counts}, height, width))
    return {"size": [height, width], "counts": counts.encode()}
