"""Checks a model for what goes wrong in practice, and names the cause: labels, boxes, masks, channels, state.

The causes are looked for in the raw answers, before the contract is checked: a box that is "inverted" by the contract
is often one that was given as x, y, width, height.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from segharness.errors import ContractError, UsageError
from segharness.model.interface import has_stored_predictions, require_model
from segharness.model.labels import Labels
from segharness.model.outputs import validate_instances
from segharness.records import Category, Model
from segharness.testing.answer_checks import box_findings, content_findings, form_finding, mask_findings
from segharness.testing.findings import Finding, first_broken, listed, raised
from segharness.testing.labelled_images import LabelledImage
from segharness.testing.model_answers import Answer, answer_of
from segharness.testing.prompted_checks import PROMPTS, prompted_findings, prompts_of
from segharness.testing.state_checks import predict, state_findings

if TYPE_CHECKING:
    from segharness.records import Image


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
        images: uint8 RGB (H, W, 3); some should have objects that the model finds, and some should not be square.
        labelled: images with what is in them, as `labelled_images` takes them from a data set.

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
    if not all(isinstance(name, str) for name in model.categories):
        return [Finding("labels", "`categories` are not names", "`categories`: a name for each label, as texts")]
    kind = getattr(model, "prompt", None)
    if kind is not None and kind not in PROMPTS:
        return [Finding("prompts", f"`prompt` is {kind!r:.40}", f"`prompt`: {' or '.join(PROMPTS)}")]
    pixels = [item.pixels for item in labelled] + (list(images) if kind is None else [])
    if not pixels:
        return [Finding("runs", skipped="there is no image to run it on")]
    prompts = prompts_of(kind, labelled) if kind is not None else None
    return listed(_findings(model, pixels, labelled, prompts))


def _findings(
    model: Model, images: Sequence[Image], labelled: Sequence[LabelledImage], prompts: Sequence[Any] | None
) -> Iterator[Finding]:
    answers: list[Answer] = []
    raw: list[Any] = []
    for number, image in enumerate(images):
        copy = image.copy()
        returned, problem = raised(lambda copy=copy, number=number: list(predict(model, [copy], prompts, [number])))  # type: ignore[misc]
        if returned is not None and len(returned) != 1:
            problem = f"{len(returned)} results for 1 image"
        if problem is not None or returned is None:
            yield Finding("runs", f"on an image of {image.shape[0]}x{image.shape[1]}, alone: {problem}", "predict")
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
    if prompts is not None:
        of_answers = list(prompted_findings(raw, answers, labelled, prompts))
    else:
        of_answers = list(_of_answers(model, raw, answers, [image.shape[:2] for image in images], labelled))
    yield from of_answers
    broken = {finding.rule for finding in of_answers if finding.problem is not None}
    if not broken & {"form", "masks", "boxes", "contract", "prompts"}:
        yield from state_findings(model, images, prompts, answers)


def _of_answers(
    model: Model,
    raw: Sequence[Any],
    answers: Sequence[Answer],
    shapes: Sequence[tuple[int, int]],
    labelled: Sequence[LabelledImage],
) -> Iterator[Finding]:
    """Yield what is wrong with the answers of a model without prompts, causes first."""
    form = form_finding(raw, shapes)
    yield form
    if form.problem is not None:
        return
    if not any(len(answer) for answer in answers):
        yield Finding("masks", skipped="nothing was found in the images")
        yield Finding("boxes", skipped="nothing was found in the images")
    else:
        of_masks = list(mask_findings(answers, shapes))
        if not any(finding.problem for finding in of_masks):
            of_masks += box_findings(answers, shapes, labelled)
        yield from of_masks
        if any(finding.problem for finding in of_masks):
            return
    swapped = [_answer(model, np.ascontiguousarray(item.pixels[..., ::-1])) for item in labelled]
    yield from content_findings(model.categories, answers[: len(labelled)], swapped, labelled)
    yield _contract(model, raw, shapes)


def _answer(model: Model, image: Image) -> Answer:
    """Return the answer for one image; an empty one if the model raises."""
    returned, _ = raised(lambda: model.predict([image])[0])
    return answer_of(returned)


def _contract(model: Model, raw: Sequence[Any], shapes: Sequence[tuple[int, int]]) -> Finding:
    once = [name for name, count in Counter(model.categories).items() if count == 1]
    try:
        labels = Labels(model.categories, [Category(i, name) for i, name in enumerate(once, 1)])
        for instances, shape in zip(raw, shapes, strict=True):
            validate_instances(instances, shape, labels)
    except ContractError as error:
        return Finding("contract", str(error), "help(segharness.Instances) has the rules")
    return Finding("contract")
