"""Finds the files that names in annotations mean: exporters write them with other folders, slashes, letters.

A name means a file if it is the only one that it can mean: the same path in another spelling, or the one file whose
path ends like it. Two names never mean one file.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from urllib.parse import unquote

from segharness.files.tree import File, Tree

_LONGEST = 4096
"""No path of a file is longer."""

_MOST_COMPARED = 20_000
"""With more files, the nearest one is not looked for."""


class FilesByName:
    """The files below a folder of a tree, found by the names that annotations give them.

    Args:
        tree: the files.
        folder: of the tree; "" for all of it.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pathlib.Path(folder, "my cat.png").touch()
        ...     files = FilesByName(Tree(folder))
        ...     [files.find(name).name for name in ("./my cat.png", "my%20cat.PNG", "..\\\\images\\\\my cat.png")]
        ['my cat.png', 'my cat.png', 'my cat.png']
    """

    def __init__(self, tree: Tree, folder: str = "") -> None:
        self._tree, self._folder = tree, folder.strip("/")
        self._by_end: dict[str, list[str]] | None = None

    def find_all(self, names: Sequence[str]) -> dict[str, File]:
        """Return the files that names mean; without a name whose file another name means, too, or that means none."""
        found = {name: file for name in names if (file := self._exact(name)) is not None}
        taken = {file.name for file in found.values()}
        others = {name: file for name in names if name not in found and (file := self.find(name)) is not None}
        users = Counter(file.name for file in others.values())
        return found | {name: file for name, file in others.items() if users[file.name] == 1 and file.name not in taken}

    def find(self, name: str) -> File | None:
        """Return the file that a name means; None if there is none, or it may mean several."""
        if (file := self._exact(name)) is not None:
            return file
        if len(name) > _LONGEST:
            return None
        for form in _forms(name):
            if (file := self._exact(form)) is not None:
                return file
        for form in _forms(name):
            parts = _key(form).split("/")
            for start in range(len(parts)):  # the most of its folders that lead anywhere
                ends = self._ends().get("/".join(parts[start:]), [])
                if len(ends) == 1:
                    return self._tree.find(ends[0])
                if ends:
                    break
        return None

    def nearest(self, name: str) -> str | None:
        """Return the name of the file that is nearest to one that is missing, relative to the folder; None without one."""
        names = {path.removeprefix(f"{self._folder}/"): None for paths in self._ends().values() for path in paths}
        if not names or len(names) > _MOST_COMPARED:
            return None
        wanted = (_forms(name) or [name])[0]
        return next(iter(difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)), None)

    def _exact(self, name: str) -> File | None:
        return self._tree.find(f"{self._folder}/{name}" if self._folder else name)

    def _ends(self) -> dict[str, list[str]]:
        """Return the names of all files by each end of their paths, in letters that are told apart no further."""
        if self._by_end is None:
            self._by_end = {}
            for path in self._tree.files(self._folder):
                parts = _key(path.removeprefix(f"{self._folder}/") if self._folder else path).split("/")
                for start in range(len(parts)):
                    self._by_end.setdefault("/".join(parts[start:]), []).append(path)
        return self._by_end


def _forms(name: str) -> list[str]:
    """Return a name in plain forms: with ``/``, without ``.``, ``..``, a drive, empty parts; decoded, if it is coded."""
    forms = []
    for text in dict.fromkeys((name, unquote(name))):
        parts: list[str] = []
        for part in re.sub(r"^[A-Za-z]:", "", text.replace("\\", "/")).split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        if parts:
            forms.append("/".join(parts))
    return forms


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
