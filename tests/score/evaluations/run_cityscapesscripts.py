"""Run Cityscapes' own evaluation: ``python run_cityscapesscripts.py FRAMES.json OUT.json``.

This runs in an environment of its own, which has what REQUIREMENTS says and nothing of segharness.
``FRAMES.json`` is a list of frames, ``{"ids": ..., "predictions": [{"label": 24, "score": 0.5, "mask": ...}]}``; ``ids``
(values as in ``*_instanceIds.png``) and ``mask`` (nonzero is inside) are nested lists or paths of ``.npy`` files.
``OUT.json`` gets the package's averages, and each class's AP at each IoU threshold as ``aps``; null stands for nan.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = ["cityscapesscripts==2.3.0", "pyquaternion==0.9.9", "numpy<2.4", "pillow"]
"""To be installed with --no-deps. The package calls np.in1d, which numpy 2.4 no longer has."""


def pixels(source):
    """Read an array from a nested list or the path of an .npy file."""
    import numpy as np

    return np.load(source) if isinstance(source, str) else np.array(source)


def write(frames: list[dict], folder: Path) -> tuple[list[str], list[str]]:
    """Write the frames as the package wants them; return the paths of the prediction lists and of the ground truth."""
    import numpy as np
    from PIL import Image

    lists, truths = [], []
    for number, frame in enumerate(frames):
        name = f"made_000000_{number:06d}"
        truth = folder / f"{name}_gtFine_instanceIds.png"
        Image.fromarray(pixels(frame["ids"]).astype(np.uint16)).save(truth)
        lines = []
        for index, prediction in enumerate(frame["predictions"]):
            mask = folder / f"{name}_{index}.png"
            Image.fromarray((pixels(prediction["mask"]) != 0).astype(np.uint8) * 255).save(mask)
            lines.append(f"{mask.name} {prediction['label']} {float(prediction['score'])!r}\n")
        listing = folder / f"{name}.txt"
        listing.write_text("".join(lines))
        lists.append(str(listing))
        truths.append(str(truth))
    return lists, truths


def evaluate(frames: list[dict], folder: Path) -> dict:
    """Return the package's averages, and its AP per class and threshold."""
    package = importlib.import_module("cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling")
    lists, truths = write(frames, folder)
    package.args.gtInstancesFile = str(folder / "none.json")  # by default, a cache in the package's own folder
    package.args.predictionPath = str(folder)
    package.args.JSONOutput = False
    package.args.quiet = True
    package.writeDict2JSON = lambda *_: None  # its by-products, which it cannot write with numpy 2.3 or newer
    results = package.evaluateImgLists(lists, truths, package.args)
    averages = results["averages"]
    classes = averages["classes"]
    [matrix] = results["resultApMatrix"]  # one distance range: any
    return {
        "allAp": averages["allAp"],
        "allAp50%": averages["allAp50%"],
        "classes": {
            name: {**classes[name], "aps": row} for name, row in zip(results["instLabels"], matrix, strict=True)
        },
    }


def without_nan(value):
    """Return JSON's nearest: None for nan."""
    if isinstance(value, dict):
        return {key: without_nan(v) for key, v in value.items()}
    if isinstance(value, list):
        return [without_nan(v) for v in value]
    return None if math.isnan(value) else float(value)


def main(source: str, target: str) -> None:
    """Read frames, evaluate them, write numbers."""
    frames = json.loads(Path(source).read_text())
    with tempfile.TemporaryDirectory() as folder:
        numbers = evaluate(frames, Path(folder).resolve())
    Path(target).write_text(json.dumps(without_nan(numbers), allow_nan=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
