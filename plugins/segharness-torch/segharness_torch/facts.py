"""What a loaded network says of itself. Needs torch, not segharness; Python 3.8 or later."""

from __future__ import annotations

from typing import Any


def network_facts(network: Any) -> Any:
    """Return the facts of a network for an attribute `facts`: how many parameters it has.

    Example:
        >>> from torch import nn
        >>> network_facts(nn.Linear(3, 2))
        {'parameters': 8}
    """
    return {"parameters": sum(int(parameter.numel()) for parameter in network.parameters())}
