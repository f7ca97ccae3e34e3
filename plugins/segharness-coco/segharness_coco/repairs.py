"""Repairs annotation files where nobody can misunderstand what was meant, and says what it did, a line for each kind.

Exporters leave out what follows from the rest, write whole numbers as 3.0, and keep what belonged to images that were
removed. What may be meant in several ways is asked for by an option, or refused by `annotations`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pycocotools import mask as rle

_WHOLE = {
    "images": ("id", "height", "width"),
    "annotations": ("id", "image_id", "category_id", "iscrowd"),
    "categories": ("id",),
}
_MOST_COORDINATE = 1e6
"""Beyond it a polygon lies outside of every image, and making its mask would take all memory."""

_LOOKED_AT, _LEAST = 2000, 5
"""How many annotations are looked at for boxes in another form, and how many such boxes are worth a line."""

_LARGEST = 2**53
"""Beyond it, floats are no whole numbers that can be told apart."""


class Repairs:
    """A file's content, repaired. Items that are malformed otherwise stay as they are, for the checks to name.

    Args:
        content: the parsed JSON; its lists and items are changed.
        maskless: what becomes of an object without a mask among objects that have one. ``"ignore"``: its box is a region
            in which detections count neither as right nor as wrong. ``"box"``: its box is its mask. ``"drop"``: it is left
            out. None: it stays as it is.

    Attributes:
        content: the repaired content.
        notes: what was done, one line for each kind of repair.
        maskless: the annotations without a mask that were left as they are.
        boxless: those of them that have no box either, so that only leaving them out is possible.
        problems: why the annotations cannot be those of the images.
    """

    def __init__(self, content: Any, maskless: str | None = None) -> None:
        self.content: Any = content
        self.notes: list[str] = []
        self.maskless: list[dict[str, Any]] = []
        self.boxless: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self._short: list[int] = []
        if not isinstance(content, dict):
            return
        self._whole_numbers()
        self._lost_annotations()
        self._flat_polygons()
        self._objects_without_pixels()
        self._without_mask(maskless)
        self._categories()  # what the steps before left out makes no category a used one
        self._suspicious_boxes()
        self._boxes_and_areas()

    def _items(self, key: str) -> list[dict[str, Any]]:
        items = self.content.get(key)
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    def _leave_out(self, key: str, unwanted: Sequence[Mapping[str, Any]]) -> None:
        ids = {id(item) for item in unwanted}
        self.content[key] = [item for item in self.content[key] if id(item) not in ids]

    def _whole_numbers(self) -> None:
        """Write whole numbers as such: 3.0 as 3, true of `iscrowd` as 1."""
        found: Counter[str] = Counter()
        for key, names in _WHOLE.items():
            for item in self._items(key):
                for name in names:
                    value = item.get(name)
                    if (type(value) is float and value.is_integer() and abs(value) < _LARGEST) or (
                        type(value) is bool and name == "iscrowd"
                    ):
                        item[name] = int(value)
                        found[f"`{name}` of {key}"] += 1
        for annotation in self._items("annotations"):
            mask: Any = annotation.get("segmentation")
            for name in ("size", "counts") if isinstance(mask, dict) else ():
                values = mask[name] if isinstance(mask.get(name), list) else []
                if any(type(value) is float for value in values) and all(map(_is_whole, values)):
                    mask[name] = [int(value) for value in values]
                    found[f"`{name}` of RLEs"] += 1
        if found:
            listed = ", ".join(f"{name} ({count})" for name, count in found.items())
            self.notes.append(f"{found.total()} whole numbers are written as fractions or truth values: {listed}")

    def _categories(self) -> None:
        """Leave categories out that have the name of another one and no annotations."""
        used = {annotation.get("category_id") for annotation in self._items("annotations") if _hashable(annotation)}
        by_name: dict[str, list[dict[str, Any]]] = {}
        for category in self._items("categories"):
            if isinstance(category.get("name"), str) and type(category.get("id")) is int:
                by_name.setdefault(category["name"], []).append(category)
        unwanted: list[dict[str, Any]] = []
        for same in by_name.values():
            unused = [category for category in same if category["id"] not in used]
            unwanted += unused if len(unused) < len(same) else sorted(unused, key=lambda category: category["id"])[1:]
        if unwanted:
            self._leave_out("categories", unwanted)
            self.notes.append(
                f"{_count(unwanted, 'category', 'categories')} without annotations left out, whose name another one has: "
                + _listed(f"`{c['name']}` (id {c['id']})" for c in unwanted)
            )

    def _lost_annotations(self) -> None:
        """Leave annotations out whose image is not in the file, unless their ids look shifted."""
        images = {image["id"] for image in self._items("images") if type(image.get("id")) is int}
        annotations = [a for a in self._items("annotations") if type(a.get("image_id")) is int]
        lost = [a for a in annotations if a["image_id"] not in images]
        if not lost or not images:
            return
        ids = dict.fromkeys(annotation["image_id"] for annotation in lost)
        if len(lost) == len(annotations):
            self.problems.append(
                f"annotations: none of their images is in the file (annotations: image_id {min(ids)} to {max(ids)}; images: "
                f"id {min(images)} to {max(images)})"
            )
        elif (shift := _shift({a["image_id"] for a in annotations}, images)) is not None:
            self.problems.append(
                f"annotations: {_count(lost, 'annotation')} of images that are not in the file (image_id "
                f"{next(iter(ids))}), and all would have their image if image_id were {shift:+d}: do they begin to count "
                "elsewhere?"
            )
        else:
            self._leave_out("annotations", lost)
            self.notes.append(
                f"{_count(lost, 'annotation')} left out, of {_count(ids, 'image')} that the file does not have: "
                + _listed(f"id {id}" for id in ids)
            )

    def _flat_polygons(self) -> None:
        """Leave polygons of under three points out. An object without another is one without a mask."""
        count = 0
        for annotation in self._items("annotations"):
            polygons = annotation.get("segmentation")
            if not isinstance(polygons, list) or not any(map(_is_short, polygons)) or _is_pairs(polygons):
                continue
            kept = [polygon for polygon in polygons if not _is_short(polygon)]
            count += len(polygons) - len(kept)
            annotation["segmentation"] = kept
            if not kept:
                self._short.append(id(annotation))
        if count:
            self.notes.append(
                f"{_count(range(count), 'flat polygon')} of under three points left out: they hold no pixel"
            )

    def _objects_without_pixels(self) -> None:
        """Say that objects hold no pixel, since their points lie on one line: they stay, as pycocotools has it."""
        flat = [
            annotation
            for annotation in self._items("annotations")
            if isinstance(polygons := annotation.get("segmentation"), list)
            and polygons
            and all(map(_is_flat, polygons))
        ]
        if flat:
            self.notes.append(
                f"{_count(flat, 'object')} hold{'s' if len(flat) == 1 else ''} no pixel (first: annotation "
                f"{flat[0].get('id')}): no mask can match"
            )

    def _without_mask(self, maskless: str | None) -> None:
        """Do with objects without a mask as one was asked to, if others have one."""
        annotations = self._items("annotations")
        lacking = [annotation for annotation in annotations if not annotation.get("segmentation")]
        if not lacking or (len(lacking) == len(annotations) and not self._short):
            return  # a file of boxes
        if maskless is None:
            self.maskless = lacking
            return
        sizes = self._sizes()
        if maskless == "drop":
            self._leave_out("annotations", lacking)
            self.notes.append(f"{_count(lacking, 'object')} without a mask left out")
            return
        for annotation in lacking:
            box: Any = annotation.get("bbox")
            size = _size(annotation, sizes)
            if size is None or not _has_extent(box):
                self.boxless.append(annotation)
                continue
            annotation["segmentation"] = _encoded(box, *size)
            if maskless == "ignore":
                annotation["iscrowd"] = 1
        one, several = {"ignore": ("is a region", "are regions"), "box": ("has its box", "have their boxes")}[maskless]
        done = "that is not scored" if maskless == "ignore" else "as mask"
        self.notes.append(f"{_count(lacking, 'object')} without a mask {one if len(lacking) == 1 else several} {done}")

    def _suspicious_boxes(self) -> None:
        """Say that boxes look like something else: they stay, and box AP is not what it seems."""
        boxes = [a["bbox"] for a in self._items("annotations") if _has_extent(a.get("bbox"))]
        if len(boxes) >= _LEAST and all(max(box) <= 1 for box in boxes):
            self.notes.append(
                "all boxes lie within one pixel: they look like fractions of the image, and no number means much"
            )
            return
        pairs = [
            (a["bbox"], extent)
            for a in self._items("annotations")[:_LOOKED_AT]
            if not a.get("iscrowd") and _has_extent(a.get("bbox")) and (extent := _extent_of(a.get("segmentation")))
        ]
        wrong = [(box, extent) for box, extent in pairs if not _is_near(box, extent)]
        if len(wrong) < _LEAST or len(wrong) < 0.2 * len(pairs):
            return
        corners = sum(_is_near([x, y, u - x, v - y], extent) for (x, y, u, v), extent in wrong)
        likely = "; they look like corners (x1 y1 x2 y2)" if corners > 0.8 * len(wrong) else ""
        self.notes.append(
            f"`bbox` of {len(wrong)} of {len(pairs)} objects is not x y width height of its mask{likely}: box AP means "
            "little"
        )

    def _boxes_and_areas(self) -> None:
        """Compute boxes and areas that are missing from the masks; an area without a mask from the box."""
        sizes = self._sizes()
        boxes = areas = 0
        for annotation in self._items("annotations"):
            shape, size = annotation.get("segmentation"), _size(annotation, sizes)
            lacks_box = annotation.get("bbox") in (None, [])
            if not lacks_box and annotation.get("area") is not None:
                continue
            mask = _mask(shape, *size) if size is not None else None
            if lacks_box and mask is not None:
                annotation["bbox"] = _extent(shape) or [float(side) for side in rle.toBbox(mask)]
                boxes += 1
            if annotation.get("area") is None and (mask is not None or _has_extent(annotation.get("bbox"))):
                annotation["area"] = float(
                    rle.area(mask) if mask is not None else annotation["bbox"][2] * annotation["bbox"][3]
                )
                areas += 1
        for count, name in ((boxes, "bbox"), (areas, "area")):
            if count:
                self.notes.append(f"`{name}` of {_count(range(count), 'annotation')} is missing, and computed")

    def _sizes(self) -> dict[Any, tuple[int, int]]:
        """Return the (height, width) of every image whose size is a size."""
        return {
            image["id"]: (image["height"], image["width"])
            for image in self._items("images")
            if all(type(image.get(name)) is int for name in ("id", "height", "width"))
            and 0 < image["height"] <= 1e6 and 0 < image["width"] <= 1e6
        }  # fmt: skip


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer() and abs(value) < _LARGEST)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= _MOST_COORDINATE


def _hashable(annotation: Mapping[str, Any]) -> bool:
    return isinstance(annotation.get("category_id"), (int, str))


def _is_short(polygon: Any) -> bool:
    """Return whether a polygon of numbers has under three points."""
    return isinstance(polygon, list) and len(polygon) < 6 and not len(polygon) % 2 and all(map(_is_number, polygon))


def _is_pairs(polygons: Sequence[Any]) -> bool:
    """Return whether what should be polygons are points, each in a list of its own."""
    return len(polygons) >= 3 and all(_is_short(polygon) and len(polygon) == 2 for polygon in polygons)


def _is_flat(polygon: Any) -> bool:
    """Return whether the points of a polygon lie on one horizontal or vertical line."""
    if not isinstance(polygon, list) or len(polygon) % 2 or len(polygon) < 6:
        return False
    if polygon[0] != polygon[2] and polygon[1] != polygon[3]:
        return False  # as good as all polygons end here
    return all(map(_is_number, polygon)) and (len(set(polygon[::2])) == 1 or len(set(polygon[1::2])) == 1)


def _shift(referred: Collection[int], images: Collection[int]) -> int | None:
    """Return what has to be added to ids of images so that all are in the file, if something small does; else None."""
    ids = set(images)
    return next((shift for shift in (-1, 1) if all(id + shift in ids for id in referred)), None)


def _size(annotation: Mapping[str, Any], sizes: Mapping[Any, tuple[int, int]]) -> tuple[int, int] | None:
    """Return the (height, width) of an annotation's image; None if it has none."""
    image_id = annotation.get("image_id")
    return sizes.get(image_id) if type(image_id) is int else None


