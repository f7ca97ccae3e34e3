"""Options that the models of all PyTorch plugins take. Imports no framework."""

from __future__ import annotations

from segharness import Option
from segharness.plugin.option_checks import boolean, one_of, whole_number

from segharness_torch.category_names import check_names

PRECISION = Option(
    "float32, or float16 or bfloat16 if the device supports them; float32 when absent",
    check=one_of("float32", "float16", "bfloat16"),
)
EXECUTION = {
    "precision": PRECISION,
    "channels_last": Option(
        "store the network in memory with channels last, which is faster on some devices; no when absent", check=boolean
    ),
    "compile": Option("torch.compile the network; no when absent", check=boolean),
}
"""How a network is executed. All of it may change the last digits, so it is part of the identity of predictions."""

OUTPUT = Option(
    "`instances`, or `panoptic`: the segments of a panoptic network, things and stuff; instances when absent",
    check=one_of("instances", "panoptic"),
)

SEED = Option("the seed of random weights; 0 when absent", check=whole_number(0))


def categories(where: str) -> Option:
    """Return the option for a text file of category names; `where` ends its description: when it is needed."""
    return Option(f"a text file with one name per line, {where}", path=True, check=check_names)
