"""The environments of models that run under an interpreter of their own, ``python: PATH``: asked before the first cell."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Mapping
from typing import Any

from segharness.errors import UsageError, exit_text
from segharness.model.foreign import child_environment

_SECONDS = 120
"""How long an interpreter may take to say what it has; on a network's disk the first look takes some."""

_LOOK = """
import importlib.util, json, platform, sys
from importlib import metadata
packages = {}
for found in metadata.distributions():
    if found.metadata["Name"]:
        packages.setdefault(found.metadata["Name"], found.version)
here = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
packages = dict(sorted(packages.items()))
print()
print(json.dumps({"python": platform.python_version(), "packages": packages, "modules": here}))
"""


def environment_of(python: str, framework: str | None = None) -> Mapping[str, Any]:
    """Return what is installed under an interpreter, as the manifest records it: its `python` and its `packages`.

    Args:
        python: the interpreter.
        framework: a module that must be there, beside numpy.

    Raises:
        UsageError: it is no Python of 3.8 or later, or a module is missing.
    """
    wanted = ("numpy", *([framework] if framework else []))
    found = _look(python, wanted)
    if missing := [name for name in wanted if name not in found["modules"]]:
        raise UsageError(f"python: {python}: its environment lacks {' and '.join(missing)}: install it there")
    return {"python": found["python"], "packages": found["packages"]}


@functools.lru_cache(maxsize=64)
def _look(python: str, modules: tuple[str, ...]) -> Mapping[str, Any]:
    try:
        done = subprocess.run(
            [python, "-c", _LOOK, *modules],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
        found = json.loads(done.stdout.strip().rpartition("\n")[2] if done.returncode == 0 else "")
    except OSError as error:
        raise UsageError(f"python: {python}: cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"python: {python}: did not say in {_SECONDS} s what it has") from error
    except ValueError as error:
        last = done.stderr.strip().rpartition("\n")[2]
        said = f"; its last words: {last}" if last else ""
        raise UsageError(
            f"python: {python}: it must be Python 3.8 or newer; it ended with {exit_text(done.returncode)}{said}"
        ) from error
    return found  # type: ignore[no-any-return]
