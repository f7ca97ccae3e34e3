"""Every distribution as wheel and sdist, and environments that have nothing else of segharness: made once a session."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = [REPOSITORY, *sorted((REPOSITORY / "plugins").iterdir())]


def built(shared: Path) -> Path:
    """Return the folder of all wheels and sdists; whichever worker of pytest is first builds them.

    Args:
        shared: a folder that all workers of the session have.
    """
    target = shared / "dist"
    with (shared / "dist.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            for folder in DISTRIBUTIONS:
                build(folder, shared / "dist.part")
            (shared / "dist.part").rename(target)
    return target


def build(folder: Path, target: Path) -> None:
    """Build a wheel and an sdist with the build backend that is installed here; nothing is fetched."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Environment:
    """A fresh environment without the checkout. What is no part of segharness it shares with this one.

    Args:
        folder: where to make it.
        wheels: the folder that `built` returned.
    """

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder, self._wheels = folder, wheels
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.python = folder / "bin/python"
        base = folder / "base"
        base.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if "segharness" not in entry.name.lower():
                (base / entry.name).symlink_to(entry)
        [site] = (folder / "lib").glob("python*/site-packages")
        (site / "base.pth").write_text(f"{base}\n")

    def install(self, *requirements: str, dependencies: bool = True) -> None:
        """Install distributions from the wheels alone."""
        command = [str(self.python), "-m", "pip", "install", "-q", "--no-index", "--find-links", str(self._wheels)]
        more = [] if dependencies else ["--no-deps"]
        done = self._run([*command, *more, *requirements], self.folder)
        assert done.returncode == 0, done.stdout + done.stderr

    def __call__(self, *arguments: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
        """Run ``segharness ARGUMENTS`` in a folder, with the settings and caches of `home`."""
        return self._run([str(self.folder / "bin/segharness"), *arguments], folder, home)

    def run(self, *command: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python with arguments."""
        return self._run([str(self.python), *command], folder, home)

    def _run(self, command: list[str], folder: Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
        own = (
            {name: str(home / name) for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")} if home else {}
        )
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        environment |= {"COLUMNS": "200", "NO_COLOR": "1", "PATH": f"{self.folder}/bin:{os.environ['PATH']}", **own}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
