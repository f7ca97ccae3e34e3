"""Which weights a model gets: where they lie, how they get there, and whether they are those that its spec declares."""

from __future__ import annotations

import http.client
import inspect
import os
import re
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segharness.digests import file_digest
from segharness.errors import PluginError, UsageError
from segharness.plugin.import_strings import load
from segharness.plugin.packages import packaged_file
from segharness.plugin.specs import ModelSpec

RANDOM = "random"
"""The name, among those that a model may know, of weights that were never trained."""


def packaged_weights(spec: ModelSpec) -> Path | None:
    """Return the weights that come with the plugin, which a model gets when its suite gives none.

    The package is found, not imported.

    Raises:
        PluginError: there is no such package.
    """
    if spec.weights_file is None:
        return None
    return packaged_file(spec.weights_file, f"ModelSpec `{spec.name}`: weights_file")


def find_weights(spec: ModelSpec, given: str | None, options: Mapping[str, Any]) -> Path | None:
    """Return the file or folder a model gets: the suite's, the plugin's own, or what a name stands for, fetched first.

    Args:
        spec: the model's.
        given: what the suite says: a path or a name.
        options: the model's, of which `fetch` may take some.

    Returns:
        None where it gets none: no weights, or a name that its factory knows what to do with.

    Raises:
        UsageError: they cannot be fetched, or are not those that the name stands for.
    """
    if given is None or not is_name(spec, given):
        return Path(given) if given else packaged_weights(spec)
    if spec.fetch is None or given == RANDOM:
        return None
    fetch = load(spec.fetch)
    taken = inspect.signature(fetch).parameters
    path = Path(fetch(given, **{key: value for key, value in {**spec.fixed, **options}.items() if key in taken}))
    declared = spec.weights_names.get(given, "")
    if declared and not file_digest(path).startswith(declared):
        raise UsageError(
            f"the weights `{given}` of model `{spec.name}`: {path} has sha256 {file_digest(path)[:16]}..., not "
            f"{declared}...; damaged? remove it, and it is fetched again"
        )
    return path


def files_of_weights(spec: ModelSpec, path: Path) -> list[Path] | None:
    """Return the files of a folder of weights that count; None for a file."""
    if not path.is_dir():
        return None
    return sorted({file for pattern in spec.weights_files for file in path.glob(pattern) if file.is_file()})


def is_name(spec: ModelSpec, given: str) -> bool:
    """Return whether weights are given by a name that the model knows; paths are absolute, and none."""
    if given in spec.weights_names:
        return True
    pattern = spec.weights_pattern
    return pattern is not None and re.fullmatch(pattern, given) is not None


def options_problem(spec: ModelSpec, given: str | None, options: Mapping[str, Any]) -> str | None:
    """Return what a spec's own `check` says is wrong with weights and options together; None if nothing is."""
    if spec.check is None:
        return None
    try:
        check = load(spec.check)
        taken = inspect.signature(check).parameters
        found: str | None = check(given, **{k: v for k, v in {**spec.fixed, **options}.items() if k in taken})
    except Exception as error:  # noqa: BLE001  a plugin's
        return f"cannot be checked, its plugin raised {type(error).__name__}: {error}"
    return found


def download(url: str, path: Path, sha256: str = "") -> Path:
    """Return `path`, a file that is fetched from `url` where it is not there yet: whole, or not at all.

    Args:
        url: ``https://...``.
        path: where it belongs.
        sha256: of its content, or the first digits, compared when it is fetched.

    Raises:
        UsageError: it cannot be fetched; the message says which file to put where.
    """
    if path.is_file():
        return path
    print(f"fetching {url}", file=sys.stderr, flush=True)
    advice = f"put {url} at {path}, or give a file"
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        request = urllib.request.Request(url, headers={"User-Agent": "segharness"})  # some hosts refuse Python's own
        with (
            urllib.request.urlopen(request, timeout=_PATIENCE) as answer,
            tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as file,
        ):
            part = Path(file.name)
            shutil.copyfileobj(answer, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
            expected = answer.headers.get("Content-Length")
        if expected is not None and part.stat().st_size != int(expected):
            raise UsageError(f"{url}: the connection ended early; {advice}")
        if not file_digest(part).startswith(sha256):
            raise UsageError(f"{url}: has another sha256 than {sha256}...; {advice}")
        part.chmod(0o644)  # a cache may have several users
        part.replace(path)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UsageError(f"{url}: cannot be fetched: {error}; {advice}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return path


_PATIENCE = 60
"""Seconds without a byte after which a connection is given up."""


def weights_problem(spec: ModelSpec, given: str | None) -> str | None:
    """Return what is wrong with the weights a model would get, in one line; None if nothing is.

    `weights_digest` belongs to the plugin's own file, if it has one; else to whatever file a suite gives.
    """
    if given is not None and is_name(spec, given):
        return None
    try:
        path = Path(given) if given else packaged_weights(spec)
    except PluginError as error:
        return str(error)
    if path is None or (spec.weights_pattern is not None and path.is_dir()):
        return None
    advice = "" if given else "; install its plugin again"
    declared = None if given and spec.weights_file else spec.weights_digest
    try:
        with path.open("rb") as file:
            file.read(1)
        found = file_digest(path) if declared is not None else None
    except FileNotFoundError:
        return f"the weights of model `{spec.name}` are missing: no file {path}{advice}"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return f"the weights of model `{spec.name}` cannot be read: {path}: {why}{advice}"
    if found == declared:
        return None
    return (
        f"the weights of model `{spec.name}` are not the ones it declares: {path} has sha256 {str(found)[:16]}..., "
        f"not {str(declared)[:16]}... (damaged, or of another model){advice}"
    )
