"""Checks what a model's answers must not depend on: earlier calls, other images, threads, the device; and its memory."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from segharness.records import Model
from segharness.testing.findings import Finding, raised
from segharness.testing.model_answers import Answer, answer_of, difference

if TYPE_CHECKING:
    from segharness.records import Image

Prompts = Sequence[Any]
"""For each image an array of prompts."""


def predict(model: Model, images: list[Image], prompts: Prompts | None, numbers: Sequence[int]) -> Sequence[Any]:
    """Call a model as the harness does, with the prompts of the images of those numbers if it takes some."""
    if prompts is None:
        return model.predict(images)
    return model.predict(images, prompts=[prompts[number] for number in numbers])


def answers_alone(model: Model, image: Image, prompts: Prompts | None, number: int) -> tuple[Answer | None, str | None]:
    """Return the answer to one image alone, and None; or None, and what went wrong."""
    returned, problem = raised(lambda: list(predict(model, [image.copy()], prompts, [number])))
    if returned is None:
        return None, problem
    if len(returned) != 1:
        return None, f"{len(returned)} results for 1 image"
    return answer_of(returned[0]), None


def state_findings(
    model: Model, images: Sequence[Image], prompts: Prompts | None, answers: Sequence[Answer]
) -> Iterator[Finding]:
    """Yield what changes the answers to images, which are those of a first call for each image alone."""
    if not any(len(answer) for answer in answers):
        for rule in ("repeat", "batch", "order", "threads"):
            yield Finding(rule, skipped="nothing was found in the images")
    else:
        repeated = _repeat(model, images, prompts, answers)
        yield repeated
        if repeated.problem is None:
            yield from _batches(model, images, prompts, answers)
            yield _threads(model, images, prompts, answers)
    yield _memory(model, images, prompts)


def _repeat(model: Model, images: Sequence[Image], prompts: Prompts | None, answers: Sequence[Answer]) -> Finding:
    for number, image in enumerate(images):
        again, problem = answers_alone(model, image, prompts, number)
        apart = problem if again is None else difference(answers[number], again, score=1e-3)
        if apart is not None:
            look = "dropout or batch norm in training mode, random numbers, or what is kept from one call to the next"
            return Finding("repeat", f"the same image gave another answer: {apart}", look)
    return Finding("repeat")


def _batches(
    model: Model, images: Sequence[Image], prompts: Prompts | None, answers: Sequence[Answer]
) -> Iterator[Finding]:
    """Yield what images beside one another, and their order, change."""
    first = {image.shape: number for number, image in reversed(list(enumerate(images)))}
    mixed = [*sorted(first.values()), *(number for number in range(len(images)) if number not in first.values())][:4]
    orders = {"batch": mixed, "order": mixed[::-1]}  # images of different sizes first: they are what is padded
    if len(images) < 2:
        yield Finding("batch", skipped="there is one image only")
        return
    for rule, numbers in orders.items():
        batch = [images[number].copy() for number in numbers]
        returned, problem = raised(lambda batch=batch, numbers=numbers: list(predict(model, batch, prompts, numbers)))  # type: ignore[misc]
        if returned is not None and len(returned) != len(batch):
            problem = f"{len(returned)} results for {len(batch)} images"
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


def _threads(model: Model, images: Sequence[Image], prompts: Prompts | None, answers: Sequence[Answer]) -> Finding:
    """Compare with the answers on one core and one thread."""
    if not hasattr(os, "sched_setaffinity"):
        return Finding("threads", skipped="this system does not say on which cores a process runs")
    cores = os.sched_getaffinity(0)
    if len(cores) < 2 and "torch" not in sys.modules:
        return Finding("threads", skipped="this machine has one core")
    look = "sums over parts whose number is that of threads or cores"
    with _one_thread(cores):
        for number, image in list(enumerate(images))[:3]:
            answer, problem = answers_alone(model, image, prompts, number)
            text = problem if answer is None else difference(answers[number], answer)
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
    compared = False
    for number, image in enumerate(images):
        first, problem = answers_alone(model, image, None, number)
        second, of_other = answers_alone(other, image, None, number)
        if first is None or second is None:
            return Finding("device", f"on {device}: {problem or of_other}", "predict")
        compared |= len(first) > 0
        if (text := difference(first, second, score=0.05)) is not None:
            return Finding("device", f"on {device}, image {number} has another answer than here: {text}", look)
    return Finding("device") if compared else Finding("device", skipped="nothing was found in the images")


_CALLS, _CALLS_IF_SLOW, _SLOW = 8, 3, 0.15
"""Calls between two measurements; fewer of a model that takes more than so many seconds."""

_BYTES_A_CALL = 8 << 10
_RESIDENT_A_CALL = 2 << 20  # an allocator may keep some


def _memory(model: Model, images: Sequence[Image], prompts: Prompts | None) -> Finding:
    """Measure memory after 16, 24 and 32 calls: a cache of few images is full by then, a leak grows on."""
    start = time.perf_counter()
    sizes: list[int] = []
    resident: list[int] = []
    smallest = min(range(len(images)), key=lambda n: images[n].size)
    _, problem = answers_alone(model, images[smallest], prompts, smallest)
    if problem is not None:
        return Finding("memory", f"a later call: {problem}", "what is kept from one call to the next")
    calls = _CALLS if time.perf_counter() - start < _SLOW else _CALLS_IF_SLOW
    started = not tracemalloc.is_tracing()
    if started:
        tracemalloc.start()
    try:
        for call in range(4 * calls):
            image = images[smallest].copy()
            image[0, 0] = call  # another image each time, for a cache that goes by content
            _, problem = raised(lambda image=image: predict(model, [image], prompts, [smallest]))  # type: ignore[misc]
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
