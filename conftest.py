"""The fixtures of segharness.testing, for the tests of the engine and of every plugin, and the data in ../shared."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["segharness.testing.fixture"]

SHARED = Path(__file__).resolve().parents[1] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared, or a skip."""
    if not SHARED.is_dir():
        pytest.skip("needs the photographs, oracles and networks in ../shared")
    return SHARED


@pytest.fixture(autouse=True)
def own_settings(tmp_path_factory, monkeypatch) -> None:
    """Keep the settings and caches of whoever runs the tests out of them."""
    for variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path_factory.mktemp(variable.lower())))
