"""Everything that touches an accelerator, in one go: correctness against the processor, speed, and what breaks.

    python benchmarks/gpu.py --device cuda [--coco DIR] [--out DIR] [--only STEP ...]
    python benchmarks/gpu.py --device cpu     # the same steps, small: a test of this script

`benchmarks/gpu.sh` calls it, on a bare machine after installing what it carries. Every step is a process with a limit of
its own; one that fails does not stop the next. After each, gpu.json and gpu.md in the output folder are written anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = 16
"""How many images the steps on networks use."""
CORES = (16, 8, 4)
"""The numbers of cores of the runs that measure how long the device waits."""


class SkippedError(Exception):
    """A step that cannot run here; the message says why."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a step runs on.

    Attributes:
        device: torch's name without a number: ``cuda``, ``cpu``.
        coco: a folder with COCO's val2017 and its annotations; None to use the toy problem.
        small: whether to do as little as shows that the step works.
    """

    device: str
    coco: Path | None
    small: bool

    @property
    def first(self) -> str:
        """The first device, as ``--devices`` names it."""
        return self.device if self.device == "cpu" else f"{self.device}:0"

    def dataset(self, folder: Path) -> str:
        """Return the data set of runs, as ``--dataset`` names it; without COCO, the toy problem as if cells were persons."""
        if self.coco:
            return f"coco/2017,id=data,root={self.coco}"
        from PIL import Image
        from segharness_toycells.dataset import quick

        data = quick()
        truth = dict(data.ground_truth("instances"))
        truth["categories"] = [{"id": category["id"], "name": "person"} for category in truth["categories"]]
        truth["images"] = [{**image, "file_name": f"{image['id']}.png"} for image in truth["images"]][:8]
        kept = {image["id"] for image in truth["images"]}
        truth["annotations"] = [row for row in truth["annotations"] if row["image_id"] in kept]
        for annotation in truth["annotations"]:
            counts = annotation["segmentation"]["counts"]
            text = counts.decode() if isinstance(counts, bytes) else counts
            annotation["segmentation"] = {**annotation["segmentation"], "counts": text}
        for sample in data.samples():
            if sample.image_id in kept:
                Image.fromarray(np.asarray(sample.source())).save(folder / f"{sample.image_id}.png")
        (folder / "annotations.json").write_text(json.dumps(truth))
        return "coco/instances,id=data,annotations=annotations.json,images=."

    def images(self) -> list[np.ndarray]:
        """Return photographs, uint8 RGB (H, W, 3); images of the toy problem where there are none."""
        from PIL import Image

        count = 2 if self.small else PHOTOGRAPHS
        if self.coco:
            files = sorted((self.coco / "val2017").glob("*.jpg"))[:count]
            return [np.asarray(Image.open(file).convert("RGB")) for file in files]
        from segharness_toycells.dataset import quick

        return [np.asarray(sample.source()) for sample in quick().samples()[:count]]


# ------------------------------------------------------------------------------------------------------------- steps


def tests_of_the_device(setting: Setting, _: Path) -> dict[str, Any]:
    """`test_cuda.py`."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib"]
    command += ["plugins/segharness-torch/tests/test_cuda.py", *(["-m", "not slow"] if setting.small else [])]
    environment = {**os.environ, "SEGHARNESS_TEST_DEVICE": setting.device}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-500:]
    if done.returncode:
        raise RuntimeError(f"{last}\n{done.stdout[-3000:]}")
    return {"pytest": last}


def masks_found_on_the_device(setting: Setting, _: Path) -> dict[str, Any]:
    """Run-length encoding on the device against pycocotools on the processor: the same bits, and the ratio of times."""
    import torch
    from pycocotools import mask as rle
    from segharness_torch.encoding import runs

    masks = []
    for image in setting.images():
        gray = image.astype(np.float32).mean(axis=2)
        masks += [gray > np.percentile(gray, share) for share in (20, 40, 60, 80)]
    height, width = (min(mask.shape[axis] for mask in masks) for axis in (0, 1))
    stacked = np.stack([mask[:height, :width] for mask in masks])
    expected = [rle.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in stacked]
    on_device = torch.from_numpy(stacked).to(setting.first)
    if runs(on_device) != expected:
        raise AssertionError("the runs found on the device are not those of pycocotools")
    ours, theirs = [], []
    for _round in range(3 if setting.small else 7):
        started = time.perf_counter()
        runs(on_device)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        moved = on_device.cpu().numpy()
        for mask in moved:
            rle.encode(np.asfortranarray(mask.astype(np.uint8)))
        theirs.append(time.perf_counter() - started)
    return {
        "masks": len(stacked),
        "size": f"{width}x{height}",
        "equal to the bit": True,
        "ms a mask on the device": 1e3 * statistics.median(ours) / len(stacked),
        "ms a mask moved and encoded by pycocotools": 1e3 * statistics.median(theirs) / len(stacked),
        "ratio": statistics.median(theirs) / statistics.median(ours),
    }


