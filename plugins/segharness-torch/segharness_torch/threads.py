"""How many CPU threads torch uses, for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` CPU threads, and restore the number afterwards.

    Sums in another order have another last bit. The networks predict on one thread, so that their results do not depend
    on how many workers share a machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
