"""Command-line arguments -> suite files: paths, directories, node ids; no argument means ``suites/``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segharness.errors import UsageError, nearest
from segharness.suite.local_models import exists

_IS_SUITE = re.compile(r"""^\s*\{?\s*["']?segharness["']?\s*:""", re.MULTILINE)


@dataclass(frozen=True)
class SuiteArgument:
    """A suite file to load, as the user wrote it, and the node-id parts asked for in it."""

    file: Path
    shown: str
    parts: tuple[tuple[str, ...], ...]


def find_suites(arguments: Sequence[str]) -> list[SuiteArgument]:
    """Return the suite files that the arguments name, each once, in order.

    Raises:
        UsageError: a path does not exist, or is a file without a `segharness:` key.
    """
    found: dict[str, list[tuple[str, ...]]] = {}
    whole: set[str] = set()
    problems: list[str] = []
    for argument in arguments or ["suites"]:
        path, *parts = argument.split("::")
        place = Path(path)
        if not path or not exists(place):
            problems.append(_missing(path, place) if arguments else "no folder suites/ here; name a suite")
        elif place.is_dir() and parts:
            problems.append(f"{argument}: a node id begins with a suite file, not with a folder")
        elif place.is_dir():
            for file in sorted(p for p in place.rglob("*.y*ml") if _is_suite(p)):
                found.setdefault(str(file), [])
                whole.add(str(file))
        elif not _is_suite(place):
            problems.append(f"{path}: not a suite: it has no top-level key `segharness:`")
        else:
            found.setdefault(path, [])
            if parts:
                found[path].append(tuple(parts))
            else:
                whole.add(path)
    if problems:
        raise UsageError(problems)
    return [SuiteArgument(Path(path), path, () if path in whole else tuple(parts)) for path, parts in found.items()]


def _missing(path: str, place: Path) -> str:
    beside = [str(p) for p in place.parent.glob("*.y*ml")] if exists(place.parent) and place.parent.is_dir() else []
    return f"no suite {path[:200] or repr(path)}{nearest(path, beside)}"


def _is_suite(file: Path) -> bool:
    try:
        return bool(_IS_SUITE.search(file.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return False
