"""Exit codes, as pytest's."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What ``segharness`` returns to the shell."""

    OK = 0  # every cell ran
    FAILED = 1  # some cells failed
    INTERRUPTED = 2
    INTERNAL = 3  # an error of ours
    USAGE = 4  # what the user got wrong, found before the first cell ran
    NOTHING = 5  # no cell was selected
