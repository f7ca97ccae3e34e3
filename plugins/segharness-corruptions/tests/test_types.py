"""What the plugin offers is typed for those who use it; its arithmetic with OpenCV is not checked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import segharness_corruptions

CALLER = """
import numpy as np
from segharness_corruptions import corrupt, corruption_names

names = corruption_names()
foggy = corrupt(np.zeros((40, 40, 3), np.uint8), "fog", severity=3, seed=0, image_id=7)
reveal_type(names)
reveal_type(foggy)
"""


def test_a_caller_is_checked_strictly(tmp_path):
    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    package = Path(segharness_corruptions.__file__).parent
    assert (package / "py.typed").is_file()
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "caller.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(package.parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert 'Revealed type is "list[str]"' in done.stdout and "ndarray" in done.stdout
