"""Seeds torch's own generators for a while, for code that can draw from no other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def torch_seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's generators of the CPU and of a CUDA device, and restore their states afterwards.

    `torch.manual_seed` would seed the generators of all devices, and they would stay seeded.

    Raises:
        ValueError: the seed is not a whole number.

    Example:
        >>> with torch_seeded(0):
        ...     first = torch.rand(3)
        >>> with torch_seeded(0):
        ...     second = torch.rand(3)
        >>> torch.equal(first, second)
        True
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"`seed` is {seed!r:.60}, not a whole number")
    device = torch.device(device)
    generators = [torch.default_generator]
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    states = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(seed)
        yield
    finally:
        for generator, state in zip(generators, states):  # noqa: B905  runs under Python 3.8 too
            generator.set_state(state)
