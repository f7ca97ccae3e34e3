"""A corruption needs at most 12 times its image: benchmarks/corruption_cost.py measures each in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

BENCHMARK = Path(__file__).resolve().parents[3] / "benchmarks/corruption_cost.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from /proc")
def test_no_corruption_needs_more_than_twelve_times_its_image(tmp_path):
    ramp = np.linspace(0, 255, 640).astype(np.uint8)  # the benchmark resizes it; memory does not depend on the content
    cv2.imwrite(str(tmp_path / "ramp.png"), np.broadcast_to(ramp[None, :, None], (427, 640, 3)))
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), str(tmp_path), "--only", "memory"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    needed = {name: float(times) for name, times in re.findall(r"^(\w+) +([\d.]+)$", done.stdout, re.MULTILINE)}
    assert len(needed) == 19, done.stdout + done.stderr
    assert done.returncode == 0 and max(needed.values()) <= 12, needed
    assert min(needed.values()) > 0.3  # an image of its own is made, so less is no measurement
