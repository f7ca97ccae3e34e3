"""The fixtures of segharness.testing, for the tests of the engine and of every plugin, and the data in ../shared."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["segharness.testing.harness_fixture"]

SHARED = Path(__file__).resolve().parents[1] / "shared"


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
