"""torch's own generators, seeded for a while: for code that draws from nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def torch_seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's generator of the processor and that of a CUDA device; afterwards they are where they were.

    `torch.manual_seed` would seed those of all devices, and they would stay seeded.

    Raises:
        ValueError: the seed is no whole number.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"`seed` is {seed!r:.60}, not a whole number")
    device = torch.device(device)
    generators = [torch.default_generator]
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    before = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(seed)
        yield
    finally:
        for generator, state in zip(generators, before):  # noqa: B905  runs under Python 3.8 too
            generator.set_state(state)
