"""Reads a wheel without running anything of it. Call this in a process with limits: the file is a stranger's."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from segharness import UsageError

MOST_BYTES = 4 << 30
"""A wheel has no more bytes, unpacked."""

MOST_FILES = 50_000
"""A wheel has no more files."""

MOST_REQUIREMENTS = 500
"""A wheel has no more requirements."""

_LONGEST_REQUIREMENT = 500

_METADATA = 16 << 20


@dataclass(frozen=True)
class Wheel:
    """What a wheel says of itself.

    Attributes:
        name, version: of the distribution.
        requirements: what it needs on this machine, as ``NAME[EXTRA]<specifiers>``.
    """

    name: str
    version: str
    requirements: tuple[str, ...]


def read_wheel(file: Path) -> Wheel:
    """Return what a wheel says of itself.

    Raises:
        UsageError: it is none, would unpack outside of its folder or to too much, or requires what has no name on an index.
    """
    shown = file.name
    try:
        name, version, _, _ = parse_wheel_filename(file.name)
        with zipfile.ZipFile(file) as opened:
            entries = opened.infolist()
            _check_entries(entries, shown)
            [metadata] = [e for e in entries if _is_metadata(PurePosixPath(e.filename))]
            if metadata.file_size > _METADATA:
                raise UsageError(f"{shown}: its METADATA have {metadata.file_size} bytes")
            text = opened.read(metadata).decode("utf-8", "replace")
    except (InvalidWheelFilename, zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise UsageError(f"{shown}: is no wheel: {str(error)[:200]}") from error
    headers = HeaderParser().parsestr(text)
    said = (canonicalize_name(str(headers.get("Name", ""))), str(headers.get("Version", "")))
    if said != (canonicalize_name(name), str(version)):
        raise UsageError(f"{shown}: its METADATA are of {said[0][:60]} {said[1][:30]}")
    lines = [str(line) for line in headers.get_all("Requires-Dist", [])]
    if len(lines) > MOST_REQUIREMENTS:
        raise UsageError(f"{shown}: has {len(lines)} requirements, more than {MOST_REQUIREMENTS}")
    needed = (_requirement(line, shown) for line in lines)
    return Wheel(canonicalize_name(name), str(version), tuple(text for text in needed if text is not None))


def _is_metadata(path: PurePosixPath) -> bool:
    return len(path.parts) == 2 and path.parts[0].endswith(".dist-info") and path.name == "METADATA"


def _check_entries(entries: list[zipfile.ZipInfo], shown: str) -> None:
    if len(entries) > MOST_FILES:
        raise UsageError(f"{shown}: has {len(entries)} files, more than {MOST_FILES}")
    if (size := sum(entry.file_size for entry in entries)) > MOST_BYTES:
        raise UsageError(f"{shown}: unpacks to {size} bytes, more than {MOST_BYTES}")
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or "\0" in entry.filename:
            raise UsageError(f"{shown}: its file {entry.filename!r:.80} lies outside of its folder")
        if (entry.external_attr >> 16) & 0o170000 == 0o120000:
            raise UsageError(f"{shown}: its file {entry.filename!r:.80} is a link")
        at_start = path.suffix == ".pth" or path.stem in ("sitecustomize", "usercustomize")
        if at_start and (len(path.parts) == 1 or path.parts[0].endswith(".data")):
            raise UsageError(f"{shown}: its file {entry.filename!r:.80} would run code whenever Python starts")


def _requirement(text: str, shown: str) -> str | None:
    """Return a requirement without its marker; None if it is not for this machine."""
    if len(text) > _LONGEST_REQUIREMENT:
        raise UsageError(f"{shown}: its requirement {text[:60]!r}... has {len(text)} characters")
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(f"{shown}: its requirement {text!r:.80} is none: {error}") from error
    if requirement.url is not None:
        raise UsageError(
            f"{shown}: requires {text!r:.120}: an address; only what an index has under a name is installed"
        )
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return None
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    found = f"{requirement.name}{extras}{requirement.specifier}"
    if not is_plain(found):
        raise UsageError(f"{shown}: its requirement {text!r:.120} names no ordinary version")
    return found


def is_plain(requirement: str) -> bool:
    """Return whether a requirement is a name with versions. pip takes one with a `/`, which `===` may have, for a folder.

    Example:
        >>> is_plain("numpy[x]>=1.24,<3"), is_plain("x===/../evil")
        (True, False)
    """
    return re.fullmatch(r"[\w.-]+(\[[\w.,-]+\])?((<=?|>=?|==|!=|~=)[\w.+!*-]+,?)*", requirement, re.ASCII) is not None
