"""Everything that segharness raises on purpose.

::

    SegharnessError
    ├── UsageError               the user's mistake: message only, exit code 4
    │   ├── SuiteError           something in a suite file, with file:line:column
    │   ├── PluginError          a plugin that is missing, broken, or in conflict
    │   ├── DataError            a data set whose files are missing or broken
    │   └── StoreError           a run folder or result file that cannot be used as asked
    │       └── SchemaError      a file of a newer schema version
    ├── CellError                costs the cells it happened in, never the run
    │   ├── ImageError           an image that cannot be read or corrupted
    │   ├── NoPredictionsError   stored predictions that lack a condition
    │   └── ContractError        a model whose categories or answer break the contract
    └── LostError                costs the unit one more try, on a fresh worker

A ``UsageError`` carries one or more problems; each is one line that says what is wrong, where, and what would be right.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SegharnessError(Exception):
    """The root of the tree."""


class UsageError(SegharnessError):
    """A mistake of the user's; exit code 4 if it is found before the first cell runs.

    Args:
        problems: one message or several; each says what is wrong, where, and what would be right.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class SuiteError(UsageError):
    """A mistake in a suite file."""


class PluginError(UsageError):
    """A plugin that is missing, broken, or in conflict with another."""


class DataError(UsageError):
    """A data set whose files are missing or broken."""


class StoreError(UsageError):
    """A run folder or a result file that cannot be used as asked."""


class SchemaError(StoreError):
    """A file of a schema version that this segharness cannot read."""


class CellError(SegharnessError):
    """A failure that costs the cells it happened in."""


class ImageError(CellError):
    """An image that cannot be decoded, or that a corruption failed on."""


class NoPredictionsError(CellError):
    """Stored predictions that lack a condition. The message says what they have, and is the same for all conditions."""


class ContractError(CellError):
    """A model whose `categories` or answer break the contract."""


class LostError(SegharnessError):
    """A worker that cannot go on: the process of its model ended, or memory ran out. A fresh worker may succeed."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM. A `KeyboardInterrupt` itself that passes through ``exec`` lets Python end with signal 2."""


def coded(code: str, text: str) -> str:
    """Return a message with the code under which docs/troubleshooting.md and ``segharness explain`` say more.

    Example:
        >>> coded("T01", "2 images are missing")
        '2 images are missing (segharness explain T01)'
    """
    return f"{text} (segharness explain {code})"


def has_code(text: str) -> bool:
    """Return whether a message has a code already: that of its cause says more than that of what it led to.

    Example:
        >>> has_code(coded("T15", "out of memory")), has_code("out of memory")
        (True, False)
    """
    return "(segharness explain T" in text


def nearest(name: str, known: Iterable[str], listed: bool = True) -> str:
    """Return a hint for a message about an unknown name: the nearest known name, all of them, or nothing.

    Args:
        name: the unknown name.
        known: the names that exist.
        listed: whether to list the known names if none is near and there are at most 12.

    Example:
        >>> nearest("bicyle", ["motorcycle", "bicycle"])
        ' (did you mean `bicycle`?)'
        >>> nearest("x", ["car", "bus"])
        ' (known: bus, car)'
    """
    names = sorted(set(known))
    by_lower = {known_name.lower(): known_name for known_name in names}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    if matches:
        return f" (did you mean `{by_lower[matches[0]]}`?)"
    if listed and 0 < len(names) <= 12:
        return f" (known: {', '.join(names)})"
    return ""


def exit_text(code: int) -> str:
    """Return how a process ended, from its return code.

    Example:
        >>> exit_text(-9), exit_text(3)
        ('signal 9', 'exit code 3')
    """
    return f"signal {-code}" if code < 0 else f"exit code {code}"
