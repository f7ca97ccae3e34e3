"""How a suite is scored and reported: ``scoring:`` (evaluations, tasks, splits), ``shifts:`` and ``report:``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segharness.errors import UsageError, nearest
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import CategorySet, MetricSpec, slug
from segharness.records import CLEAN, Condition
from segharness.suite.suite import OVERALL, VIEWS, EvaluationEntry, Scoring, Shift, Split, View
from segharness.suite.yaml_parser import Node, items, mapping


class ScoringBuilder:
    """Builds the scoring, shifts and views of a checked suite.

    Args:
        root: the root node of the suite.
        host: the plugins that offer metrics and category sets.
        problems: messages; every mistake is appended.
        intact: whether the tree is as it was written. If parts were dropped, mistakes that may only follow from that
            are not reported.
        datasets: the ids of the suite's data sets.
    """

    def __init__(
        self, root: Node, host: PluginHost, problems: list[str], intact: bool, datasets: Sequence[str]
    ) -> None:
        self._root, self._host, self._problems, self._intact = root, host, problems, intact
        self._datasets = datasets

    def _complain(self, node: Node, message: str) -> None:
        self._problems.append(f"{node.mark}: {message}")

    def scoring(self) -> Scoring:
        """Return the tasks, evaluations and splits of the suite."""
        node = self._root.get("scoring")
        if node is None:
            return Scoring()
        specs: list[MetricSpec] = []
        evaluations = tuple(self._evaluations(items(node.get("metrics")), specs)) or Scoring.evaluations
        specs = specs or [self._host.get(entry.metric, MetricSpec) for entry in Scoring.evaluations]
        known_tasks = {task for spec in specs for task in spec.tasks}
        for item in items(node.get("tasks")):
            if item.text not in known_tasks:
                self._complain(item, f"no task `{item.text}`{nearest(item.text, known_tasks)}")
        for key in ("tasks", "metrics"):
            if (list_node := node.get(key)) is not None and not list_node.items() and self._intact:
                self._complain(list_node, f"`{key}` is empty")
        tasks = tuple(dict.fromkeys(n.text for n in items(node.get("tasks")))) or Scoring.tasks
        for name, value in mapping(node.get("splits")).items():
            if name in ("", OVERALL):
                self._problems.append(
                    f"{value.key_mark}: a split cannot be named `{name}`: that name stands for all categories"
                )
        splits = tuple(self._split(name, value) for name, value in mapping(node.get("splits")).items())
        return Scoring(tasks, evaluations, splits)

    def _evaluations(self, listed: list[Node], specs: list[MetricSpec]) -> Iterator[EvaluationEntry]:
        """Yield the evaluations that are listed, and append their metrics to `specs`."""
        is_limited: dict[str, bool] = {}  # by id: whether the evaluation is only for some data sets
        for item in listed:
            name_node = item.get("metric") or item
            id_node = item.get("id")
            name = name_node.text
            id = id_node.text if id_node else slug(name)
            if (spec := self._host.find(name, MetricSpec)) is None:
                usual = [entry.metric for entry in Scoring.evaluations]
                owners = [m.name for m in self._host.all(MetricSpec) if name in [metric.name for metric in m.metrics]]
                owners.sort(key=lambda owner: owner not in usual)
                hint = f"; `{name}` is one of the numbers of `{owners[0]}`" if owners else ""
                self._complain(name_node, self._host.unknown_message(name, MetricSpec) + hint)
                continue
            options = _plain(item.get("options"))
            specs.append(spec)
            datasets_node = item.get("datasets")
            if id in is_limited:
                if isinstance(item.value, dict) or is_limited[id]:
                    self._complain(item, f"two evaluations have the id `{id}`; give one of them another `id:`")
                continue
            is_limited[id] = datasets_node is not None
            if options and id == slug(name):
                self._complain(item, f"options change what `{name}` means: give the evaluation an `id:` of its own")
            if id != slug(name) and self._host.find(id, MetricSpec) is not None:
                self._complain(
                    id_node or item, f"`{id}` is the name of another metric; give the evaluation another `id:`"
                )
            self._check_metric(item, spec, options)
            yield EvaluationEntry(id, name, options, self._dataset_ids(datasets_node))

    def _dataset_ids(self, node: Node | None) -> tuple[str, ...]:
        """Return the ids of a list of data sets; an empty list is a mistake, and None means all of them."""
        if node is not None and not node.items() and self._intact:
            self._complain(node, "`datasets` is empty")
        for dataset in items(node):
            self._check_dataset(dataset)
        return tuple(dict.fromkeys(dataset.text for dataset in items(node)))

    def _check_dataset(self, node: Node) -> None:
        if node.text not in self._datasets and self._intact:
            self._complain(node, f"no data set `{node.text}` in this suite{nearest(node.text, self._datasets)}")

    def _check_metric(self, item: Node, spec: MetricSpec, options: Mapping[str, Any]) -> None:
        options_node = item.get("options") or item
        if spec.configure is None:
            for key in options:
                self._complain(options_node, f"metric `{spec.name}` takes no options, so `{key}` is not allowed")
            return
        try:
            spec.metrics_under(options)
        except UsageError as error:
            for problem in error.problems:
                self._complain(options_node, f"metric `{spec.name}`: {problem}")

    def shifts(self, conditions: Sequence[Condition]) -> Iterator[Shift]:
        """Yield the shifts between data sets, which compare clean images; so `conditions` must hold ``clean``."""
        if (node := self._root.get("shifts")) is not None and CLEAN not in conditions and self._intact:
            self._complain(node, "`shifts` compare clean images, and `clean` is not among the conditions")
        names: set[str] = set()
        for node in items(self._root.get("shifts")):
            name, clean, shifted = node.get("name"), node.get("clean"), node.get("datasets")
            assert name is not None and clean is not None and shifted is not None
            for item in (clean, *shifted.items()):
                self._check_dataset(item)
            if not shifted.items():
                self._complain(shifted, "`datasets` is empty")
            if clean.text in [item.text for item in shifted.items()]:
                self._complain(clean, f"`{clean.text}` is both clean and shifted")
            if name.text in names or name.text in self._datasets:
                self._complain(name, f"a data set or shift has the name `{name.text}` already")
            names.add(name.text)
            yield Shift(name.text, clean.text, tuple(dict.fromkeys(item.text for item in shifted.items())))

    def views(self) -> Iterator[View]:
        """Yield the kinds of tables that reports show besides the usual ones."""
        for item in items(self._root.get("report")):
            name = item.get("view") or item
            if name.text not in VIEWS:
                self._complain(name, f"no view `{name.text}`{nearest(name.text, VIEWS)}")
            yield View(name.text, self._dataset_ids(item.get("datasets")))

    def _split(self, name: str, node: Node) -> Split:
        inner = node.get("not")
        source = inner or node
        if isinstance(source.value, list):
            return Split(name, tuple(item.text for item in source.items()), inner is not None)
        category_set = self._host.find(source.text, CategorySet)
        if category_set is None:
            self._complain(source, self._host.unknown_message(source.text, CategorySet))
            return Split(name, ())
        return Split(name, category_set.categories, inner is not None)


def _plain(node: Node | None) -> dict[str, Any]:
    return dict(node.plain()) if node else {}
