"""From what queries answer to instances and segments. Pure torch, on whatever device the logits are.

Q queries, C classes, masks in three sizes (rows, columns): h w of the logits, then the network's input, of which the
image fills `content` from the top left corner and the rest is padding, then H W of the image itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812

Size = tuple[int, int]

_PIXELS = 1 << 25
"""How many pixels of masks are in floating point at a time, at the image's size."""


@dataclass(frozen=True)
class Geometry:
    """Sizes (rows, columns).

    Attributes:
        padded: of the network's input.
        content: of the part of it that is image, at the top left.
        image: of the image given.
    """

    padded: Size
    content: Size
    image: Size


@dataclass(frozen=True)
class QueryMasks:
    """N instances or segments.

    Attributes:
        boxes: float (N, 4), x1 y1 x2 y2 in pixels of the image; x2 and y2 are behind the last pixel.
        scores: float (N,).
        labels: int64 (N,).
        masks: bool (M, H, W), or None for boxes only.
        which: int64 (N,), which of the M masks is whose: several classes of a query share one.
    """

    boxes: torch.Tensor
    scores: torch.Tensor
    labels: torch.Tensor
    masks: torch.Tensor | None
    which: torch.Tensor


def resized(logits: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """Return mask logits (N, h, w) at the image's size (N, H, W): bilinear to the input, cropped, bilinear again."""
    rows, columns = geometry.content
    return _to(_to(logits.float(), geometry.padded)[:, :rows, :columns], geometry.image)


def _to(logits: torch.Tensor, size: Size) -> torch.Tensor:
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def _chunks(logits: torch.Tensor, geometry: Geometry) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield the first query of a few, and their logits at the image's size."""
    rows, columns = geometry.image
    step = max(1, _PIXELS // max(1, rows * columns))
    for first in range(0, len(logits), step):
        yield first, resized(logits[first : first + step], geometry)


def boxes_of(masks: torch.Tensor) -> torch.Tensor:
    """Return the boxes x1 y1 x2 y2, float (N, 4), of masks (N, H, W); zeros for an empty one."""
    sides = []
    for dim in (1, 2):  # columns, then rows
        there = masks.any(dim=dim).int()
        first, last = there.argmax(dim=1), there.shape[1] - there.flip(1).argmax(dim=1)
        sides.append((first, torch.where(there.any(dim=1), last, first)))
    (x1, x2), (y1, y2) = sides
    return torch.stack([x1, y1, x2, y2], dim=1).float()


def instances(
    classes: torch.Tensor,
    masks: torch.Tensor,
    geometry: Geometry,
    most: int = 100,
    things: torch.Tensor | None = None,
    mask_score: bool = True,
) -> QueryMasks:
    """Return the instances of Mask2Former and its like: the likeliest pairs of a query and a class, in that order.

    The mask is where the logit is over 0; instances without a pixel are dropped. No score is too low.

    Args:
        classes: logits (Q, C + 1), no object last.
        masks: logits (Q, h, w).
        geometry: of the image.
        most: how many pairs.
        things: bool (C,), the classes looked at; all when None.
        mask_score: the probability of the class is multiplied by the mean one of the mask's pixels.
    """
    probabilities = classes.float().softmax(dim=-1)[:, :-1]
    count = probabilities.shape[1]
    labels = torch.arange(count, device=classes.device)
    if things is not None:
        labels = labels[things]
        probabilities = probabilities[:, things]
    scores, pairs = probabilities.flatten().sort(descending=True, stable=True)
    scores, pairs = scores[:most], pairs[:most]
    width = max(1, probabilities.shape[1])
    queries, which = torch.unique(pairs // width, return_inverse=True)
    labels = labels[pairs % width]
    size = (len(queries), *geometry.image)
    binary, means = torch.zeros(size, dtype=torch.bool, device=masks.device), torch.zeros(size[0], device=masks.device)
    for first, logits in _chunks(masks[queries], geometry):
        here = logits > 0
        binary[first : first + len(here)] = here
        inside = (logits.sigmoid() * here).sum(dim=(1, 2))
        means[first : first + len(here)] = inside / here.sum(dim=(1, 2)).clamp(min=1)
    kept = binary.flatten(1).any(dim=1)[which]
    scores, labels, which = scores[kept], labels[kept], which[kept]
    if mask_score:
        scores = scores * means[which]
    return QueryMasks(boxes_of(binary)[which], scores, labels, binary, which)


def detections(
    classes: torch.Tensor,
    boxes: torch.Tensor,
    masks: torch.Tensor | None,
    geometry: Geometry,
    most: int = 100,
    things: torch.Tensor | None = None,
) -> QueryMasks:
    """Return the instances of DETR: every query with its likeliest class, the likeliest first.

    A mask is where its probability is over 0.5; one without a pixel stays, for the box is predicted by itself.

    Args:
        classes: logits (Q, C + 1), no object last.
        boxes: (Q, 4), centre x y, width, height, as parts of the image.
        masks: logits (Q, h, w), or None without mask head.
        geometry: of the image.
        most: how many.
        things: bool (C,), the classes looked at; all when None.
    """
    probabilities = classes.float().softmax(dim=-1)[:, :-1]
    if things is not None:
        probabilities = probabilities.masked_fill(~things, -1)
    scores, labels = probabilities.max(dim=-1)
    scores, order = scores.sort(descending=True, stable=True)
    order = order[scores >= 0][:most]  # none where nothing is a thing
    scores, labels = scores[: len(order)], labels[order]
    centre, extent = boxes.float()[order].split(2, dim=-1)
    rows, columns = geometry.image
    scale = torch.tensor([columns, rows] * 2, device=boxes.device)
    corners = torch.cat([centre - extent / 2, centre + extent / 2], dim=-1) * scale
    binary = None
    if masks is not None:
        binary = torch.zeros((len(order), rows, columns), dtype=torch.bool, device=masks.device)
        for first, logits in _chunks(masks[order], geometry):
            binary[first : first + len(logits)] = logits.sigmoid() > 0.5
    return QueryMasks(corners, scores, labels, binary, torch.arange(len(order), device=classes.device))


def panoptic(
    classes: torch.Tensor,
    masks: torch.Tensor,
    geometry: Geometry,
    things: torch.Tensor | None = None,
    object_threshold: float = 0.8,
    overlap: float = 0.8,
) -> QueryMasks:
    """Return segments that do not overlap, in the order of their queries.

    Queries whose likeliest class is an object's, with more than `object_threshold`, compete for every pixel with the
    product of the probabilities of class and pixel; the winner has it where its own probability is at least 0.5. Where
    all that a query wins is less than `overlap` of its mask, or nothing is left, there is no segment. Those of one
    class that is no thing become one, with the best score of them.

    Args:
        classes: logits (Q, C + 1), no object last.
        masks: logits (Q, h, w).
        geometry: of the image.
        things: bool (C,); all are things when None.
        object_threshold, overlap: as above.
    """
    scores, labels = classes.float().softmax(dim=-1).max(dim=-1)
    kept = (labels < classes.shape[1] - 1) & (scores > object_threshold)
    scores, labels, masks = scores[kept], labels[kept], masks[kept]
    binary = torch.zeros((len(scores), *geometry.image), dtype=torch.bool, device=masks.device)
    best = torch.full(geometry.image, -1.0, device=masks.device)
    winner = torch.zeros(geometry.image, dtype=torch.int64, device=masks.device)
    for first, logits in _chunks(masks, geometry):
        probabilities = logits.sigmoid()
        last = first + len(logits)
        binary[first:last] = probabilities >= 0.5
        value, query = (probabilities * scores[first:last, None, None]).max(dim=0)
        better = value > best
        best, winner = torch.where(better, value, best), torch.where(better, query + first, winner)
    places: dict[int, int] = {}
    segments: list[torch.Tensor] = []
    found: list[tuple[float, int]] = []
    for query, (score, label) in enumerate(zip(scores.tolist(), labels.tolist(), strict=True)):
        won = winner == query
        mask = won & binary[query]
        area = int(binary[query].sum())
        if not bool(mask.any()) or int(won.sum()) / area < overlap:
            continue
        if things is not None and not bool(things[label]):
            if label in places:
                place = places[label]
                segments[place] = segments[place] | mask
                found[place] = (max(found[place][0], score), label)
                continue
            places[label] = len(segments)
        segments.append(mask)
        found.append((score, label))
    stacked = torch.stack(segments) if segments else binary[:0]
    return QueryMasks(
        boxes_of(stacked),
        torch.tensor([score for score, _ in found], dtype=torch.float32),
        torch.tensor([label for _, label in found], dtype=torch.int64),
        stacked,
        torch.arange(len(found)),
    )
