"""Two models' results -> what they differ in: paired differences with intervals, and a plain word for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from segharness.errors import UsageError, nearest
from segharness.identity import differences
from segharness.score.curves import AveragedSet, sets
from segharness.score.resample import Interval, interval
from segharness.score.stored import models_of, protocol_of
from segharness.store import manifest_of, read_results, store_path
from segharness.store.resamples import NAMES, Samples, read_resamples, resamples_key
from segharness.suite import Suite

COMPARED = ("AP", "AP_avg", "mPC", "CD", "rCD", "rCD_pooled", "mask_mIoU", "PQ")
CELLS = ("AP", "mask_mIoU", "PQ")
"""Those of them that are of one cell, not of a set."""

LOWER_IS_BETTER = ("CD", "rCD", "rCD_pooled")
BETTER, WORSE, SAME = "better", "worse", "not distinguishable"

NO_INTERVAL = Interval()


@dataclass(frozen=True)
class Side:
    """One model of stored results.

    Attributes:
        model: its id.
        shown: what it is called beside the other.
        rows: its numbers over whole splits, by what they are of.
        samples: their values on the resamples.
        references: a digest of the APs of every reference, by its name.
        sets: what averages run over, by data set and condition in results.
    """

    model: str
    shown: str
    rows: Mapping[tuple[Any, ...], Mapping[str, Any]]
    samples: Mapping[tuple[Any, ...], Samples]
    references: Mapping[str, str]
    sets: Mapping[tuple[str, str], AveragedSet]


@dataclass(frozen=True)
class Difference:
    """The second model's number less the first one's, a fraction.

    Attributes:
        dataset, condition, evaluation, task, split, metric: what it is of.
        values: the two numbers; None where one has none.
        difference: None likewise, and then `reason` says why.
        interval: of the difference.
        verdict: of the second model: better, worse, not distinguishable; None without an interval.
        part: whether it is over a part of a set of conditions that stands beside it.
    """

    dataset: str
    condition: str
    evaluation: str
    task: str
    split: str
    metric: str
    values: tuple[float | None, float | None]
    difference: float | None = None
    interval: Interval = NO_INTERVAL
    verdict: str | None = None
    reason: str | None = None
    part: bool = False


def sides(names: Sequence[str]) -> list[tuple[Side, Side]]:
    """Return the pairs that ``RUN[::MODEL]`` names stand for: a run with two models, two models, or two runs.

    Two runs without models are compared model by model, where they have the same ones.

    Raises:
        UsageError: there is no such run or model, or the two cannot be compared.
    """
    opened = [_Opened(name) for name in names]
    if len(opened) == 1:
        if opened[0].model is not None or len(opened[0].models) != 2:
            known = ", ".join(opened[0].models)
            raise UsageError(f"{names[0]}: name two models: {opened[0].path}::A {opened[0].path}::B (known: {known})")
        return [(opened[0].side(opened[0].models[0]), opened[0].side(opened[0].models[1]))]
    first, second = opened
    _check(first, second)
    pairs = [(first.model or model, second.model or model) for model in _pairs(first, second)]
    same = [a for a, b in pairs if a == b and first.file.resolve() == second.file.resolve()]
    if same:
        raise UsageError(f"{first.path}::{same[0]} is compared with itself")
    with_path = len(pairs) > 1 or any(a == b for a, b in pairs)
    return [(first.side(a, with_path), second.side(b, with_path)) for a, b in pairs]


def compare(first: Side, second: Side) -> Iterator[Difference]:
    """Yield the difference in every number that both models have, over all categories and every split."""
    for key, row in second.rows.items():
        other = first.rows.get(key)
        if other is None or row["metric"] not in COMPARED:
            continue
        over = second.sets.get((row["dataset"], row["condition"]))
        found = _difference(other, row, first.samples.get(key), second.samples.get(key))
        if reason := _incomparable(row, over, first, second):
            found = replace(found, difference=None, interval=NO_INTERVAL, verdict=None, reason=reason)
        yield replace(found, part=over is not None and over.part)


def _incomparable(row: Mapping[str, Any], over: AveragedSet | None, first: Side, second: Side) -> str | None:
    """Return why two numbers of one name are of different things, or None."""
    if row["metric"] in CELLS:
        return None
    if over != first.sets.get((row["dataset"], row["condition"])):
        return f"`{row['condition']}` are other conditions in the two runs"
    name = row["reference"]
    if name is not None and first.references.get(name) != second.references.get(name):
        return f"the reference `{name}` has other APs in the two runs"
    return None


def _difference(
    first: Mapping[str, Any], second: Mapping[str, Any], before: Samples | None, after: Samples | None
) -> Difference:
    values = (first["value"], second["value"])
    dataset, condition, evaluation = (str(second[name]) for name in ("dataset", "condition", "evaluation"))
    blank = Difference(dataset, condition, evaluation, second["task"], second["split"], second["metric"], values)
    if values[0] is None or values[1] is None:
        return replace(blank, reason=first["reason"] if values[0] is None else second["reason"])
    difference = float(values[1] - values[0])
    if before is None or after is None:
        lacking = f"no interval: {blank.metric} has no resamples, or one of the two was scored without"
        return replace(blank, difference=difference, reason=lacking)
    found = interval(difference, after - before)
    if found.low is None or found.high is None:
        return replace(blank, difference=difference, reason=found.reason)
    sign = -1 if blank.metric in LOWER_IS_BETTER else 1
    low, high = sorted((sign * found.low, sign * found.high))
    verdict = BETTER if low > 0 else WORSE if high < 0 else SAME
    return replace(blank, difference=difference, interval=found, verdict=verdict)


# --------------------------------------------------------------------------------------------------------- reading


class _Opened:
    """Stored results that a name on the command line stands for."""

    def __init__(self, name: str) -> None:
        path, _, model = name.partition("::")
        self.path, self.model = store_path(path), model or None
        self.file = self.path / "results.arrow" if self.path.is_dir() else self.path
        self.content: pa.Table = read_results(self.path)
        self.models = models_of(self.content)
        self.manifest = manifest_of(self.content, self.file)
        self.key = resamples_key(self.file)
        if self.model is not None and self.model not in self.models:
            raise UsageError(f"{name}: no model `{self.model}`{nearest(self.model, self.models)}")
        self._references = self.manifest.get("references", {})
        self._sets = {
            (found.dataset, found.condition): found for found in sets(Suite.from_json(self.manifest["suite"]))
        }
        self._rows = [row for row in self.content.to_pylist() if row["category"] is None]
        self._samples = read_resamples(self.file, self.content)

    def side(self, model: str, with_path: bool = False) -> Side:
        """Return one of the models. Numbers against different references have different keys."""
        rows = {self._key(row): row for row in self._rows if row["model"] == model}
        samples = {
            self._key(dict(zip(NAMES, names, strict=True))): values
            for names, values in self._samples.items()
            if names[0] == model
        }
        shown = f"{self.path}::{model}" if with_path else model
        return Side(model, shown, rows, samples, self._references, self._sets)

    @staticmethod
    def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in NAMES if name != "model")


def _check(first: _Opened, second: _Opened) -> None:
    """Raise UsageError if two results cannot be compared."""
    theirs, ours = first.manifest["protocol"], second.manifest["protocol"]
    if theirs != ours:
        changed = differences(protocol_of(first.manifest), protocol_of(second.manifest))
        raise UsageError(
            f"{first.path} was made under protocol {theirs[:8]}, {second.path} under {ours[:8]}, so their numbers cannot "
            f"be compared: {'; '.join(changed)}"
        )
    if first.key is not None and second.key is not None and first.key != second.key:
        raise UsageError(
            f"{first.path} and {second.path} were scored on different resamples; "
            "`segharness score` both with one --bootstrap"
        )


def _pairs(first: _Opened, second: _Opened) -> list[str]:
    """Return the models of two runs that were not named: those that both have."""
    if first.model is not None and second.model is not None:
        return [first.model]
    known = [first.model] if first.model else [second.model] if second.model else first.models
    found = [model for model in known if model in first.models and model in second.models]
    if not found:
        raise UsageError(
            f"{first.path} ({', '.join(first.models)}) and {second.path} ({', '.join(second.models)}) have no model in "
            "common; name one of each, RUN::MODEL"
        )
    return [str(model) for model in found]
