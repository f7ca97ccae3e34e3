"""The fixtures of segharness.testing, for the tests of the engine and of every plugin, and the data in ../shared."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from segharness.testing import CommandLine, CommandResult

from tests.warm_commands import WarmCommands

pytest_plugins = ["segharness.testing.harness_fixture"]

COLD = bool(os.environ.get("SEGHARNESS_TEST_COLD"))
"""Whether commands run as users run them: each in a new process, on every core."""

SHARED = Path(__file__).resolve().parents[1] / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """Give each worker of pytest a core of its own: threads of several that share all cores wait for one another."""
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    if worker and not COLD and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.fixture(scope="session", autouse=True)
def warm_commands(own_home, tmp_path_factory) -> Iterator[WarmCommands]:
    """Run commands of tests in copies of a process that has imported what they need."""
    server = WarmCommands(tmp_path_factory.mktemp("warm"))
    cold = CommandLine.__call__

    def call(self: CommandLine, *arguments: str, env=None, timeout: float = 300) -> CommandResult:
        environment = self.environment(env)
        if COLD or self.arguments()[0] != sys.executable or not server.takes(environment):
            return cold(self, *arguments, env=env, timeout=timeout)
        return CommandResult(*server.run([str(word) for word in arguments], self.folder, environment, timeout))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CommandLine, "__call__", call)
        yield server
    server.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared, or a skip."""
    if not SHARED.is_dir():
        pytest.skip("needs the photographs, oracles and networks in ../shared")
    return SHARED


OWN = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
"""The variables that say where the settings, the caches and the memory of a user lie."""


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory) -> Iterator[None]:
    """Keep whoever runs the tests out of those fixtures that several tests share."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in OWN:
            patch.setenv(variable, str(tmp_path_factory.mktemp(variable.lower())))
        yield


@pytest.fixture(autouse=True)
def own_settings(own_home, tmp_path_factory, monkeypatch) -> None:
    """Keep the settings, the caches and the memory of every test to itself."""
    for variable in OWN:
        monkeypatch.setenv(variable, str(tmp_path_factory.mktemp(variable.lower())))


@pytest.fixture
def pretend(tmp_path):
    """A function that makes an interpreter in whose environment there seems to be a framework of a name."""

    def make(framework: str) -> Path:
        (tmp_path / "lib" / framework).mkdir(parents=True)
        (tmp_path / "lib" / framework / "__init__.py").touch()
        python = tmp_path / f"python_{framework}"
        python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}/lib" exec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        return python

    return make
