"""A detector cannot tell our corruptions from the package's: benchmarks/corruption_ap.py, on a part."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = REPOSITORY.parent / "shared"


@pytest.mark.slow
@pytest.mark.shared
def test_mean_ap_differs_by_no_more_than_the_packages_own_seeds():
    if not SHARED.is_dir():
        pytest.skip("needs the photographs and networks in ../shared")
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "benchmarks/corruption_ap.py"),
         "--coco", str(SHARED / "data/coco-tiny"), "--models", str(SHARED / "models"), "--seeds", "2",
         "--corruptions", "defocus_blur", "contrast", "gaussian_noise"],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\| (\w+) \| ([\d.]+) .*\| ([+-][\d.]+) \| [\d.]+ \|$", done.stdout, re.MULTILINE)
    found = {name: (float(package), float(difference)) for name, package, difference in rows}
    assert len(found) == 3
    assert all(0.05 < package < 0.21 for package, _ in found.values()), found
    for name in ("defocus_blur", "contrast"):  # equal to the last bit
        assert found[name][1] == 0
