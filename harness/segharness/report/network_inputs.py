"""What networks were given of the images, in words, from a results' manifest, which may come from anybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard


def network_input_texts(recorded: Any) -> dict[str, dict[str, str]]:
    """Return what the networks were given, by data set and model; what is not in the form of the manifest is left out.

    Example:
        >>> network_input_texts([{"model": "a", "dataset": "toy", "height": [96, 96], "width": [96, 96],
        ...     "interpolation": ["none"], "padded": False, "known": 9, "unknown": 0}])
        {'toy': {'a': '96x96, unscaled'}}
    """
    texts: dict[str, dict[str, str]] = {}
    for item in recorded if isinstance(recorded, list) else ():
        if isinstance(item, Mapping) and (text := _text(item)) is not None:
            texts.setdefault(str(item.get("dataset")), {})[str(item.get("model"))] = text
    return texts


def _text(item: Mapping[str, Any]) -> str | None:
    height, width, how = item.get("height"), item.get("width"), item.get("interpolation")
    if not (_is_range(height) and _is_range(width) and isinstance(how, list) and all(isinstance(h, str) for h in how)):
        return None
    (least_h, most_h), (least_w, most_w) = height, width
    size = (
        f"{least_h}x{least_w}" if (least_h, least_w) == (most_h, most_w) else f"{least_h}-{most_h}x{least_w}-{most_w}"
    )
    scaled = [name for name in how if name != "none"]
    ways = [", ".join(scaled)[:100]] if scaled else ["unscaled"]
    if scaled and "none" in how:
        ways.append("some unscaled")
    if item.get("padded") is True:
        ways.append("padded")
    if type(unknown := item.get("unknown")) is int and 0 < unknown < 1 << 63:
        ways.append(f"not known of {unknown} predictions")
    return ", ".join([size, *ways])


def _is_range(value: Any) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list) and len(value) == 2 and all(type(side) is int and 0 <= side < 1 << 31 for side in value)
    )
