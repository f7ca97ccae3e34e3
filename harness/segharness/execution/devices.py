"""Which devices there are, without importing a framework here."""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

DRIVERS = tuple(Path("/dev") / name for name in ("nvidiactl", "nvidia0", "kfd", "dxg", "nvmap", "nvhost-ctrl"))
"""What a Linux machine with an accelerator that torch calls ``cuda`` has one of: NVIDIA's, AMD's, WSL's, Jetson's."""

_PROBE = "import torch; print('segharness-devices', torch.cuda.device_count())"


def device_name(device: str) -> str:
    """Return what a device is called: the processor, or the accelerator as torch or its driver knows it."""
    if device == "cpu":
        return _processor()
    torch = sys.modules.get("torch")  # only where the model brought it
    if torch is not None and device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return _driver(device, "name") or device


def _driver(device: str, what: str) -> str:
    """Return what the accelerator's driver says of it; nothing where there is no such driver."""
    query = [
        "nvidia-smi",
        f"--query-gpu={what}",
        "--format=csv,noheader,nounits",
        "-i",
        device.partition(":")[2] or "0",
    ]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


@functools.cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def memory_of(device: str) -> float | None:
    """Return the GiB of an accelerator, or of this machine for ``cpu``; None where nobody says."""
    if device.partition(":")[0] == "cpu":
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        except (ValueError, OSError):
            return None
    text = _driver(device, "memory.total")
    return float(text) / 1024 if text.replace(".", "", 1).isdigit() else None


def find_devices() -> list[str]:
    """Return ``cuda:0 ...`` if torch is installed and sees some, else nothing.

    Torch is asked in a process of its own, which takes seconds; on Linux only where there is a driver.
    """
    if importlib.util.find_spec("torch") is None:
        return []
    if sys.platform == "linux" and not any(path.exists() for path in DRIVERS):
        return []
    probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False)
    for line in probe.stdout.splitlines():
        if line.startswith("segharness-devices "):
            return [f"cuda:{index}" for index in range(int(line.split()[1]))]
    return []
