"""The random generator of an image under a condition. Nothing else in the engine is random."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, dataset: str, image_id: int, corruption: str, severity: int) -> np.random.Generator:
    """Return the generator of an image under a condition.

    It is a Philox generator, keyed by 128 bits of BLAKE2b over the arguments. The draws therefore do not depend on
    order, batch, worker, thread or restart.

    Args:
        seed: the suite's seed.
        dataset: the name of the data set, not its id in the suite.
        image_id: the image's id.
        corruption: the name of the corruption or mixture.
        severity: the severity.

    Example:
        >>> int(generator(0, "coco/instances", 139, "fog", 3).integers(2**63))
        3043873445210146366
    """
    text = f"segharness:1:{seed}:{dataset}:{image_id}:{corruption}:{severity}"
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))
