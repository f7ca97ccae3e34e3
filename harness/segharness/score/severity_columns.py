"""Severities in the names of columns: which columns of a table are one corruption at several severities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from segharness.errors import UsageError

_WORD = r"(?:s|sev|severity|level|lvl)"
_GAP = r"[\s_\-/@:.,=]"
_NUMBER = r"0*(?P<number>\d{1,2})"
_CLEAR = (
    re.compile(rf"(?P<stem>.*[^\W\d_]\w*?){_GAP}*[(\[]\s*{_WORD}?{_GAP}*{_NUMBER}\s*[)\]]", re.IGNORECASE),  # fog (3)
    re.compile(rf"(?P<stem>.+?){_GAP}+{_WORD}?{_GAP}*{_NUMBER}", re.IGNORECASE),  # fog-3, fog_s3, fog severity 3
    re.compile(rf"{_WORD}{_GAP}*{_NUMBER}{_GAP}+(?P<stem>\D.*)", re.IGNORECASE),  # s3_fog, severity 3: fog
)
_UNCLEAR = (
    re.compile(rf"(?P<stem>.*[^\W\d_]){_NUMBER}"),  # fog3, and noise_v2
    re.compile(rf"{_NUMBER}{_GAP}*(?P<stem>[^\W\d_].*)"),  # 3-fog, and 3d_blur
)
_LONGEST = 200
"""Longer names are not read: they would take long, and name no condition."""

_MOST = 20
"""Greater numbers are no severities, such as the year of a data set."""


def corruptions_of(columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the columns of each corruption, in the order of the table: severities of one corruption stand together.

    A column whose name has no severity, or that is alone with its stem, is a corruption of its own.

    Args:
        columns: the names of the columns.

    Raises:
        UsageError: the names may mean severities or not, one severity is there twice, or one is 0.

    Example:
        >>> corruptions_of(["fog-1", "fog-2", "snow"])
        {'fog': ('fog-1', 'fog-2'), 'snow': ('snow',)}
    """
    clear = {name: parsed for name in columns if (parsed := _parsed(name, _CLEAR)) is not None}
    stems = [stem for stem, _ in clear.values()]
    unclear: dict[str, list[str]] = {}
    for name in columns:
        if name not in clear and (parsed := _parsed(name, _UNCLEAR)) is not None:
            unclear.setdefault(parsed[0], []).append(name)
    problems = [
        f"columns {_list(names)}: are they severities of `{stem}`? give --severities average, or separate if each is a "
        "condition of its own"
        for stem, names in unclear.items()
        if len(names) > 1
    ]
    groups: dict[str, tuple[str, ...]] = {}
    for name in columns:
        stem = clear[name][0] if name in clear and stems.count(clear[name][0]) > 1 else name
        groups[stem] = (*groups.get(stem, ()), name)
    problems += _contradictions(groups, {name: number for name, (_, number) in clear.items()}, columns)
    if problems:
        raise UsageError(problems)
    return groups


def averaged(columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the columns of each corruption, where every number in a name is a severity: ``--severities average``."""
    groups: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, int] = {}
    for name in columns:
        parsed = _parsed(name, (*_CLEAR, *_UNCLEAR))
        stem, numbers[name] = parsed if parsed is not None else (name, -1)
        groups[stem] = (*groups.get(stem, ()), name)
    if problems := _contradictions(groups, numbers, ()):
        raise UsageError(problems)
    return groups


def _contradictions(
    groups: Mapping[str, Sequence[str]], numbers: Mapping[str, int], columns: Sequence[str]
) -> list[str]:
    problems = []
    for stem, names in groups.items():
        severities = [numbers[name] for name in names if name in numbers]
        if len(names) > 1 and len(set(severities)) < len(names):
            problems.append(f"columns {_list(names)}: one severity of `{stem}` is there twice; --severities separate?")
        elif len(names) > 1 and 0 in severities:
            problems.append(f"columns {_list(names)}: severity 0 is no corruption; leave it out with --ignore")
        if len(names) > 1 and stem in columns:
            problems.append(f"column `{stem}` stands beside {_list(names)}: leave one of them out with --ignore")
    return problems


def _parsed(name: str, forms: Sequence[re.Pattern[str]]) -> tuple[str, int] | None:
    """Return the stem and the severity in a name, or None."""
    for form in forms if len(name) <= _LONGEST else ():
        match = form.fullmatch(name.strip())
        if match is None:
            continue
        number = int(match["number"])
        if number <= _MOST:
            return match["stem"].strip(" _-/@:.,="), number
    return None


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
