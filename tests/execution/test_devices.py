"""Finding devices: torch is asked only if it may see one."""

from __future__ import annotations

import subprocess

import pytest
from segharness.execution import devices


@pytest.fixture
def probes(monkeypatch):
    """A machine whose torch sees two devices. Returns the commands that were run to ask it."""
    commands = []

    def run(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "a plugin's chatter\nsegharness-devices 2\n", "")

    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(devices.subprocess, "run", run)
    monkeypatch.setattr(devices.sys, "platform", "linux")
    return commands


def test_with_a_driver_torch_is_asked_in_a_separate_process(probes, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path / "none", tmp_path))
    assert devices.find_devices() == ["cuda:0", "cuda:1"]
    [command] = probes
    assert "import torch" in command[-1]


def test_without_a_driver_torch_is_not_asked(probes, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path / "none",))
    assert devices.find_devices() == [] and probes == []


def test_outside_linux_torch_is_asked_without_a_driver(probes, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path / "none",))
    monkeypatch.setattr(devices.sys, "platform", "win32")
    assert devices.find_devices() == ["cuda:0", "cuda:1"]
