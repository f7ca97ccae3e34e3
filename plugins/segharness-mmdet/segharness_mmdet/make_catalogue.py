"""Makes `catalogue.json` from an installed mmdet, in mmdet's environment: names, configs, published AP and weights.

    python make_catalogue.py catalogue.json

The catalogue holds only facts from mmdet's own metafiles. Needs mmdet and PyYAML.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import yaml

TASKS = {"Object Detection": "box AP", "Instance Segmentation": "mask AP", "Panoptic Segmentation": "PQ"}
METRICS = ("box AP", "mask AP", "PQ")
NO_DETECTORS = {
    "bytetrack",
    "deepsort",
    "mask2former_vis",
    "masktrack_rcnn",
    "ocsort",
    "qdtrack",
    "reid",
    "sort",
    "strongsort",
}
"""Folders of methods that do not detect objects in single images."""


def main(target: str) -> None:
    """Write the catalogue to the file `target`."""
    spec = importlib.util.find_spec("mmdet")
    assert spec is not None and spec.submodule_search_locations
    root = Path(spec.submodule_search_locations[0]) / ".mim"
    published = dict(_published(root))
    rows = []
    for path in sorted((root / "configs").glob("*/*.py")):
        if path.parent.name.startswith("_") or path.parent.name in NO_DETECTORS or path.stem.endswith("_tta"):
            continue
        config = str(path.relative_to(root / "configs"))
        rows.append({"config": config, **published.get(config, {})})
    lines = ",\n".join(json.dumps(row) for row in rows)
    Path(target).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _published(root: Path) -> Any:
    for file in sorted(root.glob("configs/*/metafile.yml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        models = content["Models"] if isinstance(content, dict) else content
        collections = content.get("Collections", ()) if isinstance(content, dict) else ()
        papers = {c["Name"]: _link(c.get("Paper")) for c in collections}
        for model in models:
            yield model["Config"].removeprefix("configs/"), _row(model, papers)


def _link(paper: Any) -> str:
    url = paper.get("URL", "") if isinstance(paper, dict) else (paper or "")
    return str(url[0] if isinstance(url, list) else url)


def _row(model: dict[str, Any], papers: dict[str, str]) -> dict[str, Any]:
    metadata = model.get("Metadata") or {}
    head = model.get("In Collection", "")
    row: dict[str, Any] = {"head": head, "paper": papers.get(head, ""), "weights": model.get("Weights") or ""}
    if "Epochs" in metadata:
        row["epochs"] = metadata["Epochs"]
    for result in model.get("Results") or ():
        for name, value in (result.get("Metrics") or {}).items():
            if name in METRICS and result["Task"] in TASKS:
                row.setdefault("published", {}).setdefault(str(result["Dataset"]), {})[name] = value
    return row


if __name__ == "__main__":
    main(sys.argv[1])
