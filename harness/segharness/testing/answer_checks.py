"""Checks the raw answers of a model: the size of masks, the form of boxes, labels and channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from segharness.model.labels import normalized
from segharness.model.outputs import LARGEST_BOX
from segharness.testing.box_forms import RIGHT, BoxEvidence, guessed_form, scale_of_network, scale_of_objects
from segharness.testing.findings import Finding
from segharness.testing.labelled_images import LabelledImage
from segharness.testing.model_answers import Answer, Masks, as_numbers, box_iou, mask_boxes, overlaps


def form_finding(raw: Sequence[Any], shapes: Sequence[tuple[int, int]]) -> Finding:
    """Return what is wrong with the form of answers: numbers that are not finite, axes of masks."""
    for instances, shape in zip(raw, shapes, strict=True):
        if (wrong := _wrong_form(instances, shape)) is not None:
            return wrong
    return Finding("form")


def _wrong_form(instances: Any, shape: tuple[int, int]) -> Finding | None:
    if instances is None or not hasattr(instances, "boxes"):
        kind = "None" if instances is None else f"a {type(instances).__name__}"
        return Finding("form", f"predict returned {kind} for an image", "one segharness.Instances for each image")
    for name in ("boxes", "scores", "labels"):
        values = as_numbers(getattr(instances, name, None))
        if values is None:
            return Finding("form", f"{name} are no array of numbers", f"{name}: help(segharness.Instances)")
        if values.size and not np.isfinite(values).all():
            return Finding("form", f"{name} have values that are not finite", "a division by 0, or an overflow")
        if values.size and np.abs(values).max() > LARGEST_BOX:
            return Finding(
                "form", f"{name} have values over {LARGEST_BOX:.0e}", "an overflow, or memory that was not set"
            )
    masks = as_numbers(getattr(instances, "masks", None))
    if masks is None or not masks.size:
        return None
    if masks.ndim == 4 and 1 in (masks.shape[1], masks.shape[3]):
        axis = 1 if masks.shape[1] == 1 else 3
        return Finding("form", f"masks of shape {masks.shape}", f"masks are (N, H, W): masks.squeeze({axis})")
    if masks.ndim == 3 and masks.shape[:2] == shape and masks.shape[2] not in shape:
        return Finding(
            "form", f"masks of shape {masks.shape}", "masks are (N, H, W), not (H, W, N): move the last axis"
        )
    if masks.ndim != 3:
        return Finding("form", f"masks of shape {masks.shape}", "masks are bool (N, H, W), or N COCO RLEs")
    return None


def mask_findings(answers: Sequence[Answer], shapes: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    """Yield what is wrong with the sizes of masks."""
    if all(answer.masks is None for answer in answers):
        yield Finding("masks", skipped="it gives none")
        return
    wrong = [
        (answer.masks.shape[1:], shape)
        for answer, shape in zip(answers, shapes, strict=True)
        if answer.masks is not None and len(answer.masks) and answer.masks.shape[1:] != tuple(shape)
    ]
    if not wrong:
        yield Finding("masks")
        return
    (height, width), shape = wrong[0]
    seen = f"masks of {height}x{width} for an image of {shape[0]}x{shape[1]} (height x width)"
    if all(tuple(mask) == tuple(image)[::-1] for mask, image in wrong):
        look = "masks are transposed: they must be (N, H, W), as images are (H, W, 3)"
    elif len({tuple(mask) for mask, _ in wrong}) == 1 and len({tuple(image) for _, image in wrong}) > 1:
        look = "masks have the size of the network, or are cropped to boxes: scale or paste them to the image's size"
    else:
        look = "masks must have the size of their image: undo the scaling and the padding of the network's input"
    yield Finding("masks", seen, look)


def box_findings(
    answers: Sequence[Answer], shapes: Sequence[tuple[int, int]], labelled: Sequence[LabelledImage]
) -> Iterator[Finding]:
    """Yield in what form boxes were given, if that is not the right one, by the masks or by the objects of images."""
    by_masks = [
        BoxEvidence(answer.boxes[kept], around[kept], shape)
        for answer, shape in zip(answers, shapes, strict=True)
        if _has_boxes(answer) and answer.masks is not None and answer.boxes is not None
        for around in [mask_boxes(answer.masks)]
        for kept in [np.isfinite(around).all(axis=1) & np.isfinite(answer.boxes).all(axis=1)]
    ]
    evidence = [item for item in by_masks if len(item.boxes)]
    around = "their masks"
    if not evidence:
        evidence = [
            BoxEvidence(answer.boxes, item.boxes, item.pixels.shape[:2], paired=False)
            for answer, item in zip(answers, labelled, strict=False)
            if _has_boxes(answer) and answer.boxes is not None
        ]
        around = "the objects of the images"
    if not evidence:
        yield Finding("boxes", skipped="it gives neither masks nor images whose objects are known")
        return
    evidence = [telling for item in evidence if len((telling := item.telling()).boxes)]
    if not evidence:
        yield Finding("boxes", skipped="all of them fill their image: nothing tells the forms apart")
        return
    form, agreement, right = guessed_form(evidence)
    if form != RIGHT:
        yield Finding(
            "boxes",
            f"as {RIGHT}, {right:.0%} of the boxes agree with {around}; as {form}, {agreement:.0%}",
            f"boxes were given as {form}: make them {RIGHT}",
        )
    elif by_masks and right < 0.5 and (crossed := _crossed(answers)):
        yield Finding("masks", f"boxes agree with {crossed}", "masks were reshaped with height and width exchanged")
    elif right < 0.5 and (factors := scale_of_network(evidence)) is not None:
        yield Finding(
            "boxes",
            f"boxes agree with {around} when x is multiplied by {factors[0]:.2f} and y by {factors[1]:.2f}",
            "boxes are in pixels of the network's input: scale them back to the image",
        )
    elif not evidence[0].paired and right < 0.2 and (factor := scale_of_objects(evidence)) is not None:
        yield Finding(
            "boxes",
            f"{right:.0%} of the objects have a box around them, and most if boxes are multiplied by {factor:.2f}",
            "boxes are in pixels of the network's input: scale them back to the image",
        )
    elif evidence[0].paired and right < 0.5 and not _knows(answers, labelled):
        yield Finding(
            "boxes", skipped="boxes and masks disagree, and no known object is found: are the weights trained?"
        )
    elif evidence[0].paired and right < 0.5:
        look = "boxes and masks that belong to different instances, or masks that are shifted"
        yield Finding("boxes", f"{right:.0%} of the boxes lie around their masks", look)
    else:
        yield Finding("boxes")


def content_findings(
    categories: Sequence[str],
    answers: Sequence[Answer],
    swapped: Sequence[Answer],
    labelled: Sequence[LabelledImage],
) -> Iterator[Finding]:
    """Yield whether labels name the right objects, and whether the model sees red where there is red.

    Args:
        categories: the model's.
        answers: for the labelled images.
        swapped: for the same images with red and blue exchanged.
        labelled: the images.
    """
    largest = max(
        (int(answer.labels.max()) for answer in answers if answer.labels is not None and len(answer.labels)), default=-1
    )
    smallest = min(
        (int(answer.labels.min()) for answer in answers if answer.labels is not None and len(answer.labels)), default=0
    )
    known = {normalized(name) for name in categories}
    objects = [_objects(item, known) for item in labelled]
    if not any(objects):
        if largest >= len(categories) or smallest < 0:
            yield _out_of_range(largest, smallest, categories)
            return
        yield Finding("labels", skipped="no image has a known object of the model's categories: give a data set")
        yield Finding("channels", skipped="no image has a known object of the model's categories: give a data set")
        return
    right = {shift: _hits(categories, answers, labelled, objects, shift) for shift in (0, -1, 1)}
    best = max((-1, 1), key=lambda shift: right[shift])
    exchanged = _hits(categories, swapped, labelled, objects, 0)
    covered = _hits(categories, answers, labelled, objects, None)
    if exchanged > max(right[0] + 0.25, right[best]):
        yield Finding("labels")
        yield Finding(
            "channels",
            f"of the known objects {right[0]:.0%} are found, and {exchanged:.0%} with red and blue exchanged",
            "the model gets RGB and expects BGR: exchange the channels, image[..., ::-1]",
        )
        return
    if right[best] > right[0] + 0.25 and right[best] > 0.8 * covered:
        yield Finding(
            "labels",
            f"of the known objects {right[0]:.0%} get their category, and {right[best]:.0%} if every label is taken as "
            f"label {best:+d}",
            "labels are off by one: label i means categories[i], and a background class has no label",
        )
        return
    if covered > 0.3 and right[0] < 0.3 * covered and len(categories) > 1 and _hits_of_most_common(answers) < 0.9:
        yield Finding(
            "labels",
            f"of the known objects {covered:.0%} are covered by an instance, and {right[0]:.0%} by one of their category",
            "the order of `categories`: label i means categories[i]",
        )
        return
    if not covered:
        share = "none of the known objects is found"
        yield Finding("labels", skipped=share)
        yield Finding("channels", skipped=share)
        return
    if largest >= len(categories) or smallest < 0:
        yield _out_of_range(largest, smallest, categories)
        return
    yield Finding("labels")
    yield Finding("channels")


def _out_of_range(largest: int, smallest: int, categories: Sequence[str]) -> Finding:
    label = largest if largest >= len(categories) else smallest
    return Finding(
        "labels",
        f"label {label}, and the model has {len(categories)} categories",
        f"labels are off by one, or of another list: they are 0 to {len(categories) - 1}, and label i means categories[i]",
    )


def _has_boxes(answer: Answer) -> bool:
    return (
        answer.boxes is not None and answer.boxes.ndim == 2 and answer.boxes.shape[1:] == (4,) and len(answer.boxes) > 0
    )


def _crossed(answers: Sequence[Answer]) -> str | None:
    """Return which masks boxes agree with if rows and columns were exchanged when pixels were put into masks."""
    values = []
    for answer in answers:
        if not _has_boxes(answer) or answer.masks is None or answer.boxes is None:
            continue
        count, height, width = answer.masks.shape
        turned: Masks = answer.masks.reshape(count, width, height).transpose(0, 2, 1)
        values.append(np.diag(box_iou(answer.boxes, mask_boxes(turned))))
    joined = np.concatenate(values) if values else np.zeros(0)
    return "masks of exchanged height and width" if joined.size and np.median(joined) > 0.7 else None


def _objects(item: LabelledImage, known: set[str]) -> list[int]:
    """Return the numbers of an image's objects whose category the model has, by its name or an alias."""
    return [
        n
        for n, category in enumerate(item.categories)
        if {normalized(a) for a in (category.name, *category.aliases)} & known
    ]


