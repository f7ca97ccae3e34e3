"""Inspects the environments of foreign interpreters, ``python: PATH``, before the first cell."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Mapping
from typing import Any

from segharness.errors import UsageError, exit_text
from segharness.model.foreign import child_environment

_SECONDS = 120
"""The time in which an interpreter must list its packages. On a network disk the first listing is slow."""

_LIST_PACKAGES = """
import importlib.util, json, platform, sys
from importlib import metadata
packages = {}
for distribution in metadata.distributions():
    if distribution.metadata["Name"]:
        packages.setdefault(distribution.metadata["Name"], distribution.version)
modules = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
packages = dict(sorted(packages.items()))
print()
print(json.dumps({"python": platform.python_version(), "packages": packages, "modules": modules}))
"""


def environment_of(python: str, framework: str | None = None) -> Mapping[str, Any]:
    """Return what is installed under a foreign interpreter, as the manifest records it: `python` and `packages`.

    Args:
        python: the interpreter.
        framework: a module that must be installed besides numpy.

    Raises:
        UsageError: it is not Python 3.8 or newer, or a module is missing.
    """
    required = ("numpy", *([framework] if framework else []))
    environment = _inspect(python, required)
    if missing := [name for name in required if name not in environment["modules"]]:
        raise UsageError(f"python: {python}: its environment lacks {' and '.join(missing)}: install it there")
    return {"python": environment["python"], "packages": environment["packages"]}


@functools.lru_cache(maxsize=64)
def _inspect(python: str, modules: tuple[str, ...]) -> Mapping[str, Any]:
    try:
        process = subprocess.run(
            [python, "-c", _LIST_PACKAGES, *modules],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
        environment = json.loads(process.stdout.strip().rpartition("\n")[2] if process.returncode == 0 else "")
    except OSError as error:
        raise UsageError(f"python: {python}: cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"python: {python}: did not list its packages within {_SECONDS} s") from error
    except ValueError as error:
        last_line = process.stderr.strip().rpartition("\n")[2]
        ending = f"; its last words: {last_line}" if last_line else ""
        raise UsageError(
            f"python: {python}: it must be Python 3.8 or newer; it ended with {exit_text(process.returncode)}{ending}"
        ) from error
    return environment  # type: ignore[no-any-return]
