"""Local models: ``./my_model.py:build``, a function in a file beside the suite."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from segharness.errors import nearest

_LOCAL = re.compile(r"(.+\.py):([A-Za-z_]\w*)")
_FROM_ENGINE = {"device", "resolution", "weights"}
_NOTHING = {tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
"""Tokens of lines that hold no code, or that say of one that does what its spaces say."""


def local_reference(name: str) -> tuple[str, str] | None:
    """Return the file and function of ``./file.py:function``; None if `name` does not have that form.

    Example:
        >>> local_reference("./my_model.py:build")
        ('./my_model.py', 'build')
        >>> local_reference("mmdet/scnet") is None
        True
    """
    match = _LOCAL.fullmatch(name)
    return (match.group(1), match.group(2)) if match else None


def exists(path: Path) -> bool:
    """Return whether a path exists; False if the system refuses to look it up, e.g. because its name is too long."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def source_files(file: Path) -> list[Path]:
    """Return a Python file and all files that it imports, directly or indirectly, from its folder and below; sorted."""
    folder = file.resolve().parent
    files: dict[Path, None] = {}
    pending = [file.resolve()]
    while pending:
        path = pending.pop()
        if path in files or not path.is_file():
            continue
        files[path] = None
        try:
            tree = ast.parse(path.read_bytes(), str(path))
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            for module in _imported(node, path, folder):
                pending += [module.with_suffix(".py"), module / "__init__.py"]
    return sorted(files)


def code_of(source: bytes) -> bytes:
    """Return a Python file without its comments and blank lines, in UTF-8; as it is, if it is not Python.

    Example:
        >>> code_of(b"# a model\\n\\nx = 1  # one\\n")
        b'x = 1\\n'
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        text = io.StringIO(source.decode(encoding), newline=None).getvalue()
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, UnicodeDecodeError, tokenize.TokenError):
        return source
    lines = text.split("\n")
    used: set[int] = set()
    for token in tokens:
        if token.type == tokenize.COMMENT:
            line = token.start[0] - 1
            lines[line] = lines[line][: token.start[1]].rstrip()
        elif token.type not in _NOTHING:
            used.update(range(token.start[0] - 1, token.end[0]))
    return "".join(f"{line}\n" for number, line in enumerate(lines) if number in used).encode()


def _imported(node: ast.AST, path: Path, folder: Path) -> Iterator[Path]:
    """Yield the paths, without suffix, at which modules of an import statement may lie."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            parts = alias.name.split(".")
            yield from (folder.joinpath(*parts[:n]) for n in range(1, len(parts) + 1))
    elif isinstance(node, ast.ImportFrom):
        start = folder if not node.level else path.parents[node.level - 1]
        parts = node.module.split(".") if node.module else []
        yield from (start.joinpath(*parts[:n]) for n in range(1, len(parts) + 1))
        yield from (start.joinpath(*parts, alias.name) for alias in node.names)


def _bound_names(tree: ast.Module) -> set[str]:
    """Return every name that a module may bind."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names


def check_local_model(file: Path, function: str, options: set[str]) -> str | None:
    """Return the problem with a local model, or None. The file is parsed and not run: it may import a framework.

    Args:
        file: the Python file.
        function: the function or class in it that makes the model.
        options: the names of the options that it will be called with.
    """
    if not exists(file):
        return f"no file {file}"
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        return f"{file}:{error.lineno}: not Python: {error.msg}"
    functions = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    if function not in functions and function in _bound_names(tree):
        return None  # imported, assigned or defined conditionally: its parameters are unknown until it is called
    if function not in functions:
        names = [name for name in functions if not name.startswith("_")]
        return f"{file} defines no `{function}`{nearest(function, names)}"
    definition = functions[function]
    if isinstance(definition, ast.FunctionDef) and definition.args.kwarg is None:
        parameters = _parameters(definition)
        for option in sorted(options - parameters):
            return f"`{function}` in {file} has no parameter `{option}`{nearest(option, parameters - _FROM_ENGINE)}"
    return None


def takes_resolution(file: Path, function: str) -> bool:
    """Return whether the source of a function, or of a class's ``__init__``, says that it can be given a resolution.

    It has a parameter ``resolution`` whose default, if there is one, is ``"model"``.
    """
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (OSError, SyntaxError, ValueError):
        return False
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == function:
            inside = node.body if isinstance(node, ast.ClassDef) else [node]
            made_by = [n for n in inside if isinstance(n, ast.FunctionDef) and n.name in (function, "__init__")]
            return any("resolution" in _parameters(one) and _default(one, "resolution") == "model" for one in made_by)
    return False


def _default(definition: ast.FunctionDef, parameter: str) -> object:
    """Return the default of a function's parameter in its source; ``"model"`` if it has none."""
    arguments = definition.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(
        zip([a.arg for a in positional[len(positional) - len(arguments.defaults) :]], arguments.defaults, strict=True)
    )
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            defaults[argument.arg] = default
    found = defaults.get(parameter)
    if found is None:
        return "model"
    return found.value if isinstance(found, ast.Constant) else None


def _parameters(definition: ast.FunctionDef) -> set[str]:
    """Return the names of a function's parameters."""
    arguments = definition.args
    return {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