def _has_extent(box: Any) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)) and box[2] > 0 and box[3] > 0


def _mask(shape: Any, height: int, width: int) -> Any:
    """Return a segmentation as an RLE; None if it is none, or is broken."""
    try:
        if isinstance(shape, list) and shape and all(len(p) >= 6 and all(map(_is_number, p)) for p in shape):
            return rle.merge(rle.frPyObjects(shape, height, width))
        if isinstance(shape, dict) and shape["size"] == [height, width] and isinstance(shape["counts"], list):
            good = all(type(c) is int and c >= 0 for c in shape["counts"]) and sum(shape["counts"]) == height * width
            return rle.frPyObjects(shape, height, width) if good else None
        if isinstance(shape, dict) and shape["size"] == [height, width] and isinstance(shape["counts"], str):
            from segharness.masks import check_counts

            check_counts(shape["counts"], height, width)
            return {**shape, "counts": shape["counts"].encode()}
    except (TypeError, ValueError, KeyError, OverflowError):
        return None
    return None


def _extent(shape: Any) -> list[float] | None:
    """Return the box of polygons, as COCO has it: to the parts of a pixel."""
    if not isinstance(shape, list):
        return None
    xs, ys = [x for polygon in shape for x in polygon[::2]], [y for polygon in shape for y in polygon[1::2]]
    return [float(v) for v in (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))]


