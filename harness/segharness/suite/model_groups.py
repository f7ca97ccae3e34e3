"""The groups of a suite, from ``models:``, ``reference:`` and ``groups:``: models and their common reference."""

from __future__ import annotations

from collections.abc import Collection

from segharness.errors import nearest
from segharness.suite.missing import Missing
from segharness.suite.models import ModelBuilder
from segharness.suite.plugin_options import path_of
from segharness.suite.suite import Group, ModelEntry, StoredReference
from segharness.suite.yaml_parser import Node


class GroupBuilder:
    """Builds the models and groups of a checked suite.

    Args:
        root: the root node of the suite.
        problems: messages; every mistake is appended.
        intact: whether the tree is as it was written. If parts were dropped, mistakes that may only follow from that
            are not reported.
        builder: makes the entries of models.

    Attributes:
        models: every model of the suite, each once.
    """

    def __init__(self, root: Node, problems: list[str], intact: bool, builder: ModelBuilder) -> None:
        self._root, self._problems, self._intact, self._builder = root, problems, intact, builder
        self.models: list[ModelEntry] = []

    def groups(self, written: Collection[str]) -> list[Group]:
        """Return the groups; a suite without ``groups:`` has one. `written` are the suite's top-level keys."""
        groups_node = self._root.get("groups")
        if groups_node is not None:
            for key in ("models", "reference"):
                if (extra := self._root.get(key)) is not None:
                    self._complain(extra, f"`{key}` stands beside `groups`; put it into one of the groups")
            if not groups_node.items() and self._intact:
                self._complain(groups_node, "`groups` is empty")
            return [self._group(node, node.get("name")) for node in groups_node.items()]
        if self._root.get("models") is None:
            complete = all(isinstance(problem, Missing) for problem in self._problems)
            if not {"models", "groups"} & set(written) and complete:
                message = f"{self._root.mark}: no models: give `models`, `groups`, or --model NAME"
                self._problems.append(Missing(message))
            reference = self._root.get("reference")
            stored = reference is not None and isinstance(reference.value, dict)
            return [self._group(self._root, None)] if stored else []  # a reference for a model that is an object
        return [self._group(self._root, None)]

    def _complain(self, node: Node, message: str) -> None:
        self._problems.append(f"{node.mark}: {message}")

    def _group(self, node: Node, title: Node | None) -> Group:
        models = node.get("models")
        if models is not None and not models.items() and self._intact:
            self._complain(models, "`models` is empty")
        ids: list[str] = []
        complete = True
        for item, set_name, entry in self._builder.entries(models):
            if entry is None:
                complete = False
                continue
            same_id = next((model for model in self.models if model.id == entry.id), None)
            if same_id is None:
                self.models.append(entry)
            elif set_name is not None and same_id == entry:  # two sets may share a model
                if entry.id in ids:
                    continue
            elif same_id != entry or entry.id in ids:
                advice = "" if set_name is None else f", or name the models of `{set_name}` that you want one by one"
                complete = False
                self._complain(item, f"two models have the id `{entry.id}`; give one of them another `id:`{advice}")
                continue
            ids.append(entry.id)
        reference = self._reference(node.get("reference"), ids, complete and self._intact)
        return Group(title.text if title else "models", tuple(ids), reference)

    def _reference(self, node: Node | None, ids: list[str], complete: bool) -> str | StoredReference | None:
        if node is None:
            return None
        if isinstance(node.value, dict):
            results = node.get("results")
            assert results is not None
            path = path_of(results)
            if not path.is_file():
                self._problems.append(Missing(f"{results.mark}: no file {path}"))
            model = node.get("model")
            return StoredReference(str(path), model.text if model else None)
        if node.text not in ids and complete:
            self._complain(node, f"the reference `{node.text}` is not among the models{nearest(node.text, ids)}")
        return node.text
