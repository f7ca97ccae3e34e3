"""Whether the device waits: a stand-in model with a fixed time per image, on 17 conditions of a COCO data set.

    python benchmarks/pipeline.py --coco DIR [--repeats 3] [--milliseconds 15]

The model's own thread sleeps for 15 ms an image, as a device works beside the CPU, and the model returns 8 instances
with masks. The real command runs with one worker. Its time from the loaded model to the end of the last file is set
against the time of the same calls alone (a sleep lasts a little longer than requested), and the rest is printed by
stage. Then the same is done with a model of 0 ms, the harness's ceiling, beside a plain loop over the same functions in
one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SUITE = """
segharness: 1
name: pipeline
models: [{{id: standin, model: "{file}:build", options: {{milliseconds: {milliseconds}}}}}]
datasets:
  - id: coco
    dataset: coco/instances
    options: {{annotations: {coco}/annotations/instances_val2017.json, images: {coco}/val2017}}
conditions: [clean, paper15, mixed]
"""


class StandIn:
    """A model that takes a fixed time for each image without using the CPU.

    Args:
        seconds: the time for an image.
    """

    categories = ("person",)

    def __init__(self, seconds: float) -> None:
        import threading

        self.seconds = seconds
        self._requests: queue.Queue[int] = queue.Queue()
        self._done: queue.Queue[None] = queue.Queue()
        self._masks: dict[tuple[int, int], Any] = {}
        if seconds:
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            count = self._requests.get()
            time.sleep(count * self.seconds)
            self._done.put(None)

    def predict(self, images: Any, prompts: Any = None) -> list[Any]:
        """Return 8 instances for each image."""
        if self.seconds:
            self._requests.put(len(images))
            self._done.get()
        return [self._instances(*image.shape[:2]) for image in images]

    def _instances(self, height: int, width: int) -> Any:
        from segharness import Instances

        if (height, width) not in self._masks:
            masks = np.zeros((8, height, width), dtype=bool)
            for index in range(8):
                masks[index, 10 * index : 10 * index + height // 3, 20 * index : 20 * index + width // 3] = True
            self._masks[height, width] = masks
        boxes = [[20 * i, 10 * i, 20 * i + width // 3, 10 * i + height // 3] for i in range(8)]
        return Instances(np.float32(boxes), np.linspace(0.9, 0.2, 8), np.zeros(8, int), self._masks[height, width])


def build(milliseconds: float = 15.0) -> StandIn:
    """Return the model; the suite names this function."""
    return StandIn(milliseconds / 1000)


def run(coco: Path, milliseconds: float, folder: Path) -> tuple[float, int, dict[str, float]]:
    """Run the harness; return seconds from the loaded model to the last file, predictions, and seconds by stage."""
    suite = folder / "pipeline.yaml"
    suite.write_text(SUITE.format(file=Path(__file__).resolve(), milliseconds=milliseconds, coco=coco.resolve()))
    log = folder / "log.jsonl"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "segharness", "run", str(suite), "--workers", "1", "--fresh", "-qq"]
    done = subprocess.run(
        [*command, "--out", str(folder / "run"), "--log-file", str(log)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    states = [event for event in events if event["event"] == "worker"]
    loading = next(index for index, event in enumerate(states) if event["state"] == "loading")
    loaded = states[loading + 1]["time"]
    written = [event for event in events if event["event"] == "shard"]
    stages: dict[str, float] = {}
    for event in written:
        for stage, seconds in event["seconds"].items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    return max(event["time"] for event in written) - loaded, sum(event["images"] for event in written), stages


def alone(milliseconds: float, calls: int = 200) -> float:
    """Return the seconds that a call of `predict` takes alone."""
    model = build(milliseconds)
    image = np.zeros((480, 640, 3), np.uint8)
    model.predict([image])
    began = time.perf_counter()
    for _ in range(calls):
        model.predict([image])
    return (time.perf_counter() - began) / calls


def loop(coco: Path, folder: Path) -> tuple[float, int]:
    """Do the same work in one thread: decode, corrupt, predict, check, encode, and write files.

    Returns:
        The seconds, and the number of predictions.
    """
    from segharness.data.open_dataset import open_dataset
    from segharness.digests import pixel_digest
    from segharness.execution.worker.shard_tables import ImageOutcome, tables_of
    from segharness.images.corrupt import Corruptor
    from segharness.images.decode import decode
    from segharness.model.labels import Labels
    from segharness.model.outputs import validate_instances
    from segharness.plugin.host import PluginHost
    from segharness.store import RunFolder, write_shard
    from segharness.suite import Variables, load_suite

    host = PluginHost.load()
    suite = load_suite(folder / "pipeline.yaml", host, variables=Variables({})).suite
    opened = open_dataset(suite.datasets[0], host)
    corruptor = Corruptor(host, {c.name: c for c in suite.conditions}, suite.seed)
    model = build(0)
    labels = Labels(model.categories, opened.dataset.categories)
    out = RunFolder(folder / "loop")
    began, made = time.perf_counter(), 0
    for shard in opened.shards:
        samples = opened.samples[shard.start : shard.stop]
        images = [decode(sample) for sample in samples]
        for condition in suite.conditions:
            outcomes = []
            for sample, image in zip(samples, images, strict=True):
                pixels = corruptor(image, condition, sample, opened.entry.dataset).pixels
                instances = validate_instances(model.predict([pixels])[0], pixels.shape[:2], labels)
                outcomes.append(ImageOutcome(sample, 0.0, pixel_digest(pixels), detections=instances))
                made += 1
            shard_tables = tables_of(outcomes)
            files = out.shard_files("standin", "coco", condition.name, shard.index)
            write_shard(files, shard_tables.predictions, shard_tables.images, {})
    return time.perf_counter() - began, made


def main() -> None:
    """Print the ratio for a model of 15 ms, and the rates for a model of 0 ms."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--milliseconds", type=float, default=15.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ratios, stages, made = [], {}, 0
        for _ in range(args.repeats):
            call = alone(args.milliseconds)
            seconds, made, stages = run(args.coco, args.milliseconds, folder)
            ratios.append(seconds / (made * call))
            print(f"{made} predictions of {1000 * call:.2f} ms: alone {made * call:.2f} s, the run {seconds:.2f} s")
        print(f"ratio {statistics.median(ratios):.3f} ({', '.join(f'{ratio:.3f}' for ratio in ratios)})")
        print("seconds by stage, last run (other threads prepare and postprocess while the model predicts):")
        for stage, seconds in stages.items():
            print(f"  {stage:8s} {seconds:7.2f}   {1000 * seconds / made:6.2f} ms an image")
        rates: dict[str, list[float]] = {"harness": [], "loop": []}
        for _ in range(args.repeats):
            seconds, made, stages = run(args.coco, 0, folder)
            rates["harness"].append(made / seconds)
            seconds, made = loop(args.coco, folder)
            rates["loop"].append(made / seconds)
        medians = {name: statistics.median(values) for name, values in rates.items()}
        print(
            f"a model of 0 ms, {len(os.sched_getaffinity(0))} cores: harness {medians['harness']:.1f} images/s, "
            f"plain loop {medians['loop']:.1f} images/s, ratio {medians['harness'] / medians['loop']:.2f}"
        )


if __name__ == "__main__":
    main()
