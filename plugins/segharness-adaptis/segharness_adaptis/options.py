"""The options of AdaptIS's models."""

from __future__ import annotations

from segharness import Option
from segharness.plugin.option_checks import one_of, whole_number

POINTS = Option(
    "`random` candidates, or those that the branch `proposals` ranks highest; random when absent",
    check=one_of("random", "proposals"),
)
CANDIDATES = Option("points an iteration; 7 random points or 1 proposal when absent", check=whole_number(1, 1000))
NETWORK = Option(
    "the network that the weights belong to: `toy` (the shipped widths) or `full` (the authors'); toy when absent",
    check=one_of("toy", "full"),
)
SEED = Option("the seed of the random candidates; 0 when absent", check=whole_number(0))
