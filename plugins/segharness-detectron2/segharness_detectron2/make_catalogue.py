"""Makes `catalogue.json` from a checkout of detectron2: names, configs, published AP and weights of its model zoo.

    python make_catalogue.py CHECKOUT catalogue.json

The catalogue holds only facts from the tables in detectron2's documentation. Needs only Python.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLES = ("MODEL_ZOO.md", "projects/PointRend/README.md", "projects/MViTv2/README.md", "projects/ViTDet/README.md")
COLUMNS = {"box AP": "box AP", "mask AP": "mask AP", "PQ": "PQ", "kp. AP": "keypoint AP"}
SEARCHED = ("configs", "projects/PointRend/configs", "projects/MViTv2/configs", "projects/ViTDet/configs")


def main(checkout: Path, target: Path) -> None:
    """Write the catalogue of a checkout to the file `target`."""
    published = {row["config"]: row for table in TABLES for row in _rows(checkout, table)}
    rows = []
    for path in sorted(p for folder in SEARCHED for p in (checkout / folder).rglob("*") if _is_config(p)):
        config = str(path.relative_to(checkout)).removeprefix("configs/")
        rows.append(published.get(config, {"config": config}))
    lines = ",\n".join(json.dumps(row) for row in rows)
    target.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _is_config(path: Path) -> bool:
    """Return whether a file is a model's config: not a base of others, not a part, and not a quick test."""
    parts = set(path.parts)
    if path.suffix not in (".py", ".yaml") or {"common", "quick_schedules", "SemanticSegmentation"} & parts:
        return False
    return not re.match(r"Base|__init__|(semantic|keypoint|rpn|fast_rcnn)_", path.name)


def _rows(checkout: Path, table: str) -> Iterator[dict[str, Any]]:
    text = (checkout / table).read_text(encoding="utf-8")
    for body in re.findall(r"<table>.*?</table>", text, re.DOTALL):
        heads = [_words(cell) for cell in re.findall(r"<th[^>]*>(.*?)</th>", body, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL):
            cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
            links = re.findall(r'href="([^"]+)"', row)
            config = next((link for link in links if link.endswith((".yaml", ".py"))), None)
            weights = next((link for link in links if link.endswith(".pkl")), None)
            if config is None or len(cells) != len(heads):
                continue
            values = dict(zip(heads, map(_words, cells), strict=True))
            numbers = {
                name: float(values[column])
                for column, name in COLUMNS.items()
                if re.fullmatch(r"[0-9.]+", values.get(column, ""))
            }
            path = str((Path(table).parent / config).as_posix()).removeprefix("configs/")
            yield {"config": path, "weights": weights or "", "published": numbers}


def _words(cell: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", cell).split())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
