"""Which devices there are, without importing a framework here."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

_PROBE = "import torch; print('segharness-devices', torch.cuda.device_count())"


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_devices() -> list[str]:
    """Return ``cuda:0 ...`` if torch is installed and sees some, else nothing. Torch is asked in a process of its own."""
    if importlib.util.find_spec("torch") is None:
        return []
    probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False)
    for line in probe.stdout.splitlines():
        if line.startswith("segharness-devices "):
            return [f"cuda:{index}" for index in range(int(line.split()[1]))]
    return []
