"""Runs the commands of tests in copies of one process that has imported segharness, its plugins and what they need.

Most of what a short command costs is imports. A server, one for each worker of pytest, imports all that once and forks
for every command; the copy then does what ``python -m segharness`` does. Commands that depend on how Python starts, and
those that a test interferes with (`CommandLine.start`), run in processes of their own.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_OWN = ("COLUMNS", "NO_COLOR", "PYTEST_CURRENT_TEST", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
"""The variables that may differ from the server's, beside segharness's own: they are read when a command runs."""


class WarmCommands:
    """The server, and what sends it commands.

    Args:
        folder: for its socket.
    """

    def __init__(self, folder: Path) -> None:
        self._address = str(folder / "socket")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._address)
        self._listener.listen(64)
        self.environment = dict(os.environ)
        self._server = subprocess.Popen(
            [sys.executable, __file__, str(self._listener.fileno())],
            pass_fds=[self._listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )

    def takes(self, environment: Mapping[str, str]) -> bool:
        """Return whether a command with these variables gives the same in a copy of the server."""
        differing = {
            name
            for name in environment.keys() | self.environment.keys()
            if environment.get(name) != self.environment.get(name)
        }
        return all(name in _OWN or name.startswith("SEGHARNESS_") for name in differing)

    def run(
        self, arguments: list[str], folder: Path, environment: Mapping[str, str], timeout: float
    ) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr of a command.

        Raises:
            subprocess.TimeoutExpired: it took longer than `timeout` seconds; it is killed.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._address)
            request = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
            content = json.dumps(request).encode()
            socket.send_fds(server, [len(content).to_bytes(8, "big")], [out.fileno(), err.fileno()])
            server.sendall(content)
            answers = server.makefile("rb")
            if not (line := answers.readline()):
                raise RuntimeError("the process that runs the commands of tests has ended; its messages are on stderr")
            process = int(line)
            server.settimeout(timeout)
            try:
                code = int(answers.readline())
            except TimeoutError:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(["segharness", *arguments], timeout) from None
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read().decode(errors="surrogateescape"))
            return code, texts[0], texts[1]

    def close(self) -> None:
        """End the server."""
        self._server.kill()
        self._server.wait()
        self._listener.close()


def _serve(listener: socket.socket) -> dict[str, object]:
    """Fork for every command. Returns only in a process that is to run one: what that is."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for commands
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            return _received(connection)
        connection.close()


def _received(connection: socket.socket) -> dict[str, object]:
    head, handles, _, _ = socket.recv_fds(connection, 8, 2)
    content = b""
    while len(content) < int.from_bytes(head, "big"):
        content += connection.recv(1 << 20)
    process = os.fork()
    if process == 0:
        connection.close()
        for source, target in zip(handles, (1, 2), strict=True):
            os.dup2(source, target)
            os.close(source)
        return dict(json.loads(content))
    connection.sendall(b"%d\n" % process)
    _, status = os.waitpid(process, 0)
    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(request: dict[str, object]) -> None:
    """Make this process what ``python -m segharness`` would be."""
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    sys.argv[1:] = request["arguments"]  # type: ignore[call-overload]
    sys.path[0] = str(request["folder"])


if __name__ == "__main__":
    from segharness.plugin.host import PluginArguments, PluginHost
    from segharness.plugin.import_strings import load
    from segharness.plugin.specs import CommandSpec, DatasetSpec

    host = PluginHost.load(PluginArguments())
    for spec in (*host.all(CommandSpec), *host.all(DatasetSpec)):
        load(spec.configure if isinstance(spec, CommandSpec) else spec.factory)
    del host, spec
    _become(_serve(socket.socket(fileno=int(sys.argv[1]))))
    runpy.run_module("segharness", run_name="__main__", alter_sys=True)
