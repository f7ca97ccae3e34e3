"""``scoring:``, ``shifts:`` and ``report:`` of a suite: evaluations, tasks, splits, degradation over data sets, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segharness.errors import UsageError, nearest
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import CategorySet, MetricSpec, slug
from segharness.records import CLEAN, Condition
from segharness.suite.nodes import Node, items, mapping
from segharness.suite.suite import OVERALL, VIEWS, MetricEntry, Scoring, Shift, Split, View


class ScoringBuilder:
    """Looks up what a checked tree says of scoring.

    Args:
        root: of the suite.
        host: the plugins whose names it may use.
        problems: gets a line for every mistake.
        whole: whether the tree is as it was written; where parts were dropped, what follows from that is not said.
        datasets: the ids of the suite's data sets.
    """

    def __init__(self, root: Node, host: PluginHost, problems: list[str], whole: bool, datasets: Sequence[str]) -> None:
        self._root, self._host, self._problems, self._whole = root, host, problems, whole
        self._datasets = datasets

    def _complain(self, node: Node, message: str) -> None:
        self._problems.append(f"{node.mark}: {message}")

    def scoring(self) -> Scoring:
        """Return the tasks, evaluations and splits that are asked for."""
        node = self._root.get("scoring")
        if node is None:
            return Scoring()
        specs: list[MetricSpec] = []
        metrics = tuple(self._metrics(items(node.get("metrics")), specs)) or Scoring.metrics
        specs = specs or [self._host.get(entry.metric, MetricSpec) for entry in Scoring.metrics]
        known = {task for spec in specs for task in spec.tasks}
        for item in items(node.get("tasks")):
            if item.text not in known:
                self._complain(item, f"no task `{item.text}`{nearest(item.text, known)}")
        for key in ("tasks", "metrics"):
            if (given := node.get(key)) is not None and not given.items() and self._whole:
                self._complain(given, f"`{key}` is empty")
        tasks = tuple(dict.fromkeys(n.text for n in items(node.get("tasks")))) or Scoring.tasks
        for name, value in mapping(node.get("splits")).items():
            if name in ("", OVERALL):
                self._problems.append(
                    f"{value.key_mark}: a split cannot be named `{name}`: that is the name of all categories"
                )
        splits = tuple(self._split(name, value) for name, value in mapping(node.get("splits")).items())
        return Scoring(tasks, metrics, splits)

    def _metrics(self, listed: list[Node], specs: list[MetricSpec]) -> Iterator[MetricEntry]:
        """Yield the evaluations that are listed; what they are made of is appended to `specs`."""
        taken: dict[str, bool] = {}
        for item in listed:
            name_node = item.get("metric") or item
            id_node = item.get("id")
            name = name_node.text
            id = id_node.text if id_node else slug(name)
            if (spec := self._host.find(name, MetricSpec)) is None:
                usual = [entry.metric for entry in Scoring.metrics]
                owners = [m.name for m in self._host.all(MetricSpec) if name in m.metrics]
                owners.sort(key=lambda owner: owner not in usual)
                hint = f"; `{name}` is one of the numbers of `{owners[0]}`" if owners else ""
                self._complain(name_node, self._host.unknown(name, MetricSpec) + hint)
                continue
            options = _plain(item.get("options"))
            specs.append(spec)
            limited = item.get("datasets")
            if id in taken:
                if isinstance(item.value, dict) or taken[id]:
                    self._complain(item, f"two evaluations have the id `{id}`; give one another `id:`")
                continue
            taken[id] = limited is not None
            if options and id == slug(name):
                self._complain(item, f"options change what `{name}` means: give the evaluation an `id:` of its own")
            if id != slug(name) and self._host.find(id, MetricSpec) is not None:
                self._complain(
                    id_node or item, f"`{id}` is the name of another metric; give the evaluation another `id:`"
                )
            self._check_metric(item, spec, options)
            yield MetricEntry(id, name, options, self._some(limited))

    def _some(self, node: Node | None) -> tuple[str, ...]:
        """Return the data sets that a list names; none for all of them."""
        if node is not None and not node.items() and self._whole:
            self._complain(node, "`datasets` is empty")
        for dataset in items(node):
            self._check_dataset(dataset)
        return tuple(dict.fromkeys(dataset.text for dataset in items(node)))

    def _check_dataset(self, node: Node) -> None:
        if node.text not in self._datasets and self._whole:
            self._complain(node, f"no data set `{node.text}` in this suite{nearest(node.text, self._datasets)}")

    def _check_metric(self, item: Node, spec: MetricSpec, options: Mapping[str, Any]) -> None:
        place = item.get("options") or item
        if spec.configure is None:
            for key in options:
                self._complain(place, f"metric `{spec.name}` takes no options, and so no `{key}`")
            return
        try:
            load(spec.configure)(options)
        except UsageError as error:
            for problem in error.problems:
                self._complain(place, f"metric `{spec.name}`: {problem}")

    def shifts(self, conditions: Sequence[Condition]) -> Iterator[Shift]:
        """Yield the shifts between data sets; they are taken on clean images."""
        if (node := self._root.get("shifts")) is not None and CLEAN not in conditions and self._whole:
            self._complain(node, "`shifts` compare clean images, and `clean` is not among the conditions")
        names: set[str] = set()
        for node in items(self._root.get("shifts")):
            name, clean, others = node.get("name"), node.get("clean"), node.get("datasets")
            assert name is not None and clean is not None and others is not None
            for item in (clean, *others.items()):
                self._check_dataset(item)
            if not others.items():
                self._complain(others, "`datasets` is empty")
            if clean.text in [item.text for item in others.items()]:
                self._complain(clean, f"`{clean.text}` is both clean and shifted")
            if name.text in names or name.text in self._datasets:
                self._complain(name, f"a data set or shift has the name `{name.text}` already")
            names.add(name.text)
            yield Shift(name.text, clean.text, tuple(dict.fromkeys(item.text for item in others.items())))

    def views(self) -> Iterator[View]:
        """Yield the kinds of tables that reports show besides the usual ones."""
        for item in items(self._root.get("report")):
            name = item.get("view") or item
            if name.text not in VIEWS:
                self._complain(name, f"no view `{name.text}`{nearest(name.text, VIEWS)}")
            yield View(name.text, self._some(item.get("datasets")))

    def _split(self, name: str, node: Node) -> Split:
        inner = node.get("not")
        source = inner or node
        if isinstance(source.value, list):
            return Split(name, tuple(item.text for item in source.items()), inner is not None)
        found = self._host.find(source.text, CategorySet)
        if found is None:
            self._complain(source, self._host.unknown(source.text, CategorySet))
            return Split(name, ())
        return Split(name, found.categories, inner is not None)


def _plain(node: Node | None) -> dict[str, Any]:
    return dict(node.plain()) if node else {}
