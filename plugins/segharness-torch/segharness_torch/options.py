"""Options that the models of all PyTorch plugins take. Imports no framework."""

from __future__ import annotations

from segharness import Option
from segharness.plugin.checks import boolean, one_of, whole_number

from segharness_torch.names import check_names

PRECISION = Option(
    "float32, or float16 or bfloat16 where the device has them; float32 when absent",
    check=one_of("float32", "float16", "bfloat16"),
)
EXECUTION = {
    "precision": PRECISION,
    "channels_last": Option(
        "the network's memory in that order, which some devices like better; no when absent", check=boolean
    ),
    "compile": Option("torch.compile the network; no when absent", check=boolean),
}
"""How a network is executed; all of it may move the last digits, and is part of what predictions are made from."""

SEED = Option("of random weights; 0", check=whole_number(0))


def categories(where: str) -> Option:
    """Return the option of a text file with a name a line; `where` says when it is needed."""
    return Option(f"a text file with a name a line, {where}", path=True, check=check_names)