def batches(setting: Setting, folder: Path) -> dict[str, Any]:
    """torchvision's Mask R-CNN with seeded weights at several batch sizes: images a second, and agreement with 1."""
    figures: dict[str, Any] = {}
    images = setting.images()
    model = _mask_rcnn(setting)
    alone = _timed(model, images, 1, setting)
    figures["images a second at batch 1"] = alone.speed
    for size in (2,) if setting.small else (4, 16):
        batched = _timed(model, images, size, setting)
        figures[f"images a second at batch {size}"] = batched.speed
        figures[f"least agreement of batch {size} with 1"] = _least_agreement(alone, batched)
    suite = f"""
        segharness: 1
        models:
          - id: m
            model: torchvision/maskrcnn_resnet50_fpn
            weights: random
            batch_size: auto
            options: {_small(setting)}
        conditions: [clean]
        """
    run = _run(setting, folder, suite, "--limit", "2" if setting.small else "64")
    figures["largest batch of auto"] = max(run.images().column("batch").to_pylist())
    return figures


def precisions(setting: Setting, _: Path) -> dict[str, Any]:
    """Half precision, channels last and torch.compile: images a second, and agreement with float32."""
    images = setting.images()
    plain = _timed(_mask_rcnn(setting), images, 1, setting)
    figures: dict[str, Any] = {"images a second in float32": plain.speed}
    ways: list[dict[str, Any]] = [{"precision": "bfloat16"}]
    if not setting.small:
        ways += [{"precision": "float16"}, {"channels_last": True}, {"compile": True}]
    for way in ways:
        name = ", ".join(f"{key}: {value}" for key, value in way.items())
        try:
            changed = _timed(_mask_rcnn(setting, **way), images, 1, setting)
        except Exception as error:  # noqa: BLE001  one way that fails does not hide the others
            figures[f"{name} failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            continue
        figures[f"images a second with {name}"] = changed.speed
        figures[f"least agreement of {name} with float32"] = _least_agreement(plain, changed)
    return figures


HUNGRY = """
import numpy as np
import torch
from segharness.testing.sample import Finder


class Hungry(Finder):
    categories = ("person",)

    def __init__(self, device):
        self.device = device

    def predict(self, images, prompts=None):
        if self.device == "cpu":
            if len(images) > 4:
                raise MemoryError("a batch of more than 4")
        else:  # a fifth of the card's memory for each image
            free = torch.cuda.get_device_properties(self.device).total_memory // 5
            torch.empty(len(images) * free, dtype=torch.uint8, device=self.device)
        return super().predict([image * 0 for image in images])


def build(device="cpu"):
    return Hungry(device)
"""


def out_of_memory(setting: Setting, folder: Path) -> dict[str, Any]:
    """A model that needs more memory than there is at batch 16: the batch is halved, and no image is lost."""
    (folder / "hungry.py").write_text(HUNGRY)
    suite = """
        segharness: 1
        models: [{id: hungry, model: ./hungry.py:build, batch_size: 16}]
        conditions: [clean]
        """
    run = _run(setting, folder, suite, "--limit", "8" if setting.small else "32")
    images = run.images()
    errors = images.column("error").drop_null().to_pylist()
    if errors:
        raise AssertionError(f"{len(errors)} images failed: {errors[0]}")
    largest = max(images.column("batch").to_pylist())
    if largest >= 16:
        raise AssertionError(f"the batch was not halved: {largest}")
    return {"images": len(images), "largest batch that ran, of 16": largest}


def two_workers_on_one_device(setting: Setting, folder: Path) -> dict[str, Any]:
    """Two workers share the device: the same numbers as one, and the ratio of times."""
    suite = _toy_suite("[clean, fog-3]")
    limit = ("--limit", "2" if setting.small else "48")
    one = _run(setting, folder / "one", suite, *limit, toy=True)
    two = _run(setting, folder / "two", suite, *limit, "--devices", f"{setting.first},{setting.first}", toy=True)
    if one.values() != two.values():
        raise AssertionError("two workers give other numbers than one")
    return {"equal numbers": True, "seconds of one": one.seconds, "of two": two.seconds}


def waiting(setting: Setting, folder: Path) -> dict[str, Any]:
    """A run under 17 conditions on 16, 8 and 4 cores: images a second, and the share of time the device waited."""
    there = len(os.sched_getaffinity(0))
    figures: dict[str, Any] = {"cores there": there}
    suite = f"""
        segharness: 1
        models: [{{id: m, model: torchvision/maskrcnn_resnet50_fpn, weights: random, options: {_small(setting)}}}]
        conditions: {"[clean, fog-3]" if setting.small else "[clean, paper15, mixed]"}
        """
    for cores in (there,) if setting.small else [count for count in CORES if count <= there] or [there]:
        limit = "1" if setting.small else "16"
        run = _run(setting, folder / str(cores), suite, "--limit", limit, "--no-bootstrap", cores=cores)
        made = waited = seconds = 0.0
        for line in run.log:
            if line["event"] == "progress":
                made, seconds, waited = made + line["images"], seconds + line["seconds"], waited + line["waited"]
        figures[f"images a second on {cores} cores"] = made / seconds if seconds else None
        figures[f"share of time waited on {cores} cores"] = waited / seconds if seconds else None
    return figures


def against_the_processor(setting: Setting, folder: Path) -> dict[str, Any]:
    """The trained toy network on both: AP within the processor's interval, agreement of every image."""
    from segharness.score import agreement

    suite = _toy_suite("[clean, gaussian_noise-3]")
    limit = ("--limit", "2" if setting.small else "100")
    devices = {"card": setting.first, "processor": "cpu"}
    runs = {
        name: _run(setting, folder / name, suite, *limit, "--devices", device, toy=True)
        for name, device in devices.items()
    }
    figures: dict[str, Any] = {}
    rows = {name: run.rows(metric="AP", task="segm") for name, run in runs.items()}
    for condition, row in rows["processor"].items():
        value = rows["card"][condition]["value"]
        figures[f"AP of {condition}: processor"] = row["value"]
        figures[f"AP of {condition}: card"] = value
        if row["ci_low"] is not None and not row["ci_low"] - 1e-12 <= value <= row["ci_high"] + 1e-12:
            raise AssertionError(f"AP of {condition} is {value}, outside of {row['ci_low']} to {row['ci_high']}")
    values = [
        value
        for condition in rows["processor"]
        for value in agreement(
            *(runs[name].predictions(condition) for name in ("card", "processor")), runs["processor"].sizes(condition)
        ).values()
    ]
    figures |= {"images compared": len(values), "least agreement": min(values), "mean": statistics.fmean(values)}
    return figures


def several_cards(setting: Setting, folder: Path) -> dict[str, Any]:
    """All cards of the machine: the same numbers as one, and the ratio of times."""
    import torch

    count = torch.cuda.device_count() if setting.device == "cuda" else 2
    if count < 2:
        raise SkippedError("the machine has one card")
    suite = _toy_suite("[clean, fog-3]")
    limit = ("--limit", "2" if setting.small else "200")
    names = [f"cuda:{index}" for index in range(count)] if setting.device == "cuda" else ["cpu"] * count
    one = _run(setting, folder / "one", suite, *limit, toy=True)
    many = _run(setting, folder / "many", suite, *limit, "--devices", ",".join(names), toy=True)
    if one.values() != many.values():
        raise AssertionError("several cards give other numbers than one")
    return {"cards": count, "equal numbers": True, "times as fast": one.seconds / many.seconds}


STEPS: dict[str, tuple[Callable[[Setting, Path], dict[str, Any]], int]] = {
    "tests": (tests_of_the_device, 110),
    "masks": (masks_found_on_the_device, 30),
    "batches": (batches, 70),
    "precisions": (precisions, 90),
    "out-of-memory": (out_of_memory, 30),
    "two-workers": (two_workers_on_one_device, 30),
    "waiting": (waiting, 90),
    "processor": (against_the_processor, 60),
    "several-cards": (several_cards, 40),
}
"""The steps, with their limits in seconds; together they stay under eight minutes where each takes what it should."""


# ------------------------------------------------------------------------------------------------------------- parts


@dataclasses.dataclass(frozen=True)
class _Timed:
    """What a model found in images, and how many images a second it took."""

    images: Sequence[np.ndarray]
    instances: Sequence[Any]
    speed: float


def _mask_rcnn(setting: Setting, **options: Any) -> Any:
    if importlib.util.find_spec("torchvision") is None:
        raise SkippedError("torchvision is not installed")
    from segharness_torchvision.model import make

    size = {"min_size": 96, "max_size": 160} if setting.small else {}
    return make("maskrcnn_resnet50_fpn", "random", seed=1, score=0.05, device=setting.first, **size, **options)


def _small(setting: Setting) -> str:
    return "{seed: 1, min_size: 96, max_size: 160}" if setting.small else "{seed: 1}"


def _timed(model: Any, images: Sequence[np.ndarray], size: int, setting: Setting) -> _Timed:
    """Run a model on images in batches, once to warm up and then timed."""
    chunks = [images[first : first + size] for first in range(0, len(images), size)]
    instances: list[Any] = []
    for _ in range(1 if setting.small else 2):
        instances = []
        started = time.perf_counter()
        for chunk in chunks:
            instances += model.predict(list(chunk))
        seconds = time.perf_counter() - started
    return _Timed(images, instances, len(images) / seconds)


def _least_agreement(first: _Timed, second: _Timed) -> float:
    from segharness.score import agreement

    sizes = {number: image.shape[:2] for number, image in enumerate(first.images)}
    return min(agreement(_table(first), _table(second), sizes).values())


def _table(found: _Timed) -> Any:
    """Return detections as a table of stored predictions."""
    from segharness.store import PREDICTIONS, table

    columns: dict[str, list[Any]] = {field.name: [] for field in PREDICTIONS}
    for number, instances in enumerate(found.instances):
        for box, score, label, mask in zip(
            instances.boxes, instances.scores, instances.labels, instances.masks, strict=True
        ):
            x1, y1, x2, y2 = (float(value) for value in box)
            row = (number, int(label), float(score), [x1, y1, x2 - x1, y2 - y1], mask["counts"], None)
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    return table(PREDICTIONS, columns)


def _toy_suite(conditions: str) -> str:
    return f"""
        segharness: 1
        models: [toymaskrcnn/bn]
        datasets: [{{dataset: toycells/quick, id: data}}]
        conditions: {conditions}
        """


@dataclasses.dataclass(frozen=True)
class _Run:
    """A finished run of the command line: its folder, its wall-clock seconds, and the lines of its log."""

    folder: Path
    seconds: float
    log: Sequence[dict[str, Any]]

    def _shards(self, condition: str) -> list[Any]:
        from segharness.store import RunFolder

        run = RunFolder(self.folder)
        [model] = [entry["id"] for entry in run.read_manifest()["suite"]["models"]]
        return run.stored_shards(model, "data", condition)

    def predictions(self, condition: str) -> Any:
        """Return the stored predictions of a condition."""
        import pyarrow as pa

        return pa.concat_tables([shard.predictions for shard in self._shards(condition)])

    def images(self, condition: str = "clean") -> Any:
        """Return the stored table of images of a condition."""
        import pyarrow as pa

        return pa.concat_tables([shard.images for shard in self._shards(condition)])

    def sizes(self, condition: str) -> dict[int, tuple[int, int]]:
        """Return the sizes of a condition's images."""
        return {row["image_id"]: (row["height"], row["width"]) for row in self.images(condition).to_pylist()}

    def rows(self, **wanted: str) -> dict[str, dict[str, Any]]:
        """Return the rows over all categories that have some values, by condition."""
        from segharness import read_results

        return {
            row["condition"]: row
            for row in read_results(self.folder).to_pylist()
            if row["category"] is None and all(row[key] == value for key, value in wanted.items())
        }

    def values(self) -> list[Any]:
        """Return every number but timings."""
        from segharness import read_results

        return [row["value"] for row in read_results(self.folder).to_pylist() if row["device"] is None]


def _run(
    setting: Setting, folder: Path, suite: str, *arguments: str, toy: bool = False, cores: int | None = None
) -> _Run:
    """Run a suite on the first device, on all cores or on some; the suite of the toy problem names its data itself."""
    import textwrap

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "s.yaml").write_text(textwrap.dedent(suite))
    command = [sys.executable, "-m", "segharness", "run", "s.yaml", "--out", "run", "--log-file", "log.jsonl", "-qq"]
    command += [] if toy else ["--dataset", setting.dataset(folder)]
    command += [] if "--devices" in arguments else ["--devices", setting.first]
    command += [*arguments] if "--no-bootstrap" in arguments else [*arguments, "--bootstrap", "100"]
    chosen = sorted(os.sched_getaffinity(0))[:cores]
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, chosen),
    )  # fmt: skip
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"segharness run ended with {done.returncode}: {done.stderr[-2000:]}")
    lines = (folder / "log.jsonl").read_text().splitlines()
    return _Run(folder / "run", seconds, [json.loads(line) for line in lines])


