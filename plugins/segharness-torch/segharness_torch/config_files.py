"""Which files a config of mmdet or detectron2 is made of. Imports no framework, and runs nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import yaml

_BASES = ("_base_", "_BASE_")


def config_files(config: Path) -> list[Path]:
    """Return a config and all that it includes, whose content decides what it says.

    Those are files under ``_base_`` (``.py``, ``.yaml``, ``.json``) or ``_BASE_``, and modules that are imported relatively.
    What a framework ships is not among them: its version says what that is.
    """
    found: dict[Path, None] = {}
    waiting = [config]
    while waiting:
        file = waiting.pop().resolve()
        if file not in found and file.is_file():
            found[file] = None
            waiting += _included(file)
    return list(found)


def _included(file: Path) -> Iterator[Path]:
    try:
        text = file.read_text(encoding="utf-8")
        names = _of_python(text) if file.suffix == ".py" else _of_yaml(text)
    except (SyntaxError, ValueError, yaml.YAMLError):  # its framework says what is wrong with it
        return
    for level, name in names:
        if level:
            place = file.parents[level - 1].joinpath(*name.split(".")) if name else file.parents[level - 1]
            yield place.with_name(f"{place.name}.py")
            yield place / "__init__.py"
        else:
            yield file.parent / name


def _of_python(text: str) -> list[tuple[int, str]]:
    """Return relative imports, with their level, and files, with level 0."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = node.module or ""
            found.append((node.level, module))
            found += [(node.level, f"{module}.{alias.name}".lstrip(".")) for alias in node.names]
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in _BASES for t in node.targets):
            found += [(0, one.value) for one in ast.walk(node.value) if _is_text(one)]
    return found


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _of_yaml(text: str) -> list[tuple[int, str]]:
    root = yaml.compose(text, Loader=yaml.SafeLoader)  # makes nodes, and nothing that tags ask for
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    values = [value for key, value in pairs if key.value in _BASES]
    scalars = [one for value in values for one in (value.value if isinstance(value, yaml.SequenceNode) else [value])]
    return [(0, one.value) for one in scalars if isinstance(one, yaml.ScalarNode)]
