"""Checks that weights and outputs are numbers. Needs torch, not segharness.

A network whose activations overflow, or whose weights are damaged, gives NaN. No score then passes a threshold, and the
network seems to have found nothing. These checks turn that into an error of the image.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from segharness_torch.input_watch import uncompiled

_WHY = "is not a number: weights are damaged, or values too large for the precision"


class NotANumberError(ArithmeticError):
    """A part of a network gave NaN; the message names the part.

    Args:
        what: the subject of the message: ``what the network answers``.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} {_WHY}")


def first_nonfinite(state: Mapping[str, Any]) -> Any:
    """Return the name of the first tensor of a state dict that is not finite; None if all are.

    Whole numbers and quantised weights are always finite.

    Example:
        >>> first_nonfinite({"a": torch.zeros(2), "b": torch.tensor([1.0, float("nan")])})
        'b'
    """
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value.float()).all()):
            return name
    return None


class NanDetector:
    """Watches the outputs of a network's outer parts. The device is read once, after the prediction.

    Args:
        network: the network.
        depth: how many levels of parts are watched; lists of parts do not count. A scripted part cannot be watched, but
            the part around it is.
    """

    def __init__(self, network: Any, depth: int = 3) -> None:
        self._seen: list[tuple[str, Any]] = []
        self._is_active = False
        for name, part in _parts(network, "", depth):
            part.register_forward_hook(self._hook(name))

    def _hook(self, name: str) -> Any:
        @uncompiled
        def record(part: Any, inputs: Any, outputs: Any) -> None:
            if self._is_active:
                self._seen += [(name, tensor.amax()) for tensor in _tensors(outputs)]  # NaN if one value is; cheap

        return record

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Watch the network while it predicts.

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
        if isinstance(part, (torch.nn.ModuleList, torch.nn.ModuleDict)):  # never called itself
            yield from _parts(part, f"{prefix}{name}.", depth)
        elif not isinstance(part, torch.jit.ScriptModule):
            yield f"{prefix}{name}", part
            if depth > 1:
                yield from _parts(part, f"{prefix}{name}.", depth - 1)


def _tensors(output: Any) -> Iterator[Any]:
    """Yield the floating-point tensors in the output of a part."""
    if torch.is_tensor(output):
        if output.is_floating_point() and output.numel():
            yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, (list, tuple)):
        for value in output:
            yield from _tensors(value)
