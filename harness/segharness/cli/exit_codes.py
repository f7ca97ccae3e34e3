"""Exit codes, the same as pytest's."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of ``segharness``."""

    OK = 0  # every cell ran
    FAILED = 1  # some cells failed
    INTERRUPTED = 2
    INTERNAL = 3  # a bug in segharness or in a plugin
    USAGE = 4  # a mistake of the user, found before the first cell ran
    NOTHING = 5  # no cell was selected
