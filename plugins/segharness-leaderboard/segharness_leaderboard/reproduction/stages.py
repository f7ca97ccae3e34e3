"""The parts of a reproduction that read what a stranger made. Each runs in a process with limits and reports JSON."""

from __future__ import annotations

import itertools
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
from segharness.protocols import AdoptedModel, AdoptedRun, ProtocolImages, adopt_run, find_protocol, run_inputs
from segharness.score import GivenPlaces, check_files, find_data_sources
from segharness.store import RunFolder, read_shard

from segharness_leaderboard.bundle.bundle import Bundle, weights_sha256
from segharness_leaderboard.reproduction.board_numbers import numbers_of, sampling_of
from segharness_leaderboard.reproduction.comparison import agreements, differences, mean_agreements
from segharness_leaderboard.reproduction.drawn_images import write_drawn
from segharness_leaderboard.reproduction.safetensors_file import check_safetensors
from segharness_leaderboard.reproduction.sampling import Draw, draws_needed
from segharness_leaderboard.reproduction.verdict import Fresh, Terms, judge
from segharness_leaderboard.reproduction.wheel import read_wheel
from segharness_leaderboard.submit.check import Checked, check_bundle
from segharness_leaderboard.tables import with_column

DRAWN, JOB = "drawn", "job.json"


def read(bundle: Path) -> dict[str, Any]:
    """Return what a bundle says of itself, before any of it is checked; or the findings."""
    said, findings = Bundle.read(bundle)
    if said is None:
        return {"findings": [asdict(finding) for finding in findings[:100]]}
    return {"findings": [], "card": said.card.to_json(), "model": dict(said.model), "pixels": said.made.pixels}


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
    run = checked.run
    tasks = _tasks(checked)
    sampling = sampling_of(run)
    share = min(sampling.share(power, _aps(checked, task)) for task in tasks)
    needed = draws_needed(share, confidence, honest_rate, sampling.chances)
    terms = Terms(power, confidence, honest_rate, *needed)
    drawn: dict[str, list[Draw]] = {}
    for item in sampling.draw(secret, checked.bundle.root, needed.draws):
        drawn.setdefault(item.dataset, []).append(item)
    corrupted = {condition.name for condition in run.run.suite.conditions if condition.corruption is not None}
    fresh = {
        dataset: [item for item in draws if item.condition in corrupted and fresh_seed is not None]
        for dataset, draws in drawn.items()
    }
    if fresh_seed is not None and not any(fresh.values()):
        raise UsageError("--fresh-seed: no corrupted image was drawn")
    for dataset, draws in drawn.items():
        categories = run.sources.datasets[dataset].dataset.categories
        images = [_images(ProtocolImages(run, host), run, draws)]
        images += [_images(ProtocolImages(run, host, fresh_seed), run, fresh[dataset])] if fresh[dataset] else []
        write_drawn(scratch / DRAWN / dataset, categories, itertools.chain(*images))
    job = {
        "root": checked.bundle.root,
        "protocol": checked.protocol,
        "model": dict(checked.bundle.model),
        "tasks": tasks,
        "terms": asdict(terms),
        "drawn": {id: [asdict(draw) for draw in draws] for id, draws in drawn.items()},
        "fresh": {id: [asdict(draw) for draw in draws] for id, draws in fresh.items()},
        "fresh_seed": fresh_seed,
    }
    (scratch / JOB).write_text(json.dumps(job))
    return {
        "findings": [],
        "root": checked.bundle.root,
        "model": dict(checked.bundle.model),
        "card": checked.bundle.card.to_json(),
        "resolutions": {entry.id: entry.resolution for entry in run.run.suite.datasets},
        "terms": asdict(terms),
        "images": {dataset: len(draws) + len(fresh[dataset]) for dataset, draws in drawn.items()},
    }


def _images(make: ProtocolImages, run: AdoptedRun, draws: list[Draw]) -> Iterator[npt.NDArray[np.uint8]]:
    samples = {sample.image_id: sample for sample in run.sources.datasets[draws[0].dataset].samples}
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(draws), 64):
            part = draws[start : start + 64]
            yield from pool.map(lambda d: make(d.dataset, samples[d.image_id], d.condition), part)


