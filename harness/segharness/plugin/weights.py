"""The weights of a model: where they are, how they are fetched, and whether they are those that its spec declares."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segharness.digests import file_digest
from segharness.errors import PluginError, UsageError
from segharness.plugin.failures import describe, log_failure, plugin_failure
from segharness.plugin.import_strings import load
from segharness.plugin.model_specs import Origin
from segharness.plugin.packaged_file import packaged_file
from segharness.plugin.specs import ModelSpec

RANDOM = "random"
"""The name of weights that were never trained. Not every model has it among its `names`."""


def packaged_weights(spec: ModelSpec) -> Path | None:
    """Return the weights file that comes with the plugin, or None. A model gets it if its suite gives no weights.

    The package is not imported.

    Raises:
        PluginError: there is no such package.
    """
    if spec.weights.shipped is None:
        return None
    return packaged_file(spec.weights.shipped, f"ModelSpec `{spec.name}`: weights.shipped")


def find_weights(spec: ModelSpec, weights: str | None, options: Mapping[str, Any]) -> Path | None:
    """Return the file or folder of a model's weights: the suite's, the plugin's own, or the one that a name stands for.

    Weights with a name are fetched first.

    Args:
        spec: of the model.
        weights: the suite's ``weights``: a path, a name, or None.
        options: of the model; `fetch` gets those that it has parameters for.

    Returns:
        The path. None if the model has no weights, or if its factory takes the name itself.

    Raises:
        UsageError: the weights cannot be fetched, or do not have the sha256 that belongs to the name.
    """
    if weights is None or not is_weights_name(spec, weights):
        return Path(weights) if weights else packaged_weights(spec)
    if spec.weights.fetch is None or weights == RANDOM:
        return None
    try:
        fetch = load(spec.weights.fetch)
        parameters = inspect.signature(fetch).parameters
        given = {key: value for key, value in {**spec.fixed, **options}.items() if key in parameters}
        path = Path(fetch(weights, **given))
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise plugin_failure(f"the weights `{weights}` of model `{spec.name}`", error) from error
    if not path.exists():
        raise UsageError(
            f"the weights `{weights}` of model `{spec.name}`: its plugin fetched {path}, which does not exist"
        )
    declared = spec.weights.names.get(weights, "")
    if declared and not file_digest(path).startswith(declared):
        raise UsageError(
            f"the weights `{weights}` of model `{spec.name}`: {path} has sha256 {file_digest(path)[:16]}..., not "
            f"{declared}...; damaged? remove it, and it is fetched again"
        )
    return path


def origin_of(spec: ModelSpec, weights: str, path: Path, options: Mapping[str, Any]) -> Origin | None:
    """Return where fetched weights came from, if the plugin says so.

    Raises:
        PluginError: the plugin raised.
    """
    if spec.weights.origin is None:
        return None
    try:
        function = load(spec.weights.origin)
        parameters = inspect.signature(function).parameters
        given = {key: value for key, value in {**spec.fixed, **options}.items() if key in parameters}
        origin: Origin = function(path, weights, **given)
        if not isinstance(origin, Origin):
            raise TypeError(f"it returned a {type(origin).__name__}, not an Origin")
    except (Exception, SystemExit) as error:
        raise plugin_failure(f"the origin of the weights `{weights}` of model `{spec.name}`", error) from error
    return origin


def weights_files(spec: ModelSpec, path: Path) -> list[Path] | None:
    """Return the files of weights that count, sorted; None if it is the one file.

    Raises:
        UsageError: a file that the weights name is missing.
        PluginError: the plugin raised something else.
    """
    if not path.is_dir():
        if spec.weights.files is None:
            return None
        try:
            files = sorted(Path(file) for file in load(spec.weights.files)(path))
        except UsageError:
            raise
        except (Exception, SystemExit) as error:
            raise plugin_failure(f"the files of the weights {path} of model `{spec.name}`", error) from error
        return files if files != [path] else None
    return sorted({file for pattern in spec.weights.in_folder for file in path.glob(pattern) if file.is_file()})


def is_weights_name(spec: ModelSpec, weights: str) -> bool:
    """Return whether `weights` is a name of weights that the model knows. Otherwise it is a path, which is absolute."""
    if weights in spec.weights.names:
        return True
    pattern = spec.weights.pattern
    return pattern is not None and re.fullmatch(pattern, weights) is not None


def options_problem(spec: ModelSpec, weights: str | None, options: Mapping[str, Any]) -> str | None:
    """Return what the `check` of a spec says is wrong with weights and options together, or None.

    If the check raises, the text says so.
    """
    if spec.check is None:
        return None
    try:
        check = load(spec.check)
        parameters = inspect.signature(check).parameters
        problem: str | None = check(weights, **{k: v for k, v in {**spec.fixed, **options}.items() if k in parameters})
    except Exception as error:  # noqa: BLE001  a plugin may raise anything
        message = f"cannot be checked, its plugin raised {describe(error)}"
        log_failure(f"model `{spec.name}`: {message}", error)
        return message
    return problem


def download(url: str, path: Path, sha256: str = "") -> Path:
    """Download a file if it does not exist yet: whole, or not at all.

    Args:
        url: ``https://...``.
        path: where to save the file.
        sha256: of its content, or the first digits. It is compared after a download, not if the file exists already.

    Returns:
        `path`.

    Raises:
        UsageError: the file cannot be downloaded, or has another sha256. The message says which file to put where.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:  # it is there, so nothing is downloaded
        ...     download("https://example.org/tiny.pt", Path(file.name)) == Path(file.name)
        True
    """
    import http.client  # here, because every command imports this module, and few download
    import urllib.request

    if path.is_file():
        return path
    print(f"fetching {url}", file=sys.stderr, flush=True)
    advice = f"put {url} at {path}, or give a file"
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        request = urllib.request.Request(url, headers={"User-Agent": "segharness"})  # some hosts refuse Python's own
        with (
            urllib.request.urlopen(request, timeout=_TIMEOUT) as response,
            tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as file,
        ):
            part = Path(file.name)
            shutil.copyfileobj(response, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
            expected = response.headers.get("Content-Length")
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


_TIMEOUT = 60
"""Seconds without a byte after which a download fails."""


def weights_problem(spec: ModelSpec, weights: str | None) -> str | None:
    """Return what is wrong with the weights that a model would get, in one line, or None.

    `sha256` belongs to the plugin's own file, if there is one; otherwise to the file that a suite gives.
    """
    if weights is not None and is_weights_name(spec, weights):
        return None
    try:
        path = Path(weights) if weights else packaged_weights(spec)
    except PluginError as error:
        return str(error)
    if path is None or (spec.weights.pattern is not None and path.is_dir()):
        return None
    advice = "" if weights else "; install its plugin again"
    declared = None if weights and spec.weights.shipped else spec.weights.sha256
    try:
        with path.open("rb") as file:
            file.read(1)
        actual = file_digest(path) if declared is not None else None
    except FileNotFoundError:
        return f"the weights of model `{spec.name}` are missing: no file {path}{advice}"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return f"the weights of model `{spec.name}` cannot be read: {path}: {why}{advice}"
    if actual == declared:
        return None
    return (
        f"the weights of model `{spec.name}` are not the ones it declares: {path} has sha256 {str(actual)[:16]}..., "
        f"not {str(declared)[:16]}... (damaged, or of another model){advice}"
    )
