"""Sees that weights and answers are numbers. Needs torch, and nothing of ours.

A network whose activations overflow, or whose weights are damaged, gives NaN. What compares scores with a threshold then
finds nothing, which looks like an answer. Here it is an error of the image.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch

_WHY = "is not a number: weights are damaged, or values too large for the precision"


class NotANumberError(ArithmeticError):
    """A part of a network gave NaN; the message names it.

    Args:
        what: the part.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} {_WHY}")


def first_nonfinite(state: Mapping[str, Any]) -> Any:
    """Return the name of the first weights that are not finite; None if all are. Quantized ones and whole numbers are."""
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value.float()).all()):
            return name
    return None


class NanDetector:
    """Looks at what the outer parts of a network give; the device is asked once, when it has predicted.

    Args:
        network: whose.
        depth: how far in, not counting lists of parts. Parts that are scripted cannot be watched, what is around them is.
    """

    def __init__(self, network: Any, depth: int = 3) -> None:
        self._seen: list[tuple[str, Any]] = []
        self._is_active = False
        for name, part in _parts(network, "", depth):
            part.register_forward_hook(self._hook(name))

    def _hook(self, name: str) -> Any:
        @_uncompiled
        def look(part: Any, given: Any, found: Any) -> None:
            if self._is_active:
                self._seen += [(name, tensor.amax()) for tensor in _tensors(found)]  # NaN where one is, and fast

        return look

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Look while a network predicts.

        Raises:
            NotANumberError: a part gave NaN.
        """
        self._seen.clear()
        self._is_active = True
        try:
            yield
        finally:
            self._is_active = False
            seen, self._seen = self._seen, []
        if seen:
            largest = torch.stack([value.to(seen[0][1].device, torch.float32) for _, value in seen]).tolist()
            name = next((name for (name, _), value in zip(seen, largest) if value != value), None)  # noqa: B905  Python 3.8
            if name is not None:
                raise NotANumberError(f"what the network's `{name}` gives")


def _parts(network: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, part in network.named_children():
        if isinstance(part, (torch.nn.ModuleList, torch.nn.ModuleDict)):  # is never called itself
            yield from _parts(part, f"{prefix}{name}.", depth)
        elif not isinstance(part, torch.jit.ScriptModule):
            yield f"{prefix}{name}", part
            if depth > 1:
                yield from _parts(part, f"{prefix}{name}.", depth - 1)


def _uncompiled(function: Any) -> Any:
    """Return a function that torch.compile leaves alone, where there is such a thing."""
    disable = getattr(getattr(torch, "compiler", None), "disable", None)
    return function if disable is None else disable(function)


def _tensors(found: Any) -> Iterator[Any]:
    """Yield the tensors of floats in what a part of a network returned."""
    if torch.is_tensor(found):
        if found.is_floating_point() and found.numel():
            yield found
    elif isinstance(found, Mapping):
        for value in found.values():
            yield from _tensors(value)
    elif isinstance(found, (list, tuple)):
        for value in found:
            yield from _tensors(value)
