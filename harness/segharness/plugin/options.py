"""The options that models and data sets take from a suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from segharness.errors import PluginError, UsageError
from segharness.plugin.import_strings import Reference, is_reference, load


@dataclass(frozen=True)
class Option:
    """An option that a model or data set takes from a suite.

    A `path` is resolved against the suite's folder, must exist, and enters identities by content rather than by name. Where
    not all of a folder counts, or more than the one file, `files(path)` returns the paths that do. What does not `decide`
    predictions, such as where weights are fetched from, whose content is known, is not in identities.
    `code` is ``./file.py:function``, beside the suite: the factory gets the function, and its source enters identities.
    `check(value)` returns what is wrong with a value, such as ``"is 3, not true or false"``, or None: see
    `segharness.plugin.checks`. It is called before the first cell, for a `path` with the absolute one, not for ``null``, and
    not beside `code`; it imports no framework.
    Where a suite does not give it, it has the value of the `variable` of that name: of ``--var``, of the environment, or of
    ``segharness config`` (``data.<variable>``).
    """

    help: str
    required: bool = False
    path: bool = False
    variable: str | None = None
    code: bool = False
    files: Reference | None = None
    decides: bool = True
    check: Reference | None = None

    def __post_init__(self) -> None:
        if self.check is not None and (self.code or not is_reference(self.check)):
            raise PluginError(
                f"Option `{self.help:.40}`: check is {self.check!r:.60}; it must be a function or "
                "'package.module:function', and not stand beside `code`"
            )

    def problem(self, value: Any) -> str | None:
        """Return what `check` says is wrong with a value, or None."""
        found: str | None = load(self.check)(value) if self.check is not None else None
        return found

    def checked(self, name: str, value: Any) -> Any:
        """Return a value of the option of that name, for factories that may be called by more than suites.

        Raises:
            UsageError: `check` says that it is wrong.
        """
        if (problem := self.problem(value)) is not None:
            raise UsageError(f"`{name}` {problem}")
        return value
