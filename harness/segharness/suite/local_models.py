"""Models that live in a file beside the suite: ``./my_model.py:build``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from segharness.errors import nearest

_LOCAL = re.compile(r"(.+\.py):([A-Za-z_]\w*)")
_FROM_ENGINE = {"device", "weights"}


def local_reference(name: str) -> tuple[str, str] | None:
    """Split ``./file.py:function``; None when `name` is not of that form."""
    match = _LOCAL.fullmatch(name)
    return (match.group(1), match.group(2)) if match else None


def exists(path: Path) -> bool:
    """Return whether a path exists; one that the system refuses to look at does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def sources(file: Path) -> list[Path]:
    """Return a Python file and every file that it imports, directly or not, from its own folder and below."""
    folder = file.resolve().parent
    found: dict[Path, None] = {}
    waiting = [file.resolve()]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found[path] = None
        try:
            tree = ast.parse(path.read_bytes(), str(path))
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            for module in _imported(node, path, folder):
                waiting += [module.with_suffix(".py"), module / "__init__.py"]
    return sorted(found)


def _imported(node: ast.AST, path: Path, folder: Path) -> Iterator[Path]:
    """Yield where the modules that an import statement may name would lie."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            parts = alias.name.split(".")
            yield from (folder.joinpath(*parts[:n]) for n in range(1, len(parts) + 1))
    elif isinstance(node, ast.ImportFrom):
        start = folder if not node.level else path.parents[node.level - 1]
        parts = node.module.split(".") if node.module else []
        yield from (start.joinpath(*parts[:n]) for n in range(1, len(parts) + 1))
        yield from (start.joinpath(*parts, alias.name) for alias in node.names)


def _names_of(tree: ast.Module) -> set[str]:
    """Return every name that a module may bind."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
    return found


def check_local_model(file: Path, function: str, options: set[str]) -> str | None:
    """Return what is wrong with a local model, or None. The file is parsed, not run: it may import a framework."""
    if not exists(file):
        return f"no file {file}"
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        return f"{file}:{error.lineno}: not Python: {error.msg}"
    functions = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    if function not in functions and function in _names_of(tree):
        return None  # imported, assigned, or defined under a condition: what it takes is seen when it is called
    if function not in functions:
        names = [name for name in functions if not name.startswith("_")]
        return f"{file} defines no `{function}`{nearest(function, names)}"
    found = functions[function]
    if isinstance(found, ast.FunctionDef) and found.args.kwarg is None:
        known = {a.arg for a in (*found.args.posonlyargs, *found.args.args, *found.args.kwonlyargs)}
        for option in sorted(options - known):
            return f"`{function}` in {file} has no parameter `{option}`{nearest(option, known - _FROM_ENGINE)}"
    return None
