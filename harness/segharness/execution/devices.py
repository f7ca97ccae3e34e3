"""Finds the devices of this machine without importing a framework into this process."""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

DRIVERS = tuple(Path("/dev") / name for name in ("nvidiactl", "nvidia0", "kfd", "dxg", "nvmap", "nvhost-ctrl"))
"""The device files of NVIDIA, AMD, WSL and Jetson. A Linux machine with a ``cuda`` device of torch has at least one."""

_PROBE = "import torch; print('segharness-devices', torch.cuda.device_count())"


def device_name(device: str) -> str:
    """Return a device's product name: the processor's, or the accelerator's according to torch or its driver."""
    if device == "cpu":
        return _processor()
    torch = sys.modules.get("torch")  # imported only if the model uses it
    if torch is not None and device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return _query_driver(device, "name") or device


def _query_driver(device: str, field: str) -> str:
    """Return a field that nvidia-smi reports for an accelerator, or an empty string if there is no nvidia-smi."""
    command = [
        "nvidia-smi",
        f"--query-gpu={field}",
        "--format=csv,noheader,nounits",
        "-i",
        device.partition(":")[2] or "0",
    ]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
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


def device_memory(device: str) -> float | None:
    """Return the memory of an accelerator, or of this machine for ``cpu``, in GiB. Returns None if it is unknown.

    Example:
        >>> device_memory("cpu") > 0.1  # GiB
        True
    """
    if device.partition(":")[0] == "cpu":
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        except (ValueError, OSError):
            return None
    megabytes = _query_driver(device, "memory.total")
    return float(megabytes) / 1024 if megabytes.replace(".", "", 1).isdigit() else None


def find_devices() -> list[str]:
    """Return the CUDA devices that torch sees, ``["cuda:0", "cuda:1"]``; an empty list if torch is not installed.

    A separate process imports torch, which takes seconds. On Linux this happens only if there is a driver.
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
