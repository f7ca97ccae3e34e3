"""Prepares a plan before its first cell: opens data sets, resolves weights and hashes inputs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from segharness.data.open_dataset import OpenDataset, open_dataset
from segharness.digests import digest
from segharness.errors import UsageError
from segharness.execution.input_digests import Weights, find_inputs, resolve_all_weights
from segharness.execution.settings import RunSettings
from segharness.identity import Inputs, protocol_inputs, stored_run
from segharness.model.resolve import model_list, resolve_environment
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import CorruptionSpec, ExecutorSpec, MixtureSpec, ModelSpec
from segharness.store import RunFolder
from segharness.suite import Plan, Suite
from segharness.suite.conditions import smallest_side


@dataclass(frozen=True)
class PreparedRun:
    """A plan with its data sets, weights and inputs, ready to execute.

    Attributes:
        plan: the plan.
        settings: how to run it.
        datasets: the opened data sets, by id.
        inputs: everything that the run's files are made from.
        weights: the weights of every model on every data set.
        protocol: the protocol id: two results are comparable if they share it.
        environments: the packages of every model under a foreign interpreter, by its id.
        notes: what the user should know before the first cell, a line each.
    """

    plan: Plan
    settings: RunSettings
    datasets: Mapping[str, OpenDataset]
    inputs: Inputs
    weights: Weights
    protocol: str
    environments: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def prepare(plan: Plan, host: PluginHost, settings: RunSettings) -> PreparedRun:
    """Open the data sets of a plan, resolve its models and hash its inputs.

    Raises:
        UsageError: a data set's files are missing or broken, the executor is unknown, or a model's framework or weights
            are not available. The problems of all data sets are reported together.
    """
    host.get(settings.executor, ExecutorSpec)
    datasets = _open_all(plan, host)
    entries = tuple(datasets[entry.id].entry for entry in plan.suite.datasets)
    plan = replace(plan, suite=replace(plan.suite, datasets=entries))
    digests = {id: opened.dataset.digest for id, opened in datasets.items()}
    selected = {cell.model for cell in plan.selected}
    objects = settings.options.objects
    environments = _environments(plan.suite, host, selected - set(objects))
    weights = resolve_all_weights(plan.suite, host, selected, objects)
    inputs = find_inputs(plan.suite, host, digests, weights, objects, lambda: _earlier_inputs(settings))
    protocol = digest(protocol_inputs(plan.suite, inputs))
    return PreparedRun(plan, settings, datasets, inputs, weights, protocol, environments)


def _earlier_inputs(settings: RunSettings) -> Inputs | None:
    """Return the inputs that the run's folder records; None if it has no run."""
    folder = RunFolder(settings.out)
    return stored_run(folder.read_manifest(), folder.manifest).inputs if folder.manifest.is_file() else None


def _environments(suite: Suite, host: PluginHost, selected: Collection[str]) -> Mapping[str, Any]:
    """Return the packages of the selected models under other interpreters, by id. Reports each problem once, together."""
    models_by_problem: dict[str, list[str]] = {}
    environments: dict[str, Any] = {}
    for entry in suite.models:
        if entry.id not in selected:
            continue
        try:
            environment = resolve_environment(entry, host)
        except UsageError as error:
            for problem in error.problems:
                models_by_problem.setdefault(problem, []).append(f"`{entry.id}`")
        else:
            if entry.python is not None:
                environments[entry.id] = environment
    if models_by_problem:
        raise UsageError([f"{model_list(ids)}: {problem}" for problem, ids in models_by_problem.items()])
    return environments


def _open_all(plan: Plan, host: PluginHost) -> dict[str, OpenDataset]:
    problems: list[str] = []
    opened: dict[str, OpenDataset] = {}
    for entry in plan.suite.datasets:
        try:
            opened[entry.id] = _without_idle_limit(open_dataset(entry, host))
            if not opened[entry.id].samples:
                problems.append(f"data set `{entry.id}` has no images")
        except UsageError as error:
            problems += error.problems
    for id, dataset in opened.items():
        problems += _too_small(plan, id, dataset, host)
    if problems:
        raise UsageError(problems)
    return opened


def _without_idle_limit(opened: OpenDataset) -> OpenDataset:
    """Return a data set without a limit that leaves nothing out: it is then the same protocol as none."""
    limit = opened.entry.limit
    if limit is None or limit < (opened.entry.sample or len(opened.dataset.samples())):
        return opened
    return replace(opened, entry=replace(opened.entry, limit=None))


def _too_small(plan: Plan, id: str, dataset: OpenDataset, host: PluginHost) -> Iterator[str]:
    """Yield a problem if images of a data set are smaller than a selected condition takes."""
    needed: dict[int, list[str]] = {}
    specs = {entry.id: host.find(entry.model, ModelSpec) for entry in plan.suite.models}
    seeing = {model for model, spec in specs.items() if spec is None or not spec.stored}
    cells = [cell for cell in plan.selected if cell.dataset == id and cell.model in seeing]
    for condition in dict.fromkeys(cell.condition for cell in cells):
        if condition.corruption is not None:
            spec: Any = host.get(condition.corruption, CorruptionSpec, MixtureSpec)
            side = smallest_side(spec, host)
            needed.setdefault(side, []).append(condition.name)
    for side, names in needed.items():
        small = [sample for sample in dataset.samples if min(sample.height, sample.width) < side]
        if small:
            more = f" and {len(small) - 1} more images are smaller, too" if len(small) > 1 else ""
            which = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more conditions"
            yield (
                f"data set `{id}`: {small[0]} has {small[0].width}x{small[0].height} pixels, and {which} need "
                f"{side}x{side}{more}: leave them out of the data set, or run `clean` alone"
            )
