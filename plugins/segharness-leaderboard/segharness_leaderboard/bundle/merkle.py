"""The Merkle tree of RFC 6962 over the parts of a bundle, with SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def merkle_root(leaves: Sequence[bytes]) -> str:
    """Return the root of the tree over some leaves, as hex.

    Example:
        >>> merkle_root([]) == hashlib.sha256().hexdigest()
        True
        >>> merkle_root([b"a", b"b"])[:16]
        'b137985ff484fb60'
    """
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    if not level:
        return hashlib.sha256().hexdigest()
    while len(level) > 1:  # a node without a sibling moves up: the same tree as RFC 6962's recursion
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\x01" + pair[0] + pair[1]).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0].hex()
