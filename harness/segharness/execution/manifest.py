"""The manifest: a record of everything that a run was made with."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from segharness.identity import Inputs
from segharness.plugin.host import Plugin, PluginHost
from segharness.suite import Suite
from segharness.suite.shared_suite import shared_name, shared_suite

_PACKAGES = (
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "pillow",
    "imagecorruptions",
    "scikit-image",
    "scipy",
    "hotcoco",
    "pycocotools",
    "pyarrow",
    "torch",
)
"""Packages that may change a result, whichever plugins are used."""


def make_manifest(
    suite: Suite,
    host: PluginHost,
    inputs: Inputs,
    protocol: str,
    devices: Sequence[str],
    environments: Mapping[str, Any] | None = None,
    origins: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the manifest of a run: the resolved suite, its inputs, and the software and devices that made it.

    It may be shared, so it holds neither values of variables nor folders of this machine.

    Args:
        suite: the suite that runs.
        host: the plugins.
        inputs: everything that the run's files are made from.
        protocol: the protocol id.
        devices: the devices that the executor uses; repeated names count once.
        environments: the packages of every model that runs under a foreign interpreter, by its id.
        origins: where the fetched weights of models came from, by the model's id.
    """
    plugins = _plugins(host.plugins, _names(suite))
    return {
        "suite": shared_suite(suite),
        "plugin_arguments": {"include": [shared_name(name) for name in host.arguments.include], "folders": []},
        "protocol": protocol,
        "inputs": inputs.to_json(),
        "plugins": plugins,
        "packages": _packages(plugins),
        "environments": dict(environments or {}),
        "origins": dict(origins or {}),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": sorted(set(devices)),
        "git": _git(Path(suite.path).parent),
    }


def _names(suite: Suite) -> set[str]:
    """Return the names of everything that a suite takes from plugins."""
    corruptions = {condition.corruption for condition in suite.conditions if condition.corruption}
    return (
        {entry.model for entry in suite.models}
        | {entry.dataset for entry in suite.datasets}
        | corruptions
        | {entry.metric for entry in suite.scoring.evaluations}
    )


def _packages(plugins: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the versions of packages that may change a result: `_PACKAGES`, and the requirements of used plugins."""
    names = {canonicalize_name(name) for name in _PACKAGES}
    for plugin in plugins:
        if plugin["used"] and plugin["version"]:
            requirements = importlib.metadata.requires(plugin["distribution"]) or ()
            names |= {canonicalize_name(Requirement(line).name) for line in requirements}
    return {name: version for name in sorted(names) if (version := _version(name))}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, Any] | None:
    """Return the commit of the suite's repository and whether it has local changes, or None outside of git."""

    def git(*arguments: str) -> str | None:
        try:
            process = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
            )
        except OSError:
            return None
        return process.stdout.strip() if process.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    return None if commit is None else {"commit": commit, "dirty": bool(git("status", "--porcelain"))}


def _plugins(plugins: Iterable[Plugin], used: Collection[str]) -> Sequence[dict[str, Any]]:
    """Return the plugins that work, as the manifest records them.

    Args:
        plugins: all plugins.
        used: the names of the specs that a run needs.
    """
    return [
        {
            "name": shared_name(p.name),
            "distribution": shared_name(p.distribution),
            "version": p.version,
            "used": any(name in used for _, name in p.offers),
        }
        for p in plugins
        if not p.quarantined
    ]
