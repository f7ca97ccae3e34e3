"""One random generator an image and condition; nothing else in the engine is random."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, dataset: str, image_id: int, corruption: str, severity: int) -> np.random.Generator:
    """Return the generator of one image under one condition.

    Philox, keyed by 128 bits of BLAKE2b over the arguments, so that the draws depend on nothing else: not on order,
    batch, worker, thread or restart. `dataset` is the name of the data set's plugin, `corruption` that of the corruption
    or mixture.
    """
    text = f"segharness:1:{seed}:{dataset}:{image_id}:{corruption}:{severity}"
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))
