"""Code shared by models that are built next to their framework, perhaps in a foreign environment: Python 3.8 or later.

Needs torch, numpy and pycocotools, and no module of segharness that needs more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools import mask as rle

from segharness_torch.category_names import read_names
from segharness_torch.encoding import encode
from segharness_torch.nan_checks import first_nonfinite

RANDOM = "random"
"""The value of `weights` for a network that keeps its initial weights."""

_PRECISIONS = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}


class ForeignInstances:
    """The instances of one image; stands for `segharness.Instances`.

    Args:
        boxes: float32 (N, 4), x1 y1 x2 y2 in pixels; if None, the boxes of the masks.
        scores: float32 (N,).
        labels: int64 (N,).
        masks: N COCO RLEs, or None for boxes only.
        network_input: as `segharness_torch.input_watch.network_input` returns it.
    """

    def __init__(self, boxes: Any, scores: Any, labels: Any, masks: Any, network_input: Any = None) -> None:
        if boxes is None:
            boxes = np.array(rle.toBbox(masks), dtype=np.float32).reshape(len(masks), 4)
            boxes[:, 2:] += boxes[:, :2]
        self.boxes, self.scores, self.labels, self.masks = boxes, scores, labels, masks
        self.network_input = network_input


def segments(ids: Any, labels: Mapping[int, int], scores: Mapping[int, float]) -> ForeignInstances:
    """Return the segments of a panoptic map as instances.

    Args:
        ids: a tensor (H, W): the number of the segment that each pixel belongs to.
        labels: the label of every segment, by its number; pixels of other numbers are of no segment.
        scores: the scores of those that have one; the others get 1.
    """
    numbers = [number for number in torch.unique(ids).tolist() if number in labels]
    masks = torch.stack([ids == number for number in numbers]) if numbers else ids.new_zeros((0, *ids.shape)).bool()
    found = ForeignInstances(
        None,
        np.array([scores.get(number, 1.0) for number in numbers], dtype=np.float32),
        np.array([labels[number] for number in numbers], dtype=np.int64),
        encode(masks),
    )
    return found


class Precision:
    """The precision that a network predicts in.

    Raises:
        ValueError: the name is not ``float32``, ``float16`` or ``bfloat16``.
    """

    def __init__(self, name: str) -> None:
        if name not in _PRECISIONS:
            raise ValueError(f"`precision` is {name!r}, not {', '.join(_PRECISIONS)}")
        self._dtype = _PRECISIONS[name]

    def of(self, network: Any) -> Any:
        """Return the context in which a network predicts."""
        if self._dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(next(network.parameters()).device.type, self._dtype)


@contextlib.contextmanager
def file_errors(file: Any, what: str = "cannot be read") -> Iterator[None]:
    """Name a file in every error raised while it is read, or while a network is made from it.

    Args:
        file: the file.
        what: says in the message what failed.

    Raises:
        ValueError: the enclosed code raised an error.
    """
    try:
        yield
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # frameworks and configs that are code may raise any error
        message = " ".join(str(error).split())
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ValueError(f"{file}: {what}: {type(error).__name__}{line}: {message[:300]}") from error


def category_names(names_file: Any, model_names: Any, count: int | None) -> list[str]:
    """Return the names of a network's categories, and check their number.

    Args:
        names_file: a text file with one name per line, which overrides `model_names`; or None.
        model_names: the names that checkpoint or config hold; None if they hold none.
        count: how many categories the network has; None if unknown.

    Raises:
        ValueError: there are no names, or their number is not the network's.

    Example:
        >>> category_names(None, ("cat", "dog"), 2)
        ['cat', 'dog']
    """
    if names_file is not None:
        names = read_names(names_file)
    elif model_names is None:
        raise ValueError("neither checkpoint nor config name the categories: give the option `categories`")
    else:
        names = [model_names] if isinstance(model_names, str) else [str(name) for name in model_names]
    if count is not None and len(names) != count:
        where = f"{names_file} has" if names_file is not None else "checkpoint or config name"
        raise ValueError(
            f"the network has {count} categories, but {where} {len(names)}, {', '.join(names[:3])} ...: give the "
            "option `categories`, a text file with one name per line"
        )
    return names


def checked_overrides(settings: Any, overrides: Any) -> Mapping[str, Any]:
    """Return the overrides of a config, after checking that the config has each setting.

    Args:
        settings: the config, as nested mappings and lists.
        overrides: new values by dotted name, ``{"a.b.0.c": 1}``; or None.

    Raises:
        ValueError: the config has no such setting, or the setting is a number and the new value is not.
    """
    overrides = overrides or {}
    if not isinstance(overrides, Mapping):
        raise ValueError(f"`overrides` is {overrides!r:.60}, not settings with their values: {{a.b.c: 1}}")
    for key in overrides:
        value = settings
        for i, part in enumerate(key.split(".")):
            children = value if isinstance(value, Mapping) else {str(i): item for i, item in enumerate(_items(value))}
            if part not in children:
                owner = ".".join(key.split(".")[:i]) or "the config"
                has = ", ".join(sorted(map(str, children))[:20]) or "nothing"
                raise ValueError(f"`overrides`: the config has no {key}: {owner} has {has}")
            value = children[part]
        if _is_number(value) and not _is_number(overrides[key]) and overrides[key] is not None:
            raise ValueError(
                f"`overrides`: {key} is {overrides[key]!r:.60}, not a number, as {value!r} in the config is"
            )
    return overrides


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def as_tensors(state: Any, path: Path) -> dict[str, torch.Tensor]:
    """Return a state dict with its numpy arrays as tensors.

    Args:
        state: tensors or numpy arrays, by name.
        path: the file it was read from, for messages.

    Raises:
        ValueError: `state` is no such mapping, or is empty.
    """
    state = state if isinstance(state, Mapping) else {}
    tensors = {key: torch.as_tensor(np.asarray(v)) if isinstance(v, np.ndarray) else v for key, v in state.items()}
    if not tensors or not all(torch.is_tensor(value) for value in tensors.values()):
        raise ValueError(f"{path}: holds no state dict")
    return tensors


def load_state(network: Any, state: Mapping[str, torch.Tensor], path: Path, ignored: Sequence[str] = ()) -> None:
    """Load weights into a network. Like the frameworks do, ignore weights whose names the network does not have.

    Args:
        network: the network.
        state: the weights by name; may have ``_metadata``.
        path: the file they were read from, for messages.
        ignored: weights whose names contain one of these may be missing.

    Raises:
        ValueError: weights are missing, are not finite, or have other shapes.
    """
    own = network.state_dict()
    if (key := first_nonfinite({name: value for name, value in state.items() if name in own})) is not None:
        raise ValueError(f"{path}: `{key}` is not finite")
    try:
        missing, _ = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        shapes = [line.strip() for line in str(error).splitlines() if "size mismatch" in line]
        raise ValueError(f"{path}: weights of another network: {(shapes or [str(error)])[0][:200]}") from error
    missing = [key for key in missing if not any(part in key for part in ("num_batches_tracked", *ignored))]
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(f"{path}: weights of another network: they lack `{missing[0]}`{more}")