def _hits(
    categories: Sequence[str],
    answers: Sequence[Answer],
    labelled: Sequence[LabelledImage],
    objects: Sequence[Sequence[int]],
    shift: int | None,
) -> float:
    """Return the share of known objects that an instance of their category, its label shifted, covers with IoU .5.

    With None as `shift`, instances of any category count.
    """
    hits = total = 0
    names = [normalized(name) for name in categories]
    for answer, item, numbers in zip(answers, labelled, objects, strict=True):
        total += len(numbers)
        if not len(answer) or answer.labels is None or not len(numbers):
            continue
        masks = [item.masks[n] for n in numbers]
        truth = Answer(
            item.boxes[numbers],
            None,
            None,
            None if any(mask is None for mask in masks) else np.array(masks, dtype=bool),
        )
        iou = overlaps(answer, truth)
        labels = answer.labels + (shift or 0)
        for column, number in enumerate(numbers):
            wanted = {normalized(a) for a in (item.categories[number].name, *item.categories[number].aliases)}
            if shift is None:
                hits += bool((iou[:, column] >= 0.5).any())
                continue
            named = np.array([0 <= label < len(names) and names[label] in wanted for label in labels], dtype=bool)
            hits += bool((named & (iou[:, column] >= 0.5)).any())
    return hits / total if total else 0.0


def _hits_of_most_common(answers: Sequence[Answer]) -> float:
    """Return the share of the most common label: a model that knows one category only is weak, and not mistaken."""
    labels = [label for answer in answers if answer.labels is not None for label in answer.labels.tolist()]
    return max(map(labels.count, set(labels))) / len(labels) if labels else 1.0


def _knows(answers: Sequence[Answer], labelled: Sequence[LabelledImage]) -> bool:
    """Return whether boxes or masks find some of the known objects, of any category."""
    found = total = 0
    for answer, item in zip(answers, labelled, strict=False):
        total += len(item.boxes)
        of_boxes = box_iou(answer.boxes, item.boxes) if _has_boxes(answer) and answer.boxes is not None else None
        known = Answer(
            None, None, None, np.array(item.masks, dtype=bool) if all(m is not None for m in item.masks) else None
        )
        of_masks = overlaps(answer, known) if answer.masks is not None and known.masks is not None else None
        best = [iou.max(axis=0, initial=0.0) for iou in (of_boxes, of_masks) if iou is not None and iou.size]
        found += int((np.max(best, axis=0) >= 0.5).sum()) if best else 0
    return total > 0 and found > 0.3 * total
