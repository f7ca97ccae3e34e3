"""Which devices there are: torch is asked, but only where asking may find something."""

from __future__ import annotations

import subprocess

import pytest
from segharness.execution import devices


@pytest.fixture
def asked(monkeypatch):
    """A machine with torch, which sees two; returns the commands that were run to ask it."""
    commands = []

    def run(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "a plugin's chatter\nsegharness-devices 2\n", "")

    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(devices.subprocess, "run", run)
    monkeypatch.setattr(devices.sys, "platform", "linux")
    return commands


def test_where_there_is_a_driver_torch_is_asked_in_a_process_of_its_own(asked, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path / "none", tmp_path))
    assert devices.find_devices() == ["cuda:0", "cuda:1"]
    [command] = asked
    assert "import torch" in command[-1]


def test_without_a_driver_nothing_is_asked(asked, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path / "none",))
    assert devices.find_devices() == [] and asked == []


def test_elsewhere_than_on_linux_torch_is_asked(asked, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path / "none",))
    monkeypatch.setattr(devices.sys, "platform", "win32")
    assert devices.find_devices() == ["cuda:0", "cuda:1"]
