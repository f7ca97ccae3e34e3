"""Category names in a text file. Needs only Python, 3.8 or later."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read_names(path: Any) -> list[str]:
    """Return the names in a text file, one name per line. A name may occur twice, as ``N/A`` does in COCO's 91.

    Raises:
        ValueError: the file cannot be read, or holds no names; the message begins with the path.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no text in UTF-8"
        raise ValueError(f"{path}: cannot be read: {reason}; give a text file with one name per line") from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names or "\0" in text:
        raise ValueError(f"{path}: holds no names; give a text file with one name per line")
    return names


def check_names(path: Any) -> str | None:
    """Return what is wrong with a file of names, for `segharness.Option`; None if it is fine."""
    try:
        read_names(path)
    except ValueError as error:
        return f"is no list of names: {error}"
    return None
