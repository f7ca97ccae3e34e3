"""The pytest fixture ``harness``."""

from __future__ import annotations

from pathlib import Path

import pytest

from segharness.testing.command_line import CommandLine


@pytest.fixture
def harness(tmp_path: Path) -> CommandLine:
    """The command line, in this test's temporary folder."""
    return CommandLine(tmp_path)
