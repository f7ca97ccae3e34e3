"""The container that a stranger's plugin is installed and run in.

It is made by bubblewrap: no network, no environment, no capabilities, and no files but libraries, the environment that the
plugin is in, and what is named as readable.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segharness import UsageError
from segharness.escaping import line

_LARGEST_FILE = 4 << 30
"""No file that is written in the container has more bytes, what is printed included."""

_MOST_SAID = 1 << 16
"""So many bytes of what a command prints are read."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, and the end of what it printed."""

    code: int
    said: str


@dataclass
class Container:
    """Runs commands of an environment without network, credentials or files of this machine.

    Attributes:
        environment: the folder of the virtual environment.
        seconds: how long a command may take.
        packages: folders of packages that the environment starts from.
        readable: further files and folders that commands may read.
        confined: whether bubblewrap is used.
        devices: whether graphics cards are given to commands.
        memory: what a process may address, in GiB; not limited with graphics cards, whose drivers address all of theirs.
    """

    environment: Path
    seconds: float
    packages: Sequence[Path] = ()
    readable: list[Path] = field(default_factory=list)
    confined: bool = True
    devices: bool = False
    memory: int = 32

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.environment / "bin/python"

    def run(self, command: Sequence[str], folder: Path, *, writable: Sequence[Path] = ()) -> Ended:
        """Run a command in a folder that it may write into.

        Raises:
            UsageError: it takes too long, or bubblewrap cannot be started.
        """
        wrapped = [*self._wrapping(folder, writable), *command] if self.confined else list(command)
        environment = {"PATH": f"{self.environment}/bin:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(
                    wrapped,
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=self.seconds,
                    preexec_fn=self._limit,
                    start_new_session=True,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise UsageError(f"the plugin took longer than {self.seconds / 3600:.1f} hours (--hours)") from error
            output.seek(max(0, output.seek(0, os.SEEK_END) - _MOST_SAID))
            return Ended(done.returncode, output.read(_MOST_SAID).decode("utf-8", "replace"))

    def _limit(self) -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if not self.devices:
            resource.setrlimit(resource.RLIMIT_AS, (self.memory << 30, self.memory << 30))

    def _wrapping(self, folder: Path, writable: Sequence[Path]) -> list[str]:
        """Return the command line of bubblewrap, up to the command."""
        words = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
        words += ["--uid", "65534", "--gid", "65534", "--hostname", "container", "--proc", "/proc", "--dev", "/dev"]
        words += ["--tmpfs", "/tmp", "--ro-bind", "/usr", "/usr"]
        for name in ("bin", "lib", "lib64", "sbin"):
            place = Path("/", name)
            if place.is_symlink():
                words += ["--symlink", str(place.readlink()), str(place)]
            elif place.is_dir():
                words += ["--ro-bind", str(place), str(place)]
        for name in ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives"):
            words += ["--ro-bind-try", name, name]
        readable = [Path(sys.base_prefix), self.environment, *self.packages, *map(_behind_links, self.packages)]
        for place in dict.fromkeys([*readable, *self.readable]):
            words += ["--ro-bind", str(place), str(place)]
        for place in dict.fromkeys([folder, *writable]):
            words += ["--bind", str(place), str(place)]
        if self.devices:
            for device in sorted([*Path("/dev").glob("nvidia*"), Path("/dev/kfd"), Path("/dev/dri")]):
                words += ["--dev-bind-try", str(device), str(device)]
            words += ["--ro-bind-try", "/sys", "/sys"]
        for name, value in (("PATH", f"{self.environment}/bin:/usr/bin:/bin"), ("HOME", "/tmp"), ("LANG", "C.UTF-8")):
            words += ["--setenv", name, value]
        return [*words, "--chdir", str(folder), "--"]


def _behind_links(folder: Path) -> Path:
    """Return the folder that the entries of a folder lead to, if they are links, or the folder itself."""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            if entry.is_symlink():
                return entry.resolve().parent
    return folder


def check_container(confined: bool) -> None:
    """Raise UsageError if a container is wanted, and this machine cannot make one."""
    if not confined:
        return
    advice = "install bubblewrap, or say --unconfined on a machine that is thrown away afterwards"
    if shutil.which("bwrap") is None:
        raise UsageError(f"a stranger's plugin is run by bubblewrap (bwrap), which is not here: {advice}")
    done = subprocess.run(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UsageError(f"bubblewrap cannot make a container here ({line(done.stderr.strip())[:200]}): {advice}")
