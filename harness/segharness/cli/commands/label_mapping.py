"""``segharness collect --labels``: what each label of a model becomes on each data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segharness.cli.output import terminal
from segharness.data.open_dataset import OpenDataset, open_dataset
from segharness.data.taxonomy import DROP, IGNORE
from segharness.errors import ContractError, UsageError
from segharness.model.labels import Labels
from segharness.model.load import load_model
from segharness.model.resolve import resolve_weights
from segharness.plugin.specs import ModelSpec
from segharness.records import StoredPredictions
from segharness.suite import ModelEntry

if TYPE_CHECKING:
    from segharness.cli.arguments.selection import PlannedSuite

_FATES = {DROP: "dropped", IGNORE: "ignored"}


def print_labels(suites: Sequence[PlannedSuite]) -> None:
    """Print a table for every model on every data set of the suites."""
    console = terminal(soft_wrap=True)
    for planned in suites:
        datasets = [open_dataset(entry, planned.host) for entry in planned.plan.suite.datasets]
        for model in planned.plan.suite.models:
            by_options: dict[str, Sequence[str] | None] = {}
            for opened in datasets:
                options = repr(model.options_on(opened.entry.id))
                if options not in by_options:
                    by_options[options] = _categories(model, opened, planned)
                _print(console, model, by_options[options], opened)


def _categories(model: ModelEntry, opened: OpenDataset, planned: PlannedSuite) -> Sequence[str] | None:
    """Return a model's own categories, or None if it uses the data set's."""
    spec = planned.host.find(model.model, ModelSpec) if model.local_function is None else None
    if spec is not None and spec.categories is not None:
        return spec.categories
    try:
        loaded = load_model(
            model, opened.entry, planned.host, "cpu", resolve_weights(model, opened.entry.id, planned.host)
        )
    except (Exception, SystemExit) as error:
        raise UsageError(f"model `{model.id}`: its categories cannot be read: {error}") from error
    if isinstance(loaded, StoredPredictions) or getattr(loaded, "prompt", None) is not None:
        return None
    return loaded.categories


def _print(console: Console, model: ModelEntry, names: Sequence[str] | None, opened: OpenDataset) -> None:
    """Print the table of a model on a data set, and notes on what is dropped, merged or never predicted."""
    becomes = opened.taxonomy.targets
    title = f"{model.id} on {opened.entry.id}"
    if names is None:
        names = list(becomes)
    try:
        ids = Labels(names, opened.dataset.categories).ids
    except ContractError as error:
        console.print(f"{title}: {error}", highlight=False, markup=False)
        return
    by_id = {category.id: category.name for category in opened.dataset.categories}
    table = Table(title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("label", "category of the data set", "is scored as"):
        table.add_column(heading)
    for name, id in zip(names, ids.tolist(), strict=True):
        if id >= 0:
            category = by_id[id]
            fate = _FATES.get(becomes[category], becomes[category])
            table.add_row(Text(name), Text(category), Text(fate))
    console.print(table)
    for line in _notes(names, ids.tolist(), by_id, becomes):
        console.print(line, highlight=False, markup=False)
    console.print()


def _notes(names: Sequence[str], ids: Sequence[int], by_id: dict[int, str], becomes: dict[str, str]) -> Iterator[str]:
    """Yield what the table does not show: dropped labels, categories without a label, merged annotations."""
    dropped = [name for name, id in zip(names, ids, strict=True) if id < 0]
    if dropped:
        yield f"{len(dropped)} labels that the data set does not have are dropped: {', '.join(dropped)}"
    reached = {becomes[by_id[id]] for id in ids if id >= 0}
    unreached = [name for name, target in becomes.items() if target == name and name not in reached]
    if unreached:
        yield f"no label becomes {', '.join(unreached)}: the model cannot detect them"
    merged = [name for name, target in becomes.items() if target not in (name, DROP, IGNORE)]
    for fate, categories in (
        ("merged into others", merged),
        ("dropped", _with_fate(becomes, DROP)),
        ("ignored", _with_fate(becomes, IGNORE)),
    ):
        if categories:
            yield f"annotations {fate}: {', '.join(f'{n} -> {becomes[n]}' if n in merged else n for n in categories)}"


def _with_fate(becomes: dict[str, str], fate: str) -> list[str]:
    return [name for name, target in becomes.items() if target == fate]
