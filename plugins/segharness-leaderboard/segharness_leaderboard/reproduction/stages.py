"""The parts of a reproduction that read what a stranger made. Each runs in a process with limits and reports JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from segharness import PluginHost, StoreError, UsageError
from segharness.protocols import AdoptedRun, ProtocolImages, run_inputs
from segharness.score import GivenPlaces, check_files
from segharness.store import RunFolder, read_shard

from segharness_leaderboard.reproduction.comparison import agreements, differences, mean_agreements
from segharness_leaderboard.reproduction.drawn_images import write_drawn
from segharness_leaderboard.reproduction.numbers import numbers_of, sampling_of
from segharness_leaderboard.reproduction.safetensors_file import check_safetensors
from segharness_leaderboard.reproduction.sampling import Draw, draws_needed
from segharness_leaderboard.reproduction.verdict import Terms, judge
from segharness_leaderboard.reproduction.wheel import read_wheel
from segharness_leaderboard.submit.check import Checked, check_bundle, headline

DRAWN, JOB = "drawn", "job.json"


def draw(
    bundle: Path,
    host: PluginHost,
    scratch: Path,
    given: GivenPlaces,
    *,
    secret: bytes,
    power: float,
    confidence: float,
    honest_rate: float,
    fresh_seed: int | None,
    protocol: str | None,
) -> dict[str, Any]:
    """Check a bundle, draw from it, and write the pixels that were drawn into ``scratch/drawn``.

    Raises:
        UsageError: it cannot be decided here, or there is nothing to run.
    """
    checked = check_bundle(bundle, host, scratch / "checked", given, protocol=protocol)
    if not checked.accepted or checked.bundle is None or checked.run is None:
        return {"findings": [asdict(finding) for finding in checked.findings[:100]]}
    if checked.bundle.made.pixels == "unknown":
        raise UsageError(f"{bundle}: {checked.notes[0]}")
    task = _task(checked)
    sampling = sampling_of(checked.run)
    share = sampling.share(power, _aps(checked, task))
    count, allowed = draws_needed(share, confidence, honest_rate)
    terms = Terms(power, confidence, honest_rate, count, allowed, fresh_seed)
    drawn = sampling.draw(secret, checked.bundle.root, count)
    if fresh_seed is not None:
        corrupted = {c.name for c in checked.run.run.suite.conditions if c.corruption is not None}
        drawn = [item for item in drawn if item.condition in corrupted]
    by_dataset: dict[str, list[Draw]] = {}
    for item in drawn:
        by_dataset.setdefault(item.dataset, []).append(item)
    for dataset, draws in by_dataset.items():
        categories = checked.run.sources.datasets[dataset].dataset.categories
        images = _images(ProtocolImages(checked.run, host, fresh_seed), checked.run, draws)
        write_drawn(scratch / DRAWN / dataset, categories, images)
    job = {"task": task, "terms": asdict(terms), "drawn": {id: [asdict(d) for d in m] for id, m in by_dataset.items()}}
    (scratch / JOB).write_text(json.dumps(job))
    return {
        "findings": [],
        "root": checked.bundle.root,
        "protocol": checked.protocol,
        "model": dict(checked.bundle.model),
        "card": checked.bundle.card.to_json(),
        "resolutions": {entry.id: entry.resolution for entry in checked.run.run.suite.datasets},
        "terms": asdict(terms),
        "images": {dataset: len(draws) for dataset, draws in by_dataset.items()},
        "numbers": headline(checked),
    }


def _images(make: ProtocolImages, run: AdoptedRun, draws: list[Draw]) -> Iterator[npt.NDArray[np.uint8]]:
    samples = {sample.image_id: sample for sample in run.sources.datasets[draws[0].dataset].samples}
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(draws), 64):
            part = draws[start : start + 64]
            yield from pool.map(lambda d: make(d.dataset, samples[d.image_id], d.condition), part)


def _task(checked: Checked) -> str:
    """Return the task that is compared: masks, unless the protocol or the model has none."""
    assert checked.results is not None
    rows = checked.results.to_pylist()
    tasks = [row["task"] for row in rows if row["metric"] in ("AP", "PQ") and row["value"] is not None]
    if not tasks:
        raise UsageError("the bundle has no AP that is defined: there is nothing to make again")
    return "segm" if "segm" in tasks else str(tasks[0])


def _aps(checked: Checked, task: str) -> dict[str, float]:
    """Return the AP of each number of a checked bundle; 0 where it is undefined, which needs the most draws."""
    assert checked.results is not None and checked.run is not None
    values = {
        (row["dataset"], row["condition"]): row["value"] or 0.0
        for row in checked.results.to_pylist()
        if row["task"] == task and row["metric"] in ("AP", "PQ") and row["category"] is None and row["split"] == "all"
    }
    numbers = numbers_of(checked.run)
    return {name: sum(w * values.get(cell, 0.0) for cell, w in cells.items()) for name, cells in numbers.items()}


def inspect(files: Mapping[str, Path]) -> dict[str, Any]:
    """Return what a wheel says of itself, and check that weights have the form of safetensors.

    Raises:
        UsageError: one of them is not what it should be.
    """
    if "weights" in files:
        check_safetensors(files["weights"])
    return asdict(read_wheel(files["wheel"]))


def compare(
    bundle: Path, host: PluginHost, scratch: Path, given: GivenPlaces, again: Path, protocol: str | None
) -> dict[str, Any]:
    """Compare the predictions in a run folder that the container wrote with those of the bundle, and judge.

    Raises:
        UsageError: the model failed, or wrote what no model may answer.
    """
    checked = check_bundle(bundle, host, scratch / "compared", given, protocol=protocol, scored=False)
    if checked.findings or checked.run is None or checked.bundle is None:
        raise UsageError(f"{bundle}: was changed meanwhile")
    job = json.loads((scratch / JOB).read_bytes())
    terms = Terms(**job["terms"])
    drawn = {dataset: [Draw(**draw) for draw in draws] for dataset, draws in job["drawn"].items()}
    folder = RunFolder(again)
    model = checked.bundle.model["id"]
    tables, problems = predictions_again(folder, host, model, {id: scratch / DRAWN / id for id in drawn})
    if problems:
        raise UsageError(problems)
    inputs = _other_inputs(checked, run_inputs(folder).models.get(model, {}), list(drawn))
    compared = differences(checked.run, host, tables, drawn, job["task"])
    found = agreements(checked.run, tables, drawn) if terms.fresh_seed is None else []
    verdict = judge(terms, found, mean_agreements(checked.run, found), compared, inputs)
    return {**verdict.to_json(), "root": checked.bundle.root, "protocol": checked.bundle.protocol, "model": model}


def predictions_again(
    folder: RunFolder, host: PluginHost, model: str, places: Mapping[str, Path]
) -> tuple[dict[str, pa.Table], list[str]]:
    """Return the predictions that a container wrote, by data set, held to the rules of models' answers; or what is wrong."""
    from segharness.score import find_data_sources

    given = GivenPlaces(tuple(f"{id}=folder={place}" for id, place in places.items()))
    try:
        sources = find_data_sources(folder, host, given)
        broken = check_files(folder, sources).broken
    except StoreError as error:
        return {}, [f"the model was not run to its end: {problem}" for problem in error.problems]
    if broken:
        rows = [
            f"{rule.file}{f', row {rule.row}' if rule.row is not None else ''}: {rule.rule}" for rule in broken[:20]
        ]
        return {}, [f"made again: {text}" for text in rows]
    return {
        dataset: pa.concat_tables(
            read_shard(folder.shard_files(model, dataset, "clean", shard.index)).predictions
            for shard in sources.datasets[dataset].shards
        )
        for dataset in places
    }, []


def _other_inputs(checked: Checked, made: Mapping[str, Mapping[str, Any]], datasets: list[str]) -> list[str]:
    """Return in what the model that was run differs from the bundle's; names of weights do not count, contents do."""
    assert checked.bundle is not None
    found = []
    for dataset in datasets:
        stated, real = dict(checked.bundle.model["inputs"][dataset]), dict(made.get(dataset, {}))
        for inputs in (stated, real):
            weights = inputs.pop("weights", None)
            inputs["weights"] = weights.get("sha256", weights) if isinstance(weights, Mapping) else weights
        for key in sorted({*stated, *real}):
            if stated.get(key) != real.get(key):
                found.append(f"{dataset}: `{key}` is {real.get(key)!r:.60}, not {stated.get(key)!r:.60}")
    return found
