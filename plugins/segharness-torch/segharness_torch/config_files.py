"""The files that a config of mmdet or detectron2 consists of. Imports no framework, and runs nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import yaml

_BASES = ("_base_", "_BASE_")


def config_files(config: Path) -> list[Path]:
    """Return a config and every file that it includes.

    It includes the files under ``_base_`` (``.py``, ``.yaml``, ``.json``) or ``_BASE_``, and modules that it imports
    relatively. Files that the framework ships are left out: the framework's version stands for them.
    """
    files: dict[Path, None] = {}
    waiting = [config]
    while waiting:
        file = waiting.pop().resolve()
        if file not in files and file.is_file():
            files[file] = None
            waiting += _included_files(file)
    return list(files)


def _included_files(file: Path) -> Iterator[Path]:
    try:
        text = file.read_text(encoding="utf-8")
        names = _python_includes(text) if file.suffix == ".py" else _yaml_includes(text)
    except (SyntaxError, ValueError, yaml.YAMLError):  # the framework reports it
        return
    for level, name in names:
        if level:
            module = file.parents[level - 1].joinpath(*name.split(".")) if name else file.parents[level - 1]
            yield module.with_name(f"{module.name}.py")
            yield module / "__init__.py"
        else:
            yield file.parent / name


def _python_includes(text: str) -> list[tuple[int, str]]:
    """Return the relative imports of a config with their level, and the files it names with level 0."""
    includes: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = node.module or ""
            includes.append((node.level, module))
            includes += [(node.level, f"{module}.{alias.name}".lstrip(".")) for alias in node.names]
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in _BASES for t in node.targets):
            constants = [value for value in ast.walk(node.value) if isinstance(value, ast.Constant)]
            includes += [(0, value.value) for value in constants if isinstance(value.value, str)]
    return includes


def _yaml_includes(text: str) -> list[tuple[int, str]]:
    root = yaml.compose(text, Loader=yaml.SafeLoader)  # makes nodes, no objects of tags
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    values = [value for key, value in pairs if key.value in _BASES]
    scalars = [node for value in values for node in (value.value if isinstance(value, yaml.SequenceNode) else [value])]
    return [(0, node.value) for node in scalars if isinstance(node, yaml.ScalarNode)]
