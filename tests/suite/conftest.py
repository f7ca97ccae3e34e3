"""Loads suites from texts, with the installed plugins."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from segharness.errors import SuiteError
from segharness.plugin.host import PluginHost
from segharness.suite import Overrides, Suite, Variables, load_suite


@pytest.fixture(scope="session")
def host() -> PluginHost:
    return PluginHost.load()


class Loader:
    """Writes suites to a folder and loads them."""

    def __init__(self, folder: Path, host: PluginHost) -> None:
        self.folder, self.host = folder, host

    def write(self, text: str, name: str = "s.yaml") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return path

    def load(self, text: str, variables=None, environment=None, **overrides) -> Suite:
        path = self.write(text)
        return load_suite(
            path,
            self.host,
            variables=Variables(variables or {}, environment or {}),
            overrides=Overrides(**overrides),
        ).suite

    def problems(self, text: str, **arguments) -> list[str]:
        """Return the problems of a suite, without the folder's name; `arguments` are those of `load`."""
        with pytest.raises(SuiteError) as caught:
            self.load(text, **arguments)
        return [problem.replace(f"{self.folder}/", "") for problem in caught.value.problems]


@pytest.fixture
def suites(tmp_path: Path, host: PluginHost) -> Loader:
    return Loader(tmp_path, host)
