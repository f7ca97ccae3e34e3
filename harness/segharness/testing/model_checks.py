"""Checks a model for what goes wrong in practice, and names the cause: labels, boxes, masks, channels, state.

The causes are looked for in the raw answers, before the contract is checked: a box that is "inverted" by the contract
is often one that was given as x, y, width, height.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from segharness.errors import ContractError, UsageError
from segharness.model.interface import has_stored_predictions, require_model
from segharness.model.labels import Labels
from segharness.model.outputs import validate_instances
from segharness.records import Category, Model
from segharness.testing.answer_checks import box_findings, content_findings, mask_findings
from segharness.testing.findings import Finding, first_broken, raised
from segharness.testing.labelled_images import LabelledImage
from segharness.testing.model_answers import Answer, answer_of, difference

if TYPE_CHECKING:
    from segharness.records import Image

RULES = (
    "runs",
    "input",
    "masks",
    "boxes",
    "labels",
    "channels",
    "contract",
    "repeat",
    "batch",
    "order",
    "threads",
    "memory",
)
"""What is checked of a model, in the order in which causes are named."""


def check_model(model: Model, images: Sequence[Image] = (), *, labelled: Sequence[LabelledImage] = ()) -> None:
    """Check a model for what goes wrong in practice; see `model_findings`.

    Args:
        model: to check.
        images: uint8 RGB (H, W, 3); some should have objects that the model finds, and some should not be square.
        labelled: images with what is in them, as `labelled_images` takes them from a data set. Labels that are off by
            one and swapped channels are found with them alone.

    Raises:
        AssertionError: a rule is broken; the message names it, and where to look.
        UsageError: the object is not a model.
    """
    require_model(model)
    first_broken(model_findings(model, images, labelled=labelled))


def model_findings(
    model: Model, images: Sequence[Image] = (), *, labelled: Sequence[LabelledImage] = ()
) -> list[Finding]:
    """Return what each check of a model found; the first problem is the most likely cause of the others.

    Args:
        model: to check. A model that takes prompts is only checked with `labelled` images.
        images, labelled: as for `check_model`.

    Example:
        >>> from segharness.testing import labelled_images
        >>> from segharness.testing.sample import Finder, Squares
        >>> images = labelled_images(Squares())
        >>> [finding.problem for finding in model_findings(Finder(), labelled=images) if finding.problem]
        []
    """
    try:
        require_model(model)
    except UsageError as error:
        return [Finding("runs", str(error), "the object that the factory returns")]
    if has_stored_predictions(model):
        return [Finding("runs", skipped="it has stored predictions and gets no images")]
    given = [item.pixels for item in labelled] + list(images)
    prompts = _prompts(model, labelled)
    if getattr(model, "prompt", None) is not None:
        given = [item.pixels for item in labelled]
    if not given:
        return [Finding("runs", skipped="there is no image to run it on")]
    return list(_findings(model, given, labelled, prompts))


def _findings(
    model: Model, images: Sequence[Image], labelled: Sequence[LabelledImage], prompts: Sequence[Any] | None
) -> Iterator[Finding]:
    answers: list[Answer] = []
    raw: list[Any] = []
    for number, image in enumerate(images):
        copy = image.copy()
        returned, problem = raised(lambda copy=copy, number=number: _predict(model, [copy], prompts, [number]))  # type: ignore[misc]
        if problem is None and len(returned) != 1:  # type: ignore[arg-type]
            problem = f"{len(returned)} results for 1 image"  # type: ignore[arg-type]
        if problem is not None or returned is None:
            yield Finding("runs", f"on an image of {_size(image)}, alone: {problem}", "predict")
            return
        if not np.array_equal(copy, image):
            yield Finding("runs")
            yield Finding(
                "input", "predict modified the image that it was given", "copy the image before writing to it"
            )
            return
        raw.append(returned[0])
        answers.append(answer_of(returned[0]))
    yield Finding("runs")
    yield Finding("input")
    shapes = [image.shape[:2] for image in images]
    if not any(len(answer) for answer in answers):
        yield Finding("masks", skipped="nothing was found in the images")
        yield Finding("boxes", skipped="nothing was found in the images")
    else:
        broken = list(mask_findings(answers, shapes))
        if not any(finding.problem for finding in broken):
            broken += box_findings(answers, shapes, labelled)
        yield from broken
        if any(finding.problem for finding in broken):
            return
    if prompts is None:
        swapped = [_answer(model, np.ascontiguousarray(item.pixels[..., ::-1])) for item in labelled]
        yield from content_findings(model.categories, answers[: len(labelled)], swapped, labelled)
        yield _contract(model, raw, shapes)
    again = answer_of(_predict(model, [images[0].copy()], prompts, [0])[0])
    yield from _repeat(model, images, prompts, answers, again)
    yield from _batches(model, images, prompts, answers)
    yield _threads(model, images, prompts, answers)
    yield _memory(model, images, prompts)


def _answer(model: Model, image: Image) -> Answer:
    """Return the answer for one image; an empty one if the model raises."""
    returned, _ = raised(lambda: model.predict([image])[0])
    return answer_of(returned)


def _predict(model: Model, images: list[Image], prompts: Sequence[Any] | None, numbers: Sequence[int]) -> Sequence[Any]:
    if prompts is None:
        return model.predict(images)
    return model.predict(images, prompts=[prompts[number] for number in numbers])


def _prompts(model: Model, labelled: Sequence[LabelledImage]) -> list[Any] | None:
    """Return the prompts of a model that takes them, an array for each labelled image; None for other models."""
    kind = getattr(model, "prompt", None)
    if kind is None:
        return None
    if kind == "boxes":
        return [item.boxes.astype(np.float32) for item in labelled]
    centres = [(item.boxes[:, :2] + item.boxes[:, 2:]) / 2 for item in labelled]
    return [centre.astype(np.float32) for centre in centres]


def _contract(model: Model, raw: Sequence[Any], shapes: Sequence[tuple[int, int]]) -> Finding:
    try:
        once = [name for name, count in Counter(model.categories).items() if count == 1]
        labels = Labels(model.categories, [Category(i, name) for i, name in enumerate(once, 1)])
        for instances, shape in zip(raw, shapes, strict=True):
            validate_instances(instances, shape, labels)
    except ContractError as error:
        return Finding("contract", str(error), "help(segharness.Instances) has the rules")
    return Finding("contract")


def _repeat(
    model: Model, images: Sequence[Image], prompts: Sequence[Any] | None, answers: Sequence[Answer], again: Answer
) -> Iterator[Finding]:
    apart = difference(answers[0], again, score=1e-4, iou=0.999)
    if apart is not None:
        look = "dropout or batch norm in training mode, random numbers, or what is kept from one call to the next"
        yield Finding("repeat", f"the same image gave another answer: {apart}", look)
    else:
        yield Finding("repeat")


def _batches(
    model: Model, images: Sequence[Image], prompts: Sequence[Any] | None, answers: Sequence[Answer]
) -> Iterator[Finding]:
    """Yield what images beside one another, and their order, change."""
    orders = {"batch": list(range(len(images)))[:4], "order": list(range(len(images)))[:4][::-1]}
    if len(images) < 2:
        yield Finding("batch", skipped="there is one image only")
        return
    for rule, numbers in orders.items():
        batch = [images[number].copy() for number in numbers]
        returned, problem = raised(lambda batch=batch, numbers=numbers: _predict(model, batch, prompts, numbers))  # type: ignore[misc]
        if problem is None and len(returned) != len(batch):  # type: ignore[arg-type]
            problem = f"{len(returned)} results for {len(batch)} images"  # type: ignore[arg-type]
        if problem is not None or returned is None:
            look = "images of one call may have different sizes; one result each, in their order"
            yield Finding(rule, f"{len(batch)} images in one call: {problem}", look)
            return
        found = [answer_of(instances) for instances in returned]
        apart = [(n, text) for n, a in zip(numbers, found, strict=True) if (text := difference(answers[n], a))]
        if apart:
            if _permuted([answers[number] for number in numbers], found):
                yield Finding(
                    "order", "the results of several images are those of other images", "sorting or grouping in predict"
                )
            else:
                look = "padding to a common size, statistics over the batch, or thresholds over all of its instances"
                number, text = apart[0]
                yield Finding(
                    "batch", f"beside other images, image {number} has another answer than alone: {text}", look
                )
            return
        yield Finding(rule)


def _permuted(alone: Sequence[Answer], found: Sequence[Answer]) -> bool:
    """Return whether every answer found is that of one of the images alone, each of another one."""
    left = list(range(len(alone)))
    for answer in found:
        match = next((n for n in left if difference(alone[n], answer) is None), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _threads(
    model: Model, images: Sequence[Image], prompts: Sequence[Any] | None, answers: Sequence[Answer]
) -> Finding:
    """Compare with the answers on one core and one thread."""
    if not hasattr(os, "sched_setaffinity"):
        return Finding("threads", skipped="this system does not say on which cores a process runs")
    cores = os.sched_getaffinity(0)
    if len(cores) < 2 and "torch" not in sys.modules:
        return Finding("threads", skipped="this machine has one core")
    look = "sums over parts whose number is that of threads or cores"
    with _one_thread(cores):
        for number, image in list(enumerate(images))[:3]:
            returned, problem = raised(lambda i=image, n=number: _predict(model, [i.copy()], prompts, [n]))  # type: ignore[misc]
            text = problem or difference(answers[number], answer_of(returned[0]))  # type: ignore[index]
            if text:
                return Finding("threads", f"with one thread on one core the answer is another: {text}", look)
    return Finding("threads")


@contextlib.contextmanager
def _one_thread(cores: set[int]) -> Iterator[None]:
    torch: Any = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch is not None else 0
    os.sched_setaffinity(0, {min(cores)})
    if torch is not None:
        torch.set_num_threads(1 if threads > 1 else 2)  # predictions are made on one thread; see segharness-torch
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        if torch is not None:
            torch.set_num_threads(threads)


def device_finding(model: Model, other: Model, images: Sequence[Image], device: str) -> Finding:
    """Return whether a model finds the same on the processor and on another device.

    Args:
        model: on the processor.
        other: the same model on `device`.
        images: to compare them on.
        device: its name, for messages.
    """
    look = "half precision, or operators that differ between devices"
    for number, image in enumerate(images):
        answers, problem = raised(lambda i=image: [answer_of(m.predict([i.copy()])[0]) for m in (model, other)])  # type: ignore[misc]
        if problem is not None or answers is None:
            return Finding("device", f"on {device}: {problem}", "predict")
        if (text := difference(answers[0], answers[1], score=0.05)) is not None:
            return Finding(
                "device", f"on {device}, image {number} has another answer than on the processor: {text}", look
            )
    return Finding("device")


_CALLS, _CALLS_IF_SLOW, _SLOW = 8, 3, 0.15
"""Calls between two measurements; fewer of a model that takes more than so many seconds."""

_BYTES_A_CALL = 8 << 10
_RESIDENT_A_CALL = 2 << 20  # an allocator may keep some


def _memory(model: Model, images: Sequence[Image], prompts: Sequence[Any] | None) -> Finding:
    """Measure memory after 16, 24 and 32 calls: a cache of few images is full by then, a leak grows on."""
    start = time.perf_counter()
    sizes: list[int] = []
    resident: list[int] = []
    smallest = min(range(len(images)), key=lambda n: images[n].size)
    _predict(model, [images[smallest].copy()], prompts, [smallest])
    calls = _CALLS if time.perf_counter() - start < _SLOW else _CALLS_IF_SLOW
    started = not tracemalloc.is_tracing()
    if started:
        tracemalloc.start()
    try:
        for call in range(4 * calls):
            image = images[smallest].copy()
            image[0, 0] = call  # another image each time, for a cache that goes by content
            _, problem = raised(lambda image=image: _predict(model, [image], prompts, [smallest]))  # type: ignore[misc]
            if problem is not None:
                return Finding("memory", f"call {call + 1}: {problem}", "what is kept from one call to the next")
            if call % calls == calls - 1 and call > calls:
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
                resident.append(_resident())
    finally:
        if started:
            tracemalloc.stop()
    for measured, limit in ((sizes, _BYTES_A_CALL), (resident, _RESIDENT_A_CALL)):
        grown = [after - before for before, after in pairwise(measured)]
        if min(grown) > limit * calls:
            each = min(grown) / calls / 1024
            return Finding(
                "memory",
                f"memory grows by {each:.0f} KiB from call to call",
                "lists that are appended to, caches without a limit, and results that hold the tensors of the network",
            )
    return Finding("memory")


def _resident() -> int:
    """Return the resident memory of this process in bytes; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123  no file of anybody's
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _size(image: Image) -> str:
    return f"{image.shape[0]}x{image.shape[1]}"