# ------------------------------------------------------------------------------------------------------------ driving


def main() -> int:
    """Run the steps; return 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="default cuda")
    parser.add_argument("--coco", type=Path, metavar="DIR", help="val2017 and annotations; default the toy problem")
    parser.add_argument("--out", type=Path, default=Path("gpu"), metavar="DIR", help="default gpu/")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    setting = Setting(args.device, args.coco.resolve() if args.coco else None, args.device == "cpu")
    if args.step:
        return _step(args.step, setting)
    args.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"machine": machine(args.device), "steps": {}}
    with ThreadPoolExecutor(2 if setting.small else 1) as pool:  # on a card each step has the machine to itself
        for name, result in zip(args.only, pool.map(lambda name: _limited(name, args), args.only), strict=True):
            report["steps"][name] = result
            print(f"{name:14s} {result['state']:8s} {result['seconds']:6.1f} s  {result.get('error', '')}", flush=True)
            (args.out / "gpu.json").write_text(json.dumps(report, indent=1))
            (args.out / "gpu.md").write_text(page(report))
    return int(any(result["state"] not in ("ok", "skipped") for result in report["steps"].values()))


def _limited(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Run one step as a process; return its state, seconds and figures."""
    command = [sys.executable, __file__, "--step", name, "--device", args.device]
    command += ["--coco", str(args.coco)] if args.coco else []
    limit = STEPS[name][1] * (8 if args.device == "cpu" else 1)  # a processor has other work, and costs nothing
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return {"state": "timeout", "seconds": time.perf_counter() - started, "error": f"over {limit} s"}
    seconds = time.perf_counter() - started
    try:
        return {**json.loads(out.strip().splitlines()[-1]), "seconds": seconds}
    except (IndexError, ValueError):
        return {"state": "failed", "seconds": seconds, "error": (err.strip() or out.strip() or "no output")[-2000:]}


