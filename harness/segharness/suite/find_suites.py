"""Finds the suite files that command-line arguments name: paths, folders, names or node ids; ``suites/`` by default.

A path that exists wins over the name of a suite that a plugin offers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from segharness.errors import UsageError, nearest
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import SuiteSpec
from segharness.suite.local_functions import exists
from segharness.suite.yaml_parser import encoding_of

_LOOKED_AT = 4 << 20
"""How many bytes of a file are searched for the key of suites."""

_IS_SUITE = re.compile(r"""^\s*\{?\s*["']?segharness["']?\s*:""", re.MULTILINE)


@dataclass(frozen=True)
class SuiteArgument:
    """A suite file to load.

    Attributes:
        file: its path.
        shown: its path, or its name, as the user wrote it.
        parts: the names after the path in node ids, e.g. ``("maskrcnn", "coco", "fog-3")``; empty for all cells.
    """

    file: Path
    shown: str
    parts: tuple[tuple[str, ...], ...]


def find_suites(arguments: Sequence[str], host: PluginHost) -> list[SuiteArgument]:
    """Return the suite files that the arguments name, each once, in order.

    Args:
        arguments: of the command line.
        host: the plugins, which offer suites by name.

    Raises:
        UsageError: a path does not exist, a file has no `segharness:` key, or a node id begins with a folder.
    """
    parts_by_file: dict[str, list[tuple[str, ...]]] = {}
    named: dict[str, Path] = {}
    whole_files: set[str] = set()
    problems: list[str] = []
    for argument in arguments or ["suites"]:
        shown, *parts = argument.split("::")
        path = Path(shown)
        if shown and not exists(path) and (spec := host.find(shown, SuiteSpec)) is not None:
            named[shown] = path = spec.path()
        if not shown or not exists(path):
            problems.append(_missing(shown, path, host) if arguments else _NONE_HERE)
        elif path.is_dir() and parts:
            problems.append(f"{argument}: a node id begins with a suite file, not with a folder")
        elif path.is_dir():
            files = sorted(p for p in path.rglob("*.y*ml") if _is_suite(p))
            if not files and (spec := host.find(shown, SuiteSpec)) is not None:  # a folder that is called so by chance
                named[shown] = spec.path()
                parts_by_file.setdefault(shown, [])
                whole_files.add(shown)
            for file in files:
                parts_by_file.setdefault(str(file), [])
                whole_files.add(str(file))
        elif not _is_suite(path):
            problems.append(f"{shown}: not a suite: it has no top-level key `segharness:`")
        else:
            parts_by_file.setdefault(shown, [])
            if parts:
                parts_by_file[shown].append(tuple(parts))
            else:
                whole_files.add(shown)
    if problems:
        raise UsageError(problems)
    return [
        SuiteArgument(named.get(shown, Path(shown)), shown, () if shown in whole_files else tuple(parts))
        for shown, parts in parts_by_file.items()
    ]


def suite_file(suite: str | PathLike[str], host: PluginHost) -> tuple[Path, str]:
    """Return the file of a suite that is named by its path or by its name, and how messages call it.

    Raises:
        PluginError: the file that a plugin offers is not there.

    Example:
        >>> suite_file("mine.yaml", PluginHost.load())
        (PosixPath('mine.yaml'), 'mine.yaml')
    """
    path = Path(suite)
    spec = host.find(str(suite), SuiteSpec) if not exists(path) else None
    return (path, str(path)) if spec is None else (spec.path(), str(suite))


_NONE_HERE = "no folder suites/ here; name a suite: a file of yours, or one that `segharness suites` lists"


def _missing(shown: str, path: Path, host: PluginHost) -> str:
    beside = [str(p) for p in path.parent.glob("*.y*ml")] if exists(path.parent) and path.parent.is_dir() else []
    hint = nearest(shown, [*beside, *host.names(SuiteSpec)], listed=False) or nearest(shown, beside)
    return f"no suite {shown[:200] or repr(shown)}{hint or '; `segharness suites` lists those that have names'}"


def _is_suite(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            data = stream.read(_LOOKED_AT)
        return bool(_IS_SUITE.search(data.decode(encoding_of(data), errors="replace")))
    except OSError:
        return False
