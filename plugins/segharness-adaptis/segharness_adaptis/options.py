"""Options of AdaptIS's models."""

from __future__ import annotations

from segharness import Option
from segharness.plugin.checks import one_of, whole_number

POINTS = Option(
    "`random` candidates, or those the `proposals` branch ranks highest; random", check=one_of("random", "proposals")
)
CANDIDATES = Option("points an iteration; 7 random ones, 1 proposal", check=whole_number(1, 1000))
NETWORK = Option(
    "whose weights are given: `toy` (the shipped widths) or `full` (the authors'); toy", check=one_of("toy", "full")
)
SEED = Option("of the random candidates; 0", check=whole_number(0))
