"""Decodes the outputs of queries into instances and segments. Pure torch, on the device of the logits.

There are Q queries and C classes. Masks have three sizes (rows, columns): h w of the logits; the network's input, of
which the image fills `content` at the top left and the rest is padding; and H W of the image itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812

Size = tuple[int, int]

_PIXELS = 1 << 25
"""How many mask pixels are held in floating point at a time, at the image's size."""


@dataclass(frozen=True)
class Geometry:
    """Sizes (rows, columns) of an image on its way through the network.

    Attributes:
        padded: the network's input.
        content: the part of the input that is image, at the top left.
        image: the original image.
    """

    padded: Size
    content: Size
    image: Size


@dataclass(frozen=True)
class QueryMasks:
    """N instances or segments.

    Attributes:
        boxes: float (N, 4), x1 y1 x2 y2 in pixels of the image; x2 and y2 are one past the last pixel.
        scores: float (N,).
        labels: int64 (N,).
        masks: bool (M, H, W), or None for boxes only.
        which: int64 (N,), the index of each instance's mask; several classes of a query share a mask.
    """

    boxes: torch.Tensor
    scores: torch.Tensor
    labels: torch.Tensor
    masks: torch.Tensor | None
    which: torch.Tensor


def resized(logits: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """Return mask logits (N, h, w) at the image's size (N, H, W): bilinear to the input, cropped, bilinear again."""
    rows, columns = geometry.content
    return _interpolated(_interpolated(logits.float(), geometry.padded)[:, :rows, :columns], geometry.image)


def _interpolated(logits: torch.Tensor, size: Size) -> torch.Tensor:
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def _chunks(logits: torch.Tensor, geometry: Geometry) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield chunks of queries: the index of the first one, and their logits at the image's size."""
    rows, columns = geometry.image
    step = max(1, _PIXELS // max(1, rows * columns))
    for first in range(0, len(logits), step):
        yield first, resized(logits[first : first + step], geometry)


def boxes_of(masks: torch.Tensor) -> torch.Tensor:
    """Return the boxes x1 y1 x2 y2, float (N, 4), of masks (N, H, W); an empty mask has zeros.

    Example:
        >>> boxes_of(torch.tensor([[[0, 0, 0], [0, 1, 1]]], dtype=torch.bool))
        tensor([[1., 1., 3., 2.]])
    """
    sides = []
    for dim in (1, 2):  # columns, then rows
        occupied = masks.any(dim=dim).int()
        first, last = occupied.argmax(dim=1), occupied.shape[1] - occupied.flip(1).argmax(dim=1)
        sides.append((first, torch.where(occupied.any(dim=1), last, first)))
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
    """Return the instances of Mask2Former and similar models: the likeliest pairs of a query and a class, best first.

    A mask is where the logit is over 0; instances without a pixel are dropped. There is no lower limit for scores.

    Args:
        classes: logits (Q, C + 1); the last class is "no object".
        masks: logits (Q, h, w).
        geometry: the sizes of the image.
        most: the largest number of pairs.
        things: bool (C,), the classes that are used; None: all.
        mask_score: multiply the probability of the class by the mean probability of the mask's pixels.
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
        positive = logits > 0
        binary[first : first + len(positive)] = positive
        inside = (logits.sigmoid() * positive).sum(dim=(1, 2))
        means[first : first + len(positive)] = inside / positive.sum(dim=(1, 2)).clamp(min=1)
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
    """Return the instances of DETR: every query with its likeliest class, best first.

    A mask is where its probability is over 0.5. An instance without a pixel stays: its box is predicted separately.

    Args:
        classes: logits (Q, C + 1); the last class is "no object".
        boxes: (Q, 4), centre x y, width, height, as fractions of the image.
        masks: logits (Q, h, w); None without mask head.
        geometry: the sizes of the image.
        most: the largest number of instances.
        things: bool (C,), the classes that are used; None: all.
    """
    probabilities = classes.float().softmax(dim=-1)[:, :-1]
    if things is not None:
        probabilities = probabilities.masked_fill(~things, -1)
    scores, labels = probabilities.max(dim=-1)
    scores, order = scores.sort(descending=True, stable=True)
    order = order[scores >= 0][:most]  # empty if no class is a thing
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

    Queries whose likeliest class is an object, with a probability over `object_threshold`, compete for every pixel. The
    highest product of class and pixel probability wins the pixel. The winner's segment has it if the pixel probability
    is at least 0.5. A query gets no segment if it wins less than `overlap` of its mask, or if no pixel is left. The
    segments of a class that is not a thing are merged; the merged segment has their best score.

    Args:
        classes: logits (Q, C + 1); the last class is "no object".
        masks: logits (Q, h, w).
        geometry: the sizes of the image.
        things: bool (C,); None: all classes are things.
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
    stuff_index: dict[int, int] = {}
    segments: list[torch.Tensor] = []
    scored: list[tuple[float, int]] = []
    for number, (score, label) in enumerate(zip(scores.tolist(), labels.tolist(), strict=True)):
        won = winner == number
        mask = won & binary[number]
        area = int(binary[number].sum())
        if not bool(mask.any()) or int(won.sum()) / area < overlap:
            continue
        if things is not None and not bool(things[label]):
            if label in stuff_index:
                index = stuff_index[label]
                segments[index] = segments[index] | mask
                scored[index] = (max(scored[index][0], score), label)
                continue
            stuff_index[label] = len(segments)
        segments.append(mask)
        scored.append((score, label))
    stacked = torch.stack(segments) if segments else binary[:0]
    return QueryMasks(
        boxes_of(stacked),
        torch.tensor([score for score, _ in scored], dtype=torch.float32),
        torch.tensor([label for _, label in scored], dtype=torch.int64),
        stacked,
        torch.arange(len(scored)),
    )
