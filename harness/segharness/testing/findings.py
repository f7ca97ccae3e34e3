"""What a check of a plugin's part found: a rule that holds, one that is broken, or one that could not be checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from segharness.plugin.failures import text_of


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        rule: what was checked, such as ``labels`` or ``batch``.
        problem: what is wrong, in one line; None if the rule holds or was not checked.
        look_at: where to look and what would be right; "" without a problem.
        skipped: why the rule was not checked; "" if it was.

    Example:
        >>> Finding("labels", "label 3 of 3 categories", "labels begin at 0").text()
        'labels: label 3 of 3 categories; look at: labels begin at 0'
    """

    rule: str
    problem: str | None = None
    look_at: str = ""
    skipped: str = ""

    def text(self) -> str:
        """Return the finding in one line."""
        if self.problem is not None:
            return f"{self.rule}: {self.problem}; look at: {self.look_at}"
        return f"{self.rule}: " + (f"not checked: {self.skipped}" if self.skipped else "ok")


Caught = TypeVar("Caught")


def first_broken(findings: Iterable[Finding]) -> None:
    """Raise AssertionError for the first finding with a problem.

    Example:
        >>> first_broken([Finding("labels")])
    """
    broken = [finding for finding in findings if finding.problem is not None]
    assert not broken, broken[0].text()


def listed(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings as a list; if the code that is checked raises where it must not, the last one says so."""
    found: list[Finding] = []
    _, problem = raised(lambda: found.extend(findings))
    if problem is not None:
        found.append(Finding("runs", problem, "what is called, or read, a second time or in another way"))
    return found


def raised(call: Callable[[], Caught]) -> tuple[Caught | None, str | None]:
    """Return what a plugin's code returned, and None; or None, and in one line what it raised."""
    try:
        return call(), None
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may raise anything
        return None, f"{type(error).__name__}: {text_of(error)}".splitlines()[0]