def _defined(checked: Checked) -> list[dict[str, Any]]:
    """Return the rows of the first evaluation's AP over all categories, under each condition, that have a value."""
    assert checked.results is not None and checked.run is not None
    evaluation = checked.run.run.suite.scoring.evaluations[0].id
    return [
        row
        for row in checked.results.to_pylist()
        if row["evaluation"] == evaluation
        and row["metric"] in ("AP", "PQ")
        and row["category"] is None
        and row["split"] == "all"
        and row["value"] is not None
    ]


def _tasks(checked: Checked) -> list[str]:
    """Return the tasks that are compared: those that are scored and of which there is a number.

    Raises:
        UsageError: there is none.
    """
    tasks = list(dict.fromkeys(str(row["task"]) for row in _defined(checked)))
    if not tasks:
        raise UsageError("the bundle has no AP that is defined: there is nothing to make again")
    return tasks


def _aps(checked: Checked, task: str) -> dict[str, float]:
    """Return the AP of each number of a checked bundle; 0 where it is undefined, which needs the most draws."""
    assert checked.run is not None
    values = {(row["dataset"], row["condition"]): row["value"] for row in _defined(checked) if row["task"] == task}
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


def compare(host: PluginHost, scratch: Path, given: GivenPlaces, again: Path, protocol: str | None) -> dict[str, Any]:
    """Compare the predictions in a run folder that the container wrote with those that were checked, and judge.

    Raises:
        UsageError: the model failed, or wrote what no model may answer.
    """
    job = json.loads((scratch / JOB).read_bytes())
    named, said = find_protocol(protocol or job["protocol"], host), job["model"]
    model = AdoptedModel(said["id"], said["name"], said["inputs"])
    run = adopt_run(named, host, scratch / "checked/run", model, given)  # the files lie there since they were checked
    terms = Terms(**job["terms"])
    drawn, fresh = (
        {id: [Draw(**draw) for draw in draws] for id, draws in job[key].items()} for key in ("drawn", "fresh")
    )
    folder = RunFolder(again)
    made, problems = predictions_again(folder, host, model.id, {id: scratch / DRAWN / id for id in drawn})
    if problems:
        raise UsageError(problems)
    others = _other_inputs(model, run_inputs(folder).models.get(model.id, {}), list(drawn))
    first = {id: _numbered(table, 0, len(drawn[id])) for id, table in made.items()}
    anew = None
    try:
        found = agreements(run, first, drawn, job["tasks"])
        compared = [d for task in job["tasks"] for d in differences(run, host, first, drawn, task)]
        if job["fresh_seed"] is not None:
            later = {id: _numbered(table, len(drawn[id]), len(fresh[id])) for id, table in made.items()}
            anew = Fresh(
                job["fresh_seed"], [d for task in job["tasks"] for d in differences(run, host, later, fresh, task)]
            )
    except ValueError as error:
        verdict = judge(terms, [], {}, [], [*others, f"its answers are of another kind: {error}"])
    else:
        if not compared or (anew is not None and not anew.compared):
            raise UsageError("no AP of the images drawn is defined: nothing can be compared")
        verdict = judge(terms, found, mean_agreements(run, found), compared, others, anew)
    stands = {"name": named.name, "id": named.sealed().id}
    return {**verdict.to_json(), "root": job["root"], "protocol": stands, "model": model.id}


def _numbered(made: pa.Table, before: int, count: int) -> pa.Table:
    """Return the predictions of the images with the numbers before + 1 to before + count, numbered from 1."""
    numbers = np.asarray(made.column("image_id"))
    chosen = made.filter(pa.array((numbers > before) & (numbers <= before + count)))
    return with_column(chosen, "image_id", np.asarray(chosen.column("image_id")) - before)


def predictions_again(
    folder: RunFolder, host: PluginHost, model: str, places: Mapping[str, Path]
) -> tuple[dict[str, pa.Table], list[str]]:
    """Return the predictions that a container wrote, by data set, held to the rules of models' answers; or what is wrong."""
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


def _other_inputs(model: AdoptedModel, made: Mapping[str, Mapping[str, Any]], datasets: list[str]) -> list[str]:
    """Return in what the model that was run differs from the bundle's; names of weights do not count, contents do."""
    found = []
    for dataset in datasets:
        stated, real = (
            {**inputs, "weights": weights_sha256(inputs) or inputs.get("weights")}
            for inputs in (model.inputs[dataset], made.get(dataset, {}))
        )
        for key in sorted({*stated, *real}):
            if stated.get(key) != real.get(key):
                found.append(f"{dataset}: `{key}` is {real.get(key)!r:.60}, not {stated.get(key)!r:.60}")
    return found
