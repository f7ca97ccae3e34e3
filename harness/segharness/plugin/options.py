"""The options that models and data sets take from a suite."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from segharness.errors import PluginError, UsageError
from segharness.plugin.import_strings import Reference, is_reference, load


@dataclass(frozen=True)
class Option:
    """An option that a model or data set takes from a suite.

    Attributes:
        help: one line, for listings.

        Value:

        required: whether a suite must give it.
        variable: if a suite does not give the option, it has the value of the variable of this name: of ``--var``, of
            the environment, or of ``segharness config`` (``data.<variable>``).
        check: ``check(value)`` returns what is wrong with a value, such as ``"is 3, not true or false"``, or None; see
            `segharness.plugin.option_checks`. It is called before the first cell; with the absolute path for a `path`,
            and not for ``null``. It imports no framework, and cannot be combined with `code`.

        Kind of value:

        path: whether it is a file or folder. It is resolved against the suite's folder and must exist. Identities hold
            its content rather than its name.
        code: whether it is ``./file.py:function``, beside the suite. The factory gets the function, and identities hold
            the source.
        files: for a `path`, ``files(path)`` returns the paths whose content identities hold, if not all files of a
            folder count, or more than the one file.
        decides: whether it decides predictions. An option that does not, such as the address that weights of known
            content are fetched from, is not in identities.

    Example:
        >>> from segharness.plugin.option_checks import number
        >>> Option("drop instances with a lower score", check=number(0, 1)).problem(1.5)
        'is 1.5, not a number from 0 to 1'
    """

    help: str
    _: KW_ONLY
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
                "'package.module:function', and cannot be combined with `code`"
            )

    def problem(self, value: Any) -> str | None:
        """Return what `check` says is wrong with a value, or None."""
        message: str | None = load(self.check)(value) if self.check is not None else None
        return message

    def checked(self, name: str, value: Any) -> Any:
        """Return the value of the option called `name`, for factories that are not only called by suites.

        Raises:
            UsageError: `check` says that the value is wrong.
        """
        if (problem := self.problem(value)) is not None:
            raise UsageError(f"`{name}` {problem}")
        return value
