"""Leaves out of texts what only this machine may know: credentials in addresses, and folders."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

_CREDENTIALS = re.compile(r"://[^\s'\"`]*@")

_KEYS = re.compile(r"(?i)([?&][\w-]*(?:token|key|secret|signature|sig|password|credential)[\w-]*=)[^&\s'\"`]+")
"""Settings in the address of a store that may be secret."""

_URL = re.compile(r"(?i)\b(?!file:)[a-z][a-z0-9+.-]*://[^\s'\"`]*")

_FOLDERS = re.compile(r"(?<![\w.~/<$}-])(?:(?:file://)?/|\.\./)(?:[^\s/:'\"`,;()<>|]+/)*(?=[^\s/:'\"`,;()<>|])")
"""The folders of a path that is absolute, or begins with ``..``."""


def without_credentials(text: str) -> str:
    """Return a text whose URLs have no user, password, key or token.

    Example:
        >>> without_credentials("s3://KEY:SEC/RET@bucket/run?session_token=x: gone")
        's3://...@bucket/run?session_token=... gone'
    """
    return _KEYS.sub(r"\1...", _CREDENTIALS.sub("://...@", text)) if "://" in text else text


def without_folders(text: str) -> str:
    """Return a text in which the paths of this machine are names, and URLs have no credentials.

    Example:
        >>> without_folders("no file /home/ada/coco/val.json, and s3://bucket/run/x is gone")
        'no file .../val.json, and s3://bucket/run/x is gone'
    """
    for folder in _own_folders():
        text = text.replace(f"{folder}/", "/")  # their names may hold spaces
    parts, end = [], 0
    for url in _URL.finditer(text):
        parts += [_FOLDERS.sub(".../", text[end : url.start()]), without_credentials(url[0])]
        end = url.end()
    return "".join([*parts, _FOLDERS.sub(".../", text[end:])])


def _own_folders() -> set[str]:
    """Return the user's home and the working directory, where there are such."""
    found = set()
    for place in (Path.home, Path.cwd):
        with contextlib.suppress(RuntimeError, OSError):  # a user without an entry; a folder that was deleted
            found.add(str(place()))
    return found - {"/"}
