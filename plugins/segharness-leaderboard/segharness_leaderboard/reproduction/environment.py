"""A fresh environment for a stranger's plugin.

Requirements come from the index by their names, as wheels alone, before the stranger's wheel is there. That one is
installed in the container.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segharness import UsageError
from segharness.escaping import line

from segharness_leaderboard.reproduction.container import Container
from segharness_leaderboard.reproduction.wheel import is_plain

OURS = ("segharness", "segharness-leaderboard")
"""What is installed beside the stranger's plugin, in the versions of this machine."""


def make_environment(container: Container, requirements: Sequence[str], wheel: Path, scratch: Path) -> dict[str, Any]:
    """Make the environment, and return the packages beside the stranger's: version, and SHA-256 of what was fetched.

    Args:
        container: whose environment it becomes.
        requirements: of the stranger's wheel.
        wheel: of the stranger; read by nothing outside of the container.
        scratch: a folder for reports.

    Raises:
        UsageError: a requirement is not to be had, or the wheel cannot be installed.
    """
    if others := [requirement for requirement in requirements if not is_plain(requirement)]:
        raise UsageError(f"{wheel.name}: {others[0]!r:.120} is no name with versions, and is not installed")
    base = container.environment
    made = subprocess.run([sys.executable, "-m", "venv", str(base)], capture_output=True, text=True, check=False)
    if made.returncode:
        raise UsageError(f"no environment could be made: {line(made.stderr.strip() or made.stdout.strip())[-300:]}")
    if container.packages:
        site = Path(sysconfig.get_path("purelib", vars={"base": str(base), "platbase": str(base)}))
        (site / "given.pth").write_text("".join(f"{folder}\n" for folder in container.packages))
    ours = [f"{name}=={importlib.metadata.version(name)}" for name in OURS]
    report, listed, empty = scratch / "installed.json", scratch / "requirements.txt", scratch / "empty"
    listed.write_text("".join(f"{requirement}\n" for requirement in [*ours, *requirements]))
    empty.mkdir()
    command = [str(container.python), "-m", "pip", "install", "--only-binary", ":all:", "--no-input", "-q"]
    command += ["--disable-pip-version-check", "--report", str(report), "-r", str(listed)]
    try:
        done = subprocess.run(
            command,
            cwd=empty,  # a requirement cannot be taken for something that lies here
            capture_output=True,
            text=True,
            env=_pip_environment(),
            timeout=container.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError("its requirements take too long to install (--hours)") from error
    if done.returncode:
        advice = "--packages DIR names a folder of packages that has them, and pip's settings an index"
        raise UsageError(
            f"its requirements, or segharness, cannot be installed: {line(done.stderr.strip())[-500:]} ({advice})"
        )
    packages: dict[str, Any] = {
        str(item.metadata["Name"]): {"version": item.version, "sha256": None}
        for item in importlib.metadata.distributions(path=list(map(str, container.packages)))
    }
    for entry in json.loads(report.read_bytes())["install"]:
        hashes = entry.get("download_info", {}).get("archive_info", {}).get("hashes", {})
        packages[entry["metadata"]["name"]] = {"version": entry["metadata"]["version"], "sha256": hashes.get("sha256")}
    command = [str(container.python), "-m", "pip", "install", "--no-index", "--no-deps", "--no-input", "-q", str(wheel)]
    container.readable.append(wheel)
    installed = container.run(command, scratch, writable=[base])
    container.readable.remove(wheel)
    if installed.code:
        raise UsageError(f"{wheel.name}: cannot be installed: {line(installed.said.strip())[-500:]}")
    return dict(sorted(packages.items()))


def _pip_environment() -> dict[str, str]:
    """Return the environment of pip: where the index is and how it is reached, and nothing else."""
    kept = {"PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}
    kept |= {"https_proxy", "HTTPS_PROXY", "no_proxy"}
    return {name: value for name, value in os.environ.items() if name in kept or name.startswith("PIP_")}
