"""``extends``: a suite that builds on other suites.

The rules of merging:

- Mappings merge key by key; the extending file wins. Lists and scalars are replaced as a whole.
- A key that is set to ``null`` is removed.
- ``name`` is never inherited.
- Of several bases, later ones win over earlier ones.
- ``models`` with ``reference``, and ``groups``, are two ways to say the same. A file that uses one of them drops the
  other from its bases.
- Relative paths stay relative to the file that contains them.
- A base is a path, or the name of a suite that a plugin offers. A path that exists wins.
"""

from __future__ import annotations

from pathlib import Path

from segharness.errors import PluginError, nearest
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import SuiteSpec
from segharness.suite.local_functions import exists
from segharness.suite.variables import Variables
from segharness.suite.yaml_parser import Node, encoding_of, parse

_DEEPEST = 50
"""How many suites may extend one another in a chain."""

_MOST_BASES = 100
"""How many suites one may extend."""

_LARGEST = 4 << 20
"""The largest file that is read as a suite, in bytes."""

_EXCLUSIVE_KEYS = ({"groups"}, {"models", "reference"})


def load_merged(file: Path, shown: str, variables: Variables, problems: list[str], host: PluginHost) -> Node | None:
    """Read a suite file and all it extends into one tree.

    Args:
        file: the suite's file.
        shown: the path that messages show.
        variables: the values of ``${NAME}``.
        problems: messages; every mistake is appended.
        host: the plugins, which offer suites by name.

    Returns:
        The tree, or None if `file` is not a suite that can be read.
    """
    return _Loader(variables, problems, host).load(file, shown, ())


class _Loader:
    """Loads suites with their bases; each file is read once, however many suites extend it."""

    def __init__(self, variables: Variables, problems: list[str], host: PluginHost) -> None:
        self._variables, self._problems, self._host = variables, problems, host
        self._loaded: dict[Path, Node | None] = {}

    def load(self, file: Path, shown: str, above: tuple[Path, ...]) -> Node | None:
        """Return the tree of a suite, merged with its bases; `above` are the suites that extend it."""
        resolved = file.resolve()
        if resolved not in self._loaded:
            self._loaded[resolved] = self._merged(file, shown, above)
        return self._loaded[resolved]

    def _merged(self, file: Path, shown: str, above: tuple[Path, ...]) -> Node | None:
        node = self._read(file, shown)
        if node is None:
            return None
        merged: Node | None = None
        for base in _bases(node, self._problems):
            path = file.parent / base.text
            parent_shown = str(Path(shown).parent / base.text)
            if not exists(path) and (spec := self._host.find(base.text, SuiteSpec)) is not None:
                try:
                    path, parent_shown = spec.path(), base.text
                except PluginError as error:
                    self._problems.append(f"{base.mark}: {error}")
                    continue
            if path.resolve() in (*above, file.resolve()):
                chain = " -> ".join(p.name for p in (*above, file.resolve(), path.resolve()))
                self._problems.append(f"{base.mark}: `extends` runs in a circle: {chain}")
                continue
            if not exists(path) or not path.is_file():
                known = [
                    p for pattern in ("[!.]*.y*ml", "suites/[!.]*.y*ml") for p in file.parent.glob(pattern) if p != file
                ]
                names = [str(p.relative_to(file.parent)) for p in known]
                hint = nearest(base.text, [*names, *self._host.names(SuiteSpec)], listed=False)
                self._problems.append(
                    f"{base.mark}: no suite `{base.text}` beside this one, and none of that name"
                    f"{hint or nearest(base.text, names)}"
                )
                continue
            if len(above) >= _DEEPEST:
                self._problems.append(f"{base.mark}: over {_DEEPEST} suites extend one another")
                continue
            parent = self.load(path, parent_shown, (*above, file.resolve()))
            if parent is not None:
                merged = parent if merged is None else merge(merged, parent)
        return node if merged is None else merge(merged, node)

    def _read(self, file: Path, shown: str) -> Node | None:
        """Return the tree of one file, without its bases; None if it is no suite."""
        try:
            with file.open("rb") as stream:
                data = stream.read(_LARGEST + 1)
            text = data.decode(encoding_of(data))
        except OSError as error:
            self._problems.append(f"{shown}: cannot be read: {error.strerror}")
            return None
        except UnicodeDecodeError as error:
            self._problems.append(f"{shown}: not UTF-8 or UTF-16 text (byte {error.start})")
            return None
        if len(data) > _LARGEST:
            self._problems.append(f"{shown}: a suite has at most {_LARGEST >> 20} MiB")
            return None
        node = parse(text, shown, self._variables, self._problems)
        if node is not None and not isinstance(node.value, dict):
            self._problems.append(f"{node.mark}: a suite is a mapping that begins with `segharness: 1`")
            return None
        return node


def _bases(node: Node, problems: list[str]) -> list[Node]:
    extends = node.get("extends")
    if extends is None:
        return []
    bases = extends.value if isinstance(extends.value, list) else [extends]
    if len(bases) > _MOST_BASES:
        problems.append(f"{extends.mark}: a suite extends at most {_MOST_BASES} others")
        return []
    for base in bases:
        problems += base.problems
    return [base for base in bases if isinstance(base.value, str) and not base.problems]


def merge(base: Node, child: Node, top: bool = True) -> Node:
    """Return `child` merged into `base` by the rules above; `top` says whether both are whole suites."""
    if not isinstance(base.value, dict) or not isinstance(child.value, dict):
        return child
    kept = dict(base.value)
    if top:
        kept.pop("name", None)  # two suites with the same name would write to the same run folder
        for chosen, dropped in (_EXCLUSIVE_KEYS, _EXCLUSIVE_KEYS[::-1]):
            if chosen & child.value.keys() and chosen & {"groups", "models"} & child.value.keys():
                for key in dropped:
                    kept.pop(key, None)
    for key, node in child.value.items():
        if node.value is None:
            kept.pop(key, None)
        else:
            kept[key] = merge(kept[key], node, top=False) if key in kept else node
    return Node(kept, child.mark, child.key_mark)
