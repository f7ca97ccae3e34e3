"""Facts of a model that tables can group by: what plugins declare of it, what a suite adds, what a network counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

KNOWN = {
    "family": "the method, such as Mask R-CNN",
    "backbone": "such as ResNet-50-FPN",
    "normalisation": "such as frozen BN, SyncBN, GN",
    "initialisation": "ImageNet, scratch ...",
    "epochs": "of training",
    "augmentation": "such as large scale jitter",
    "masks": "which classes' masks it was trained on",
    "trained_on": "the data, such as COCO train2017",
    "parameters": "how many numbers the network learnt",
    "input_size": "of the images that it was published for, in pixels",
}
"""The names of facts that several plugins give; others are welcome."""

OF_TRAINING = (
    "initialisation",
    "epochs",
    "iterations",
    "augmentation",
    "recipe",
    "masks",
    "trained_on",
    "weights",
    "file",
)
"""Facts that a plugin declares of its published weights; other weights of the same network have others."""

_LONGEST = 200
MOST = 100
"""A model, its network and a suite each have at most so many facts."""


def facts_of(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts in some mappings; later ones win. A fact is a text, a number or a truth value.

    Example:
        >>> facts_of({"backbone": "R50", "published": {"mask AP": 37.1}}, {"epochs": 36})
        {'backbone': 'R50', 'epochs': 36}
    """
    merged: dict[str, Any] = {}
    for source in sources:
        own = ((key, plain(value)) for key, value in source.items())
        merged |= dict([(key, value) for key, value in own if is_fact(key, value)][:MOST])
    return merged


def plain(value: Any) -> Any:
    """Return a value; a number of numpy or torch as Python's.

    Example:
        >>> plain(True), plain("x")
        (True, 'x')
    """
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def is_fact(key: object, value: object) -> bool:
    """Return whether a key and a value have the form of a fact.

    Example:
        >>> is_fact("epochs", 36), is_fact("published", {"AP": 37.1})
        (True, False)
    """
    if not isinstance(key, str) or not 0 < len(key) <= 60:
        return False
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < 1 << 63
    return isinstance(value, str) and 0 < len(value) <= _LONGEST