def _step(name: str, setting: Setting) -> int:
    """Run a step in this process and print its result as one line of JSON."""
    with tempfile.TemporaryDirectory(prefix="segharness-gpu-") as folder:
        try:
            result = {"state": "ok", "figures": STEPS[name][0](setting, Path(folder))}
        except SkippedError as reason:
            result = {"state": "skipped", "error": str(reason)}
        except Exception as error:  # noqa: BLE001  the report has it
            traceback.print_exc()
            result = {"state": "failed", "error": f"{type(error).__name__}: {error}"[-2000:]}
    print(json.dumps(result))
    return 0


def machine(device: str) -> dict[str, Any]:
    """Return the date, the processor, the cards and the versions."""
    import torch

    facts = {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "torch": torch.__version__,
    }
    if importlib.util.find_spec("torchvision") is not None:
        import torchvision

        facts["torchvision"] = torchvision.__version__
    if device == "cuda":
        facts["cards"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        facts["cuda"] = torch.version.cuda
    return facts


def page(report: dict[str, Any]) -> str:
    """Return the report as a page of Markdown."""
    facts = "; ".join(f"{key} {value}" for key, value in report["machine"].items())
    lines = ["# What ran on the device", "", facts, "", "| step | state | seconds |", "|---|---|---:|"]
    lines += [f"| {name} | {result['state']} | {result['seconds']:.0f} |" for name, result in report["steps"].items()]
    for name, result in report["steps"].items():
        lines += ["", f"## {name}", "", (STEPS[name][0].__doc__ or "").splitlines()[0], ""]
        if error := result.get("error"):
            lines += ["```text", error, "```"]
        for key, value in result.get("figures", {}).items():
            lines.append(f"- {key}: {value:.4g}" if isinstance(value, float) else f"- {key}: {value}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
