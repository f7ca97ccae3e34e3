"""A corruption needs at most 12 times its image: benchmarks/corruptions.py measures each in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[3] / "benchmarks/corruptions.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from /proc")
def test_no_corruption_needs_more_than_twelve_times_its_image():
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--only", "memory"], capture_output=True, text=True, timeout=600, check=False
    )
    needed = {name: float(times) for name, times in re.findall(r"^(\w+) +([\d.]+)$", done.stdout, re.MULTILINE)}
    assert len(needed) == 19, done.stdout + done.stderr
    assert done.returncode == 0 and max(needed.values()) <= 12, needed
    assert min(needed.values()) > 0.3  # an image of its own is made, so less is no measurement
