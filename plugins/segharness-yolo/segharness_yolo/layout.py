"""What the outputs of a YOLO export mean: recognised from its metadata, shapes and values, or refused by name.

Known are the exports of YOLOv8 and its successors (rows of box and class scores), of YOLOv5 and v7 (with an
objectness), and those with suppression in the graph (rows of corners, score and class), each with mask coefficients and
prototypes, or without: a detector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from segharness import UsageError

from segharness_yolo.names import COCO80
from segharness_yolo.network import Floats, Network, parsed

RAW, OBJECTNESS, END2END = "raw", "objectness", "end2end"
"""The forms of rows: box and class scores; box, objectness and class scores; corners, score and class."""

_MOST_FINAL = 1000
"""An export with suppression in its graph gives no more rows."""

_STRIDES = ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32, 64), (16, 32))
"""The strides of the heads that there are."""


@dataclass(frozen=True)
class Layout:
    """How the outputs of a network are read.

    Attributes:
        form: of the rows, `RAW`, `OBJECTNESS` or `END2END`.
        classes: the number of classes.
        coefficients: the number of mask coefficients; 0 for a detector.
        rows_first: whether rows are (anchors, values) and not (values, anchors).
        prototypes_last: whether prototypes are (h, w, K) and not (K, h, w).
        fractions: whether boxes are fractions of the input and not pixels.
        assumed: whether `fractions` is only what such files usually have, because the probes found nothing.
        rows, prototypes: which outputs they are; `prototypes` is None for a detector.
    """

    form: str
    classes: int
    coefficients: int
    rows_first: bool
    prototypes_last: bool = False
    fractions: bool = False
    assumed: bool = False
    rows: int = 0
    prototypes: int | None = None

    def outputs(self, raw: Sequence[Floats], height: int, width: int) -> Outputs:
        """Return the raw outputs of a network as rows and prototypes in one layout, with boxes in pixels of the input."""
        rows = np.array(raw[self.rows] if self.rows_first else raw[self.rows].T, dtype=np.float32, order="C")
        if self.fractions:
            rows[:, :4] *= np.array([width, height] * 2, dtype=np.float32)
        prototypes = None
        if self.prototypes is not None:
            given = raw[self.prototypes]
            prototypes = np.ascontiguousarray(given.transpose(2, 0, 1) if self.prototypes_last else given)
        return Outputs(rows, prototypes)


@dataclass(frozen=True)
class Outputs:
    """The outputs of a network for one image.

    Attributes:
        rows: float32 (A, values), a row for each anchor or detection; boxes in pixels of the input.
        prototypes: float32 (K, h, w); None for a detector.
    """

    rows: Floats
    prototypes: Floats | None


def recognise(network: Network, categories: Sequence[str] | None) -> tuple[Layout, list[str]]:
    """Return the layout of a network's outputs and the names of its classes.

    Args:
        network: it is run on two images that are made here.
        categories: the names that the user gives; they precede those of the file.

    Raises:
        UsageError: the file is no export of a known form, or it cannot be told which, or its names do not fit.
    """
    names = list(categories) if categories is not None else file_names(network)
    _refuse_other_tasks(network)
    rng = np.random.default_rng(0)
    size = (network.height, network.width)
    images = [np.full((*size, 3), 0.5, np.float32), rng.random((*size, 3), dtype=np.float32)]
    probes = [network(image) for image in images]
    rows, prototypes = _rows_and_prototypes(network.path, [output.shape for output in probes[0]])
    found = [
        replace(layout, rows=rows, prototypes=prototypes)
        for layout in _readings(
            probes[0][rows].shape, probes[0][prototypes].shape if prototypes is not None else None, size, names, network
        )
    ]
    found = _with_names(_by_content(found, probes), names, network)
    shapes = " and ".join("x".join(map(str, output.shape)) for output in probes[0])
    if not found:
        known = f" with {len(names)} classes ({_short(names)})" if names else ""
        raise UsageError(
            f"{network.path}: its outputs, {shapes}, are those of no YOLO export{known} at {size[0]}x{size[1]}: expected "
            "rows of 4 + classes + coefficients, of 5 + classes + coefficients (YOLOv5), or of 6 + coefficients (an "
            "end-to-end export, with suppression in the graph)" + ("; are the names right?" if names else "")
        )
    if len(found) > 1:
        forms = " or ".join(dict.fromkeys(_described(layout) for layout in found))
        raise UsageError(
            f"{network.path}: its outputs, {shapes}, may be {forms}; give the option `categories`, or export it at "
            "another size"
        )
    [layout] = found
    if names is None:
        if layout.form == END2END:
            raise UsageError(
                f"{network.path}: an end-to-end export (suppression in the graph) without class names; give the option "
                "`categories`"
            )
        if layout.classes != len(COCO80):
            raise UsageError(f"{network.path}: has {layout.classes} classes and no names; give the option `categories`")
        names = list(COCO80)
    return _with_units(layout, network, probes), names


def _with_names(layouts: list[Layout], names: Sequence[str] | None, network: Network) -> list[Layout]:
    """Return the layouts that have as many classes as there are names.

    Raises:
        UsageError: there are some, and all are of another number of classes.
    """
    fitting = [each for each in layouts if names is None or each.form == END2END or each.classes == len(names)]
    if layouts and not fitting:
        counts = " or ".join(dict.fromkeys(str(each.classes) for each in layouts))
        raise UsageError(
            f"{network.path}: has {counts} classes, but {len(names or ())} names are known ({_short(names or ())}); give "
            "the option `categories`"
        )
    return fitting


def file_names(network: Network) -> list[str] | None:
    """Return the class names in a file's metadata; None if it has none.

    Raises:
        UsageError: it has some that cannot be read.
    """
    given = network.metadata.get("names")
    if given is None or given == "":
        return None
    names = parsed(given)
    if isinstance(names, Mapping) and names:
        try:
            return [str(names[key]) for key in sorted(names, key=int)]
        except (TypeError, ValueError):
            pass
    if isinstance(names, (list, tuple)) and names:
        return [str(name) for name in names]
    raise UsageError(
        f"{network.path}: its metadata `names` cannot be read: {str(given)!r:.80}; give the option `categories`"
    )


def _refuse_other_tasks(network: Network) -> None:
    task = parsed(network.metadata.get("task"))
    if task not in (None, "", "segment", "detect"):
        raise UsageError(f"{network.path}: is an export for the task {task!r:.40}, not of segmentation or detection")


def _rows_and_prototypes(path: Path, shapes: Sequence[tuple[int, ...]]) -> tuple[int, int | None]:
    """Return which output has the rows (two axes), and which the prototypes (three), if any has."""
    rows = [number for number, shape in enumerate(shapes) if len(shape) == 2]
    prototypes = [number for number, shape in enumerate(shapes) if len(shape) == 3]
    if len(shapes) == 4 and len(rows) == 1 and sum(len(shape) == 1 for shape in shapes) >= 2:
        raise UsageError(
            f"{path}: gives boxes, classes, scores and a count apart ({list(shapes)}): export it without suppression"
        )
    if len(rows) != 1 or len(prototypes) > 1:
        raise UsageError(
            f"{path}: not a YOLO export: its outputs are {list(shapes)} an image, not one of rows and at most one of "
            "prototypes"
        )
    return rows[0], prototypes[0] if prototypes else None


# --------------------------------------------------------------------------------------------------------- readings


def _readings(
    rows: tuple[int, ...],
    prototypes: tuple[int, ...] | None,
    size: tuple[int, int],
    names: Sequence[str] | None,
    network: Network,
) -> list[Layout]:
    """Return the layouts that the shapes allow, the names and the metadata given."""
    end2end = _says_end2end(network.metadata)
    layouts = list(_all_readings(rows, prototypes, size))
    final = [replace(each, classes=len(names or ())) for each in layouts if each.form == END2END]
    if end2end:
        return final
    heads = [each for each in layouts if each.form != END2END]
    exact = [each for each in heads if _has_anchors_of(each, rows, size)]
    if exact or final:
        return [*exact, *final]
    if names is not None:
        return [each for each in heads if each.classes == len(names)]  # a head of other strides
    count, values = (0, 1) if rows[0] > rows[1] else (1, 0)
    return [
        each for each in heads if each.rows_first == (count == 0) and rows[count] > 4 * rows[values]
    ]  # there are far more anchors than values


def _says_end2end(metadata: Mapping[str, Any]) -> bool | None:
    """Return whether metadata say that suppression is in the graph; None if they do not say."""
    arguments = parsed(metadata.get("args"))
    nms = arguments.get("nms") if isinstance(arguments, Mapping) else None
    said = [parsed(metadata.get("end2end")), parsed(metadata.get("nms")), nms]
    said = [value.strip().lower() == "true" if isinstance(value, str) and value.strip() else value for value in said]
    known = [bool(value) for value in said if isinstance(value, (bool, int))]
    return True if any(known) else None


def _all_readings(rows: tuple[int, ...], prototypes: tuple[int, ...] | None, size: tuple[int, int]) -> Iterator[Layout]:
    for rows_first in (True, False):
        count, values = rows if rows_first else rows[::-1]
        for last in (False, True) if prototypes is not None else (False,):
            coefficients = 0
            if prototypes is not None:
                coefficients = prototypes[2 if last else 0]
                height, width = prototypes[:2] if last else prototypes[1:]
                if height * size[1] != width * size[0] or not 0 < height <= size[0]:
                    continue
            for form, classes in ((RAW, values - 4 - coefficients), (OBJECTNESS, values - 5 - coefficients)):
                if classes >= 1:
                    yield Layout(form, classes, coefficients, rows_first, last)
            if values == 6 + coefficients and count <= _MOST_FINAL:
                yield Layout(END2END, 0, coefficients, rows_first, last)


def _has_anchors_of(layout: Layout, rows: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Return whether the number of rows is that of a head's cells; with objectness, each has three anchors."""
    count = rows[0 if layout.rows_first else 1]
    each = 3 if layout.form == OBJECTNESS else 1
    cells = {sum(-(-size[0] // s) * -(-size[1] // s) for s in strides) for strides in _STRIDES}
    return count in {each * number for number in cells}


# ---------------------------------------------------------------------------------------------------------- content


def _by_content(layouts: list[Layout], probes: Sequence[Sequence[Floats]]) -> list[Layout]:
    """Return those layouts that the values of the outputs do not contradict."""
    heads = [layout for layout in layouts if layout.form != END2END]
    said = {layout: [_is_final(layout, raw) for raw in probes] for layout in layouts if layout.form == END2END}
    final = [layout for layout, verdicts in said.items() if False not in verdicts]
    shown = [layout for layout in final if True in said[layout]]
    layouts = shown or heads or final
    if len({layout.prototypes_last for layout in layouts}) > 1 and layouts[0].prototypes is not None:
        last = _prototypes_last([raw[layouts[0].prototypes] for raw in probes])
        layouts = layouts if last is None else [layout for layout in layouts if layout.prototypes_last == last]
    return layouts


def _is_final(layout: Layout, raw: Sequence[Floats]) -> bool | None:
    """Return whether rows are final detections: whole classes, falling scores, corners in order; None without any."""
    rows = raw[layout.rows] if layout.rows_first else raw[layout.rows].T
    used = rows[rows[:, 4] > 0]
    if not len(used):
        return None
    scores, labels = used[:, 4], used[:, 5]
    return bool(
        (labels == np.rint(labels)).all()
        and (labels >= 0).all()
        and (scores <= 1).all()
        and (np.diff(scores) <= 0).all()
        and (used[:, 2:4] >= used[:, :2]).all()
    )


def _prototypes_last(prototypes: Sequence[Floats]) -> bool | None:
    """Return whether a cube of prototypes has its channels last: neighbours differ more there; None if not clearly."""
    across = [float(np.mean([np.abs(np.diff(p, axis=axis)).mean() for p in prototypes])) for axis in (0, 2)]
    if max(across) <= 1.5 * min(across):
        return None
    return across[1] > across[0]


def _with_units(layout: Layout, network: Network, probes: Sequence[Sequence[Floats]]) -> Layout:
    """Return the layout with the unit of its boxes. A head has cells all over the input, so its boxes tell."""
    seen = []
    for raw in probes:
        rows = raw[layout.rows] if layout.rows_first else raw[layout.rows].T
        kept = rows[rows[:, 4] > 0] if layout.form == END2END else rows
        if len(kept):
            seen.append(float(np.abs(kept[:, :4]).max()))
    if not seen or max(seen) == 0:
        return replace(layout, fractions=network.gives_fractions, assumed=True)
    return replace(layout, fractions=max(seen) <= 2)


def _described(layout: Layout) -> str:
    names = {
        RAW: "rows of box and class scores",
        OBJECTNESS: "YOLOv5's rows with objectness",
        END2END: "end-to-end rows",
    }
    masks = f", prototypes with channels {'last' if layout.prototypes_last else 'first'}" if layout.coefficients else ""
    order = "(anchors, values)" if layout.rows_first else "(values, anchors)"
    return f"{names[layout.form]} in the order {order}, {layout.classes or 'any number of'} classes{masks}"


def _short(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
