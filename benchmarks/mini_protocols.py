"""How well a part of the images ranks models and estimates their numbers: what a `sample:` of a protocol costs.

    python benchmarks/mini_protocols.py RUN [--share 0.1] [--subsets 500] [--seed 0] [--reference ID]

RUN is a finished run of several models under several corruptions. Each cell is scored on `--subsets` random parts of its
images, without replacement, and on the part that ``sample: N`` draws by its rule. Printed are, for AP on clean images, the
average over corruptions and CD: how far the part is from the whole (mean and 95 % of the absolute differences, in
points), how often two models stand in the same order as on the whole, and how often they do if the whole's difference is
one that its paired interval tells from zero.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from segharness.data.open_dataset import OpenDataset, draw_sample
from segharness.identity import stored_run
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import MetricSpec
from segharness.score.bootstrap import Resamples, draw
from segharness.score.cell_predictions import read_cell
from segharness.score.data_sources import find_datasets
from segharness.score.dataset_scorer import ground_truth
from segharness.score.request import ScoreRequest
from segharness.store import RunFolder

Values = npt.NDArray[np.float64]
"""(1 + R + S + B,): on all images, on the part of the rule, on S random parts, on B resamples of the bootstrap."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--subsets", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reference", metavar="ID", help="the model that CD divides by; default the first")
    arguments = parser.parse_args(argv)
    folder, host = RunFolder.from_text(arguments.run), PluginHost.load()
    suite = stored_run(folder.read_manifest(), folder.manifest).suite
    opened = find_datasets(folder, host)[suite.datasets[0].id]
    ids = sorted(sample.image_id for sample in opened.samples)
    count = max(1, round(arguments.share * len(ids)))
    weights = parts(opened, ids, count, arguments)
    models = [model.id for model in suite.models]
    reference = arguments.reference or models[0]
    conditions = [c.name for c in suite.conditions if c.corruption is not None and not c.mixture]
    values = {m: {c: ap(folder, host, opened, m, c, weights) for c in ["clean", *conditions]} for m in models}
    numbers = {
        "clean AP": {m: values[m]["clean"] for m in models},
        "average AP": {m: np.mean([values[m][c] for c in conditions], axis=0) for m in models},
        "CD": {
            m: np.mean([(1 - values[m][c]) / (1 - values[reference][c]) for c in conditions], axis=0)
            for m in models
            if m != reference
        },
    }
    subsets = slice(2, 2 + arguments.subsets)
    draws = slice(2 + arguments.subsets, None)
    print(
        f"{len(models)} models, {len(conditions)} corruptions, {count} of {len(ids)} images, {arguments.subsets} parts"
    )
    print("number       mean   95 %   rule   order  order if told apart")
    for name, of in numbers.items():
        apart = np.concatenate([np.abs(v[subsets] - v[0]) for v in of.values()]) * 100
        rule = np.mean([abs(v[1] - v[0]) for v in of.values()]) * 100
        same, told = [], []
        for a, b in itertools.combinations(of.values(), 2):
            agrees = np.sign(a[subsets] - b[subsets]) == np.sign(a[0] - b[0])
            same.append(agrees)
            low, high = np.nanpercentile((a - b)[draws], [2.5, 97.5])
            if low > 0 or high < 0:
                told.append(agrees)
        order = f"{np.mean(same):6.1%}" if same else "     -"
        order_told = f"{np.mean(told):6.1%} of {len(told)} pairs" if told else "-"
        print(f"{name:11} {apart.mean():5.2f}  {np.percentile(apart, 95):5.2f}  {rule:5.2f}  {order}  {order_told}")
    return 0


def parts(opened: OpenDataset, ids: Sequence[int], count: int, arguments: argparse.Namespace) -> Resamples:
    """Return how often each image is in each part: all images, the rule's, random ones, resamples of all."""
    rng = np.random.Generator(np.random.Philox(key=arguments.seed))
    drawn = {sample.image_id for sample in draw_sample(opened.samples, count)}
    columns = [np.ones(len(ids)), np.array([id in drawn for id in ids])]
    for _ in range(arguments.subsets):
        column = np.zeros(len(ids))
        column[rng.choice(len(ids), count, replace=False)] = 1
        columns.append(column)
    bootstrap = draw(opened.dataset.digest, ids, arguments.resamples).counts
    counts = np.concatenate([np.array(columns).T, bootstrap], axis=1).astype(np.int16)
    return Resamples(np.array(ids), np.ascontiguousarray(counts))


def ap(
    folder: RunFolder, host: PluginHost, opened: OpenDataset, model: str, condition: str, weights: Resamples
) -> Values:
    """Return the mask AP of a cell on every part."""
    inputs = stored_run(folder.read_manifest(), folder.manifest).inputs
    spec = host.get("coco", MetricSpec)
    cell = read_cell(folder, inputs, opened, model, condition)
    if cell.predictions is None:
        sys.exit(f"{model} under {condition} has no predictions: {cell.reason}")
    truth = ground_truth(opened, spec.ground_truth, spec.also)
    request = ScoreRequest(truth, cell.predictions, "segm", (), "hotcoco", cell.images, {}, weights)
    scores = load(spec.score)(request)
    [whole] = [s for s in scores if (s.metric, s.split, s.category) == ("AP", "all", None)]
    assert whole.samples is not None and abs(whole.samples[0] - whole.value) < 1e-9
    samples: Values = np.asarray(whole.samples, dtype=np.float64)
    return samples


if __name__ == "__main__":
    raise SystemExit(main())
