"""What CONTRIBUTING.md shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from segharness.testing import check_corruption

CONTRIBUTING = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"


def test_a_corruption_in_ten_lines(small):
    code = re.search(r"```python\n(.*?dusk.*?)```", CONTRIBUTING.read_text(), re.DOTALL).group(1)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    names: dict = {}
    exec(code, names)
    check_corruption(names["dusk"])
    small.write("segharness_plugins.py", code)
    suite = (small.folder / "small.yaml").read_text().replace("gaussian_noise-5, fog-3, mixed", "acme/dusk-2")
    small.write("dusk.yaml", suite.replace("name: small", "name: dusk"))
    done = small("run", "dusk.yaml")
    assert done.code == 0, done.err
    rows = small.results("dusk").to_pylist()
    assert {row["corruption"] for row in rows} == {None, "acme/dusk"}
    assert "dusk" in done.out
    done = small(
        "corrupt", "coco/images/0001.png", "--corruption", "acme/dusk", "-p", "segharness_plugins", "-o", "out"
    )
    assert done.code == 0 and len(done.out.splitlines()) == 5, done.err
