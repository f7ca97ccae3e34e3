"""Sees that a network's answers are numbers. Needs torch, and nothing of ours.

A network whose activations overflow, or whose weights are damaged, gives NaN; what compares scores with a threshold then
finds nothing, which looks like an answer. Here it is an error of the image.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch


class NotANumberError(ArithmeticError):
    """A part of a network gave NaN; the message names it."""


class Watch:
    """Looks at what the outer parts of a network give; the device is asked when it has predicted.

    Args:
        network: whose; its children and theirs are watched.
    """

    def __init__(self, network: Any) -> None:
        self._bad: list[tuple[str, Any]] = []
        self._watching = False
        for outer, child in network.named_children():
            for name, part in [(outer, child), *((f"{outer}.{n}", one) for n, one in child.named_children())]:
                part.register_forward_hook(self._hook(name))

    def _hook(self, name: str) -> Any:
        @_uncompiled
        def look(part: Any, given: Any, found: Any) -> None:
            if self._watching:
                self._bad += [(name, torch.isnan(tensor).any()) for tensor in _tensors(found)]

        return look

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look while a network predicts.

        Raises:
            NotANumberError: a part gave NaN.
        """
        self._bad.clear()
        self._watching = True
        try:
            yield
        finally:
            self._watching = False
        name = next((name for name, bad in self._bad if bool(bad)), None)
        if name is not None:
            raise NotANumberError(
                f"the network's `{name}` gives values that are not a number: its weights are damaged, or too large for the "
                "precision it runs in"
            )


def _uncompiled(function: Any) -> Any:
    """Return a function that torch.compile leaves alone, where there is such a thing."""
    disable = getattr(getattr(torch, "compiler", None), "disable", None)
    return function if disable is None else disable(function)


def _tensors(found: Any) -> Iterator[Any]:
    """Yield the tensors of floats in what a part of a network returned."""
    if torch.is_tensor(found):
        if found.is_floating_point():
            yield found
    elif isinstance(found, dict):
        for value in found.values():
            yield from _tensors(value)
    elif isinstance(found, (list, tuple)):
        for value in found:
            yield from _tensors(value)
