"""Whether a plugin fits this segharness: by the requirement that its distribution states, or by what it fails on."""

from __future__ import annotations

import re
from collections.abc import Iterable

_REQUIREMENT = re.compile(
    r"\s*segharness(?![\w.-])\s*(?:\[[^\]]*\])?\s*\(?\s*([^;)]*?)\s*\)?\s*(?:;.*)?", re.IGNORECASE
)
_NEWER = (
    re.compile(r"(?P<owner>\w+)\.__init__\(\) got an unexpected keyword argument '(?P<what>\w+)'"),
    re.compile(r"cannot import name '(?P<what>\w+)' from '(?P<owner>segharness(?:\.\w+)*)'"),
    re.compile(r"No module named '(?P<owner>segharness)\.(?P<what>[\w.]+)'"),
)
"""What a plugin fails on that was written for a later segharness, and does not say so in its requirement."""


def required_version(requirements: Iterable[str] | None) -> str:
    """Return the version specifier of segharness among a distribution's requirements; ``""`` if it has none.

    Example:
        >>> required_version(["numpy>=1.24", "segharness-torch>=3", "segharness<2,>=0.1"])
        '<2,>=0.1'
    """
    for requirement in requirements or ():
        if (match := _REQUIREMENT.fullmatch(requirement)) and "extra ==" not in requirement:
            return match.group(1)
    return ""


def unmet(specifier: str, version: str) -> str | None:
    """Return what is wrong if a version does not fulfil a specifier, or None.

    Example:
        >>> unmet(">=0.2", "0.1.0")
        'needs segharness >= 0.2, and 0.1.0 is installed: pip install -U segharness'
        >>> unmet("<1,>=0.1", "0.1.0") is None
        True
    """
    if not specifier or re.fullmatch(
        r">=\s*0(\.[01])?(\.0)*", specifier
    ):  # every release; spares an import at each start
        return None
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        accepted = SpecifierSet(specifier)
    except InvalidSpecifier:
        return f"needs segharness {specifier}, which is no version"
    if accepted.contains(version, prereleases=True):
        return None
    spaced = ", ".join(sorted(f"{part.operator} {part.version}" for part in accepted))
    too_old = any(part.operator in (">=", ">", "~=", "==") and not part.contains(version, True) for part in accepted)
    advice = "pip install -U segharness" if too_old else "look for a newer version of the plugin"
    return f"needs segharness {spaced}, and {version} is installed: {advice}"


def failure_of_a_newer_api(error: BaseException, version: str) -> str | None:
    """Return what a plugin fails on if that is a part of the API which this segharness does not have, or None."""
    for pattern in _NEWER:
        if match := pattern.search(str(error)):
            owner, what = match.group("owner"), match.group("what")
            return (
                f"uses `{what}` of `{owner}`, which segharness {version} does not have: it may need a newer one "
                "(pip install -U segharness), which its distribution should require"
            )
    return None
