"""What models share that are made where their framework is, perhaps under another interpreter: Python 3.8 or later.

Needs torch, numpy and pycocotools, and nothing of ours but what needs no more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools import mask as rle

from segharness_torch.finite import first_nonfinite
from segharness_torch.names import read_names

RANDOM = "random"
"""What `weights` says where a network is to have those that it begins with."""

_PRECISIONS = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}


class ForeignInstances:
    """What was found in one image: as `segharness.Instances`.

    Args:
        boxes: float32 (N, 4), x1 y1 x2 y2; those of the masks where None.
        scores: float32 (N,).
        labels: int64 (N,).
        masks: N COCO RLEs, or None for boxes only.
    """

    def __init__(self, boxes: Any, scores: Any, labels: Any, masks: Any) -> None:
        if boxes is None:
            boxes = np.array(rle.toBbox(masks), dtype=np.float32).reshape(len(masks), 4)
            boxes[:, 2:] += boxes[:, :2]
        self.boxes, self.scores, self.labels, self.masks = boxes, scores, labels, masks


class Precision:
    """The precision that a network predicts in.

    Raises:
        ValueError: there is none of that name.
    """

    def __init__(self, name: str) -> None:
        if name not in _PRECISIONS:
            raise ValueError(f"`precision` is {name!r}, not {', '.join(_PRECISIONS)}")
        self._kind = _PRECISIONS[name]

    def of(self, network: Any) -> Any:
        """Return the context in which a network predicts."""
        if self._kind is None:
            return contextlib.nullcontext()
        return torch.autocast(next(network.parameters()).device.type, self._kind)


@contextlib.contextmanager
def naming(file: Any, what: str = "cannot be read") -> Iterator[None]:
    """Name a file in whatever is raised while it is read, or while a network is made of it.

    Raises:
        ValueError: it cannot be; `what` is how the message says that.
    """
    try:
        yield
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # a framework raises anything, and so does a config that is code
        said = " ".join(str(error).split())
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ValueError(f"{file}: {what}: {type(error).__name__}{line}: {said[:300]}") from error


def names_of(given: Any, known: Any, count: int | None) -> list[str]:
    """Return the names of the categories of a network, and see that it has so many.

    Args:
        given: a text file with a name a line, which comes before `known`; or None.
        known: what checkpoint or config say; None where they don't.
        count: how many categories the network has, where that can be said.

    Raises:
        ValueError: nobody says, or they are more or fewer than the network's.
    """
    if given is not None:
        names = read_names(given)
    elif known is None:
        raise ValueError(
            "neither checkpoint nor config say what the categories are called: give the option `categories`"
        )
    else:
        names = [known] if isinstance(known, str) else [str(name) for name in known]
    if count is not None and len(names) != count:
        where = f"{given} has" if given is not None else "checkpoint or config name"
        raise ValueError(
            f"the network has {count} categories, but {where} {len(names)}, {', '.join(names[:3])} ...: give the option "
            "`categories`, a text file with a name a line"
        )
    return names


def changed(settings: Any, overrides: Any) -> Mapping[str, Any]:
    """Return overrides of a config whose settings exist, as mappings and lists, by their dotted names.

    Raises:
        ValueError: there is no such setting, or it is a number there and something else here.
    """
    overrides = overrides or {}
    if not isinstance(overrides, Mapping):
        raise ValueError(f"`overrides` is {overrides!r:.60}, not settings with their values: {{a.b.c: 1}}")
    for key in overrides:
        found = settings
        for i, part in enumerate(key.split(".")):
            there = found if isinstance(found, Mapping) else {str(i): one for i, one in enumerate(_items(found))}
            if part not in there:
                owner = ".".join(key.split(".")[:i]) or "the config"
                has = ", ".join(sorted(map(str, there))[:20]) or "nothing"
                raise ValueError(f"`overrides`: the config has no {key}: {owner} has {has}")
            found = there[part]
        if _is_number(found) and not _is_number(overrides[key]) and overrides[key] is not None:
            raise ValueError(
                f"`overrides`: {key} is {overrides[key]!r:.60}, not a number, as {found!r} in the config is"
            )
    return overrides


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def tensors_of(state: Any, path: Path) -> dict[str, torch.Tensor]:
    """Return a state dict whose values are tensors or numpy arrays as one of tensors.

    Raises:
        ValueError: it is something else; the message names `path`.
    """
    state = state if isinstance(state, Mapping) else {}
    found = {key: torch.as_tensor(np.asarray(v)) if isinstance(v, np.ndarray) else v for key, v in state.items()}
    if not found or not all(torch.is_tensor(value) for value in found.values()):
        raise ValueError(f"{path}: holds no state dict")
    return found


def load_state(network: Any, state: Mapping[str, torch.Tensor], path: Path, ignored: Sequence[str] = ()) -> None:
    """Give a network weights. Names that it does not know are left out, as frameworks do.

    Args:
        network: whose.
        state: by name; may have ``_metadata``.
        path: for messages.
        ignored: parts of names that may be missing.

    Raises:
        ValueError: weights are missing, are not finite, or have other shapes.
    """
    known = network.state_dict()
    if (key := first_nonfinite({name: value for name, value in state.items() if name in known})) is not None:
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