def _extent_of(shape: Any) -> list[float] | None:
    """Return the box of polygons; None of what are none, or are malformed."""
    if not isinstance(shape, list) or not shape or not all(isinstance(p, list) and len(p) >= 6 for p in shape):
        return None
    return _extent(shape) if all(all(map(_is_number, polygon)) for polygon in shape) else None


def _is_near(box: Sequence[float], extent: Sequence[float]) -> bool:
    """Return whether two boxes, x y width height, are the same but for rounding, or overlap well."""
    low = [max(box[i], extent[i]) for i in (0, 1)]
    high = [min(box[i] + box[i + 2], extent[i] + extent[i + 2]) for i in (0, 1)]
    shared = max(0.0, high[0] - low[0]) * max(0.0, high[1] - low[1])
    union = box[2] * box[3] + extent[2] * extent[3] - shared
    return all(abs(a - b) <= 2 for a, b in zip(box, extent, strict=True)) or (union > 0 and shared >= 0.5 * union)


def _encoded(box: Sequence[float], height: int, width: int) -> dict[str, Any]:
    """Return the RLE of a box, as JSON."""
    x, y, w, h = box
    mask = rle.frPyObjects([[x, y, x + w, y, x + w, y + h, x, y + h]], height, width)[0]
    return {"size": [height, width], "counts": mask["counts"].decode()}


def _count(items: Any, one: str, several: str | None = None) -> str:
    return f"{len(items)} {one if len(items) == 1 else several or one + 's'}"


def _listed(items: Iterator[str]) -> str:
    shown = list(items)
    return ", ".join(shown[:3]) + (" ..." if len(shown) > 3 else "")
