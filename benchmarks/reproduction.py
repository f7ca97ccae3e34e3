"""How far honest predictions agree with themselves: other threads, batches and precisions, and another network.

    python benchmarks/reproduction.py [--images 150] [--model toymaskrcnn/bn ...]

Each model predicts the toy problem's images, clean and corrupted, as it does by default; then on four threads, in batches of
8, with every input and weight of its layers rounded to the mantissa of TF32 (10 bits) and of bfloat16 (7), and with its
scores multiplied by .04. Printed are the least and the mean agreement of an image as tier 3 computes it, and the share of
mismatches. The last rows compare different networks.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import segharness
import torch
from segharness.score import agreement
from segharness.store import RunFolder
from segharness_leaderboard.rank_weights import RankWeights
from segharness_leaderboard.reproduction.comparison import LEAST_AGREEMENT

SUITE = """
segharness: 1
name: again
models: [{{id: m, model: {model}, batch_size: {batch}}}]
datasets: [{{id: toycells, dataset: toycells/test, sample: {images}}}]
conditions: {conditions}
scoring: {{tasks: [segm]}}
"""
CONDITIONS = "[clean, gaussian_noise-3, motion_blur-3, fog-3, contrast-3, jpeg_compression-3, mixed]"
MODELS = ("toymaskrcnn/bn", "toymaskrcnn/gn", "adaptis/toy")
Tables = dict[str, pa.Table]


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many threads, whatever asks for another number."""
    chosen, before = torch.set_num_threads, torch.get_num_threads()
    chosen(count)
    torch.set_num_threads = lambda number: None
    try:
        yield
    finally:
        torch.set_num_threads = chosen
        chosen(before)


@contextmanager
def rounded(bits: int) -> Iterator[None]:
    """Round what enters a layer, and its weights, to so many bits of mantissa: 10 as TF32 does, 7 as bfloat16; sums stay."""
    dropped = 23 - bits

    def short(values: torch.Tensor) -> torch.Tensor:
        if values.dtype != torch.float32:
            return values
        words = values.contiguous().view(torch.int32)
        half = (1 << (dropped - 1)) - 1 + ((words >> dropped) & 1)
        return ((words + half) & ~((1 << dropped) - 1)).view(torch.float32)

    def before(module: torch.nn.Module, inputs: tuple[object, ...]) -> tuple[object, ...] | None:
        if not isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)):
            return None
        module.weight.data = short(module.weight.data)
        return tuple(short(value) if isinstance(value, torch.Tensor) else value for value in inputs)

    handle = torch.nn.modules.module.register_module_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()


def predictions(folder: Path, model: str, images: int, batch: int = 1, conditions: str = CONDITIONS) -> Tables:
    """Run a model in this process, and return its predictions by condition."""
    suite = folder / "again.yaml"
    suite.write_text(SUITE.format(model=model, images=images, batch=batch, conditions=conditions))
    out = folder / f"{model.replace('/', '-')}-{len(list(folder.iterdir()))}"
    segharness.run(suite, out=out, executor="inline", bootstrap=0, progress=False)
    run = RunFolder.from_text(out)
    names = sorted(path.name for path in (out / "predictions/m/toycells").iterdir())
    return {
        name: pa.concat_tables(shard.predictions for shard in run.stored_shards("m", "toycells", name))
        for name in names
    }


def faint(tables: Tables) -> Tables:
    """Return predictions whose scores are multiplied by .04."""
    place = next(iter(tables.values())).schema.get_field_index("score")
    return {
        name: table.set_column(place, "score", pa.array(np.asarray(table.column("score")) * 0.04, pa.float64()))
        for name, table in tables.items()
    }


def agreements(
    plain: Tables, changed: Tables, truth: dict[int, int], sizes: dict[int, tuple[int, int]], own: bool = False
) -> list[float]:
    """Return the agreement of every image under every condition; `own`: with each side's own ranks."""
    values: list[float] = []
    for name, table in plain.items():
        weights = RankWeights(table, truth)
        other = RankWeights(changed[name], truth) if own else weights
        values += agreement(weights.weighted(table), other.weighted(changed[name]), sizes).values()
    return values


def toy_images(count: int) -> tuple[dict[int, tuple[int, int]], dict[int, int]]:
    """Return the sizes of the images that are predicted, by id, and how many objects of each category they have."""
    from segharness.data.open_dataset import draw_sample
    from segharness_toycells.dataset import test

    dataset = test()
    sizes = {sample.image_id: (sample.height, sample.width) for sample in draw_sample(dataset.samples(), count)}
    truth: dict[int, int] = {}
    for annotation in dataset.ground_truth("instances")["annotations"]:
        if annotation["image_id"] in sizes:
            truth[annotation["category_id"]] = truth.get(annotation["category_id"], 0) + 1
    return sizes, truth


def said(values: Sequence[float]) -> str:
    """Return the least and the mean agreement, and the share of mismatches."""
    share = sum(value < LEAST_AGREEMENT for value in values) / len(values)
    return f"least {min(values):.3f}  mean {np.mean(values):.5f}  mismatches {100 * share:.2f} % of {len(values)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each model and way."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--images", type=int, default=150)
    parser.add_argument("--model", action="append", default=[])
    arguments = parser.parse_args(argv)
    models = arguments.model or list(MODELS)
    sizes, truth = toy_images(arguments.images)
    plain: dict[str, Tables] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for model in models:
            plain[model] = predictions(folder, model, arguments.images)
            ways: dict[str, Callable[[], Tables]] = {
                "the same again": lambda m=model: predictions(folder, m, arguments.images),
                "4 threads": lambda m=model: within(threads(4), folder, m, arguments.images),
                "batches of 8": lambda m=model: predictions(folder, m, arguments.images, batch=8),
                "TF32, emulated": lambda m=model: within(rounded(10), folder, m, arguments.images),
                "bfloat16, emulated": lambda m=model: within(rounded(7), folder, m, arguments.images),
            }
            for name, way in ways.items():
                line = said(agreements(plain[model], way(), truth, sizes))
                print(f"{model:16} {name:18} {line}", flush=True)
            print(
                f"{model:16} {'scores x .04':18} {said(agreements(plain[model], faint(plain[model]), truth, sizes, True))}"
            )
        for first, second in itertools.pairwise(models):
            line = said(agreements(plain[first], plain[second], truth, sizes, own=True))
            print(f"{first:16} and {second:12} {line}", flush=True)
    return 0


def within(context: object, folder: Path, model: str, images: int, conditions: str = CONDITIONS) -> Tables:
    """Return the predictions of a model that is run in a context."""
    with context:  # type: ignore[attr-defined]
        return predictions(folder, model, images, conditions=conditions)


if __name__ == "__main__":
    sys.exit(main())
