"""Compares segharness's corruptions with the imagecorruptions package's: a detector's mask AP under several seeds.

    python benchmarks/corruption_ap.py --coco DIR --models DIR [--seeds 5] [--corruptions NAME ...] [--limit N]

For each corruption the mean AP over the seeds may differ by the spread (largest minus smallest) of the package's own
seeds, plus 0.005. The exit code is 1 if a corruption differs by more.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from segharness import read_results
from segharness_corruptions.catalogue import PAPER15, REFERENCE

ALLOWED = 0.005
SUITE = """\
segharness: 1
name: corruption_ap
seed: {seed}
models:
  - id: yolov8n-320
    model: yolo/seg
    weights: {models}/yolov8n_320_quant_pc_ii_seg_coco-st.tflite
datasets:
  - id: coco_val2017
    dataset: coco/instances
    options:
      annotations: {coco}/annotations/instances_val2017.json
      images: {coco}/val2017/
conditions:
  - clean
  - corruptions: [{names}]
    severities: [3]
    name: compared
scoring:
  tasks: [segm]
"""


def main() -> int:
    """Print a table of the corruptions; return 1 if one differs by too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=80)
    parser.add_argument("--corruptions", nargs="+", default=PAPER15, choices=PAPER15, metavar="NAME")
    args = parser.parse_args()
    runs = [average_precisions(args, seed) for seed in range(args.seeds)]
    print(f"mask AP, {args.limit} images, severity 3, seeds 0 to {args.seeds - 1}; clean {runs[0]['clean']:.4f}\n")
    print("| corruption | package | package spread | plugin | plugin spread | difference | allowed |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    failed = 0
    for name in args.corruptions:
        reference, own = [r[REFERENCE + name] for r in runs], [r[name] for r in runs]
        difference = statistics.mean(own) - statistics.mean(reference)
        spread = max(reference) - min(reference)
        failed += abs(difference) > spread + ALLOWED
        print(
            f"| {name} | {statistics.mean(reference):.4f} | {spread:.4f} | {statistics.mean(own):.4f} "
            f"| {max(own) - min(own):.4f} | {difference:+.4f} | {spread + ALLOWED:.4f} |"
        )
    print(f"\n{len(args.corruptions) - failed} of {len(args.corruptions)} within what is allowed")
    return int(failed > 0)


def average_precisions(args: argparse.Namespace, seed: int) -> dict[str, float]:
    """Return the mask AP of each corruption of both families, with one seed."""
    names = ", ".join(family + name for name in args.corruptions for family in ("", REFERENCE))
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder, "corruption_ap.yaml")
        suite.write_text(SUITE.format(seed=seed, names=names, coco=args.coco.resolve(), models=args.models.resolve()))
        subprocess.run(
            [sys.executable, "-m", "segharness", "run", str(suite), "--out", f"{folder}/run", "-qq",
             "--limit", str(args.limit)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        rows = read_results(Path(folder, "run/results.arrow")).to_pylist()
    return {
        row["corruption"] or row["condition"]: row["value"]
        for row in rows
        if row["metric"] == "AP" and row["category"] is None and (row["corruption"] or row["condition"] == "clean")
    }


if __name__ == "__main__":
    raise SystemExit(main())
