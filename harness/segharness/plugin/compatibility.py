"""Whether a plugin fits this segharness: by the requirement that its distribution states, or by what it fails on."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from segharness.errors import nearest

_PLAIN = re.compile(r"segharness\s*\(?\s*((?:[<>=!~]=?\s*[\w.*+!-]+\s*,?\s*)*)\)?", re.IGNORECASE)
"""A requirement of segharness without extras, address and marker, which needs no further reading."""

_OTHERS = re.compile(r"\s*segharness(?![\w.-])", re.IGNORECASE)

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
    specifiers = []
    for text in requirements or ():
        if (plain := _PLAIN.fullmatch(text.strip())) is not None:
            specifiers.append(plain.group(1).strip())
        elif _OTHERS.match(text):
            specifiers += _that_holds(text)
    return ",".join(specifier for specifier in specifiers if specifier)


def _that_holds(text: str) -> list[str]:
    """Return the specifier of a requirement whose marker holds here; none of an extra, of an address, or of no form."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return []
    holds = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return [str(requirement.specifier)] if holds and requirement.url is None else []


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


def failure_of_a_newer_api(text: str, version: str) -> str | None:
    """Return what a plugin fails on if that is a part of the API which this segharness does not have, or None.

    Args:
        text: of the error that the plugin raised.
        version: of this segharness.
    """
    for pattern in _NEWER:
        if match := pattern.search(text):
            owner, what = match.group("owner"), match.group("what")
            if not owner.startswith("segharness") and owner not in _public_names():
                continue  # a class of the plugin's own
            hint = nearest(what, _parts_of(owner), listed=False)
            uses = f"uses `{what}` of `{owner}`, which segharness {version} does not have"
            return uses + (
                hint or ": it may need a newer one (pip install -U segharness), which it should then require"
            )
    return None


def _parts_of(owner: str) -> list[str]:
    """Return the fields of a spec, or the names of the public module."""
    import segharness

    if owner == "segharness":
        return _public_names()
    spec = getattr(segharness, owner, None) if owner in segharness.__all__ else None
    return [field.name for field in dataclasses.fields(spec)] if dataclasses.is_dataclass(spec) else []


def _public_names() -> list[str]:
    import segharness

    return segharness.__all__
