"""The ``datasets:`` of a suite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from segharness.plugin.host import PluginHost
from segharness.plugin.specs import CategorySet, DatasetSpec, slug
from segharness.suite.nodes import Node, items, mapping, scalar
from segharness.suite.options import OptionReader
from segharness.suite.suite import DatasetEntry
from segharness.suite.variables import Variables


class DatasetBuilder:
    """Looks up what checked nodes say of data sets.

    Args:
        host: the plugins whose names they may use.
        problems: gets a line for every mistake.
        options: reads their options.
        variables: that options have values of which a suite does not give.
    """

    def __init__(self, host: PluginHost, problems: list[str], options: OptionReader, variables: Variables) -> None:
        self._host, self._problems, self._options, self._variables = host, problems, options, variables
        self._whole = not problems

    def _complain(self, node: Node, message: str) -> None:
        self._problems.append(f"{node.mark}: {message}")

    def entries(self, nodes: Sequence[Node], limit: int | None) -> Iterator[DatasetEntry]:
        """Yield the data sets that a list names; `limit` is of those that have none of their own."""
        taken: set[str] = set()
        for node in nodes:
            entry = self._entry(node, limit)
            if entry is None:
                continue
            if entry.id in taken:
                place = node.get("id") or node.get("dataset") or node
                self._complain(place, f"two data sets have the id `{entry.id}`; give one another `id:`")
                continue
            taken.add(entry.id)
            yield entry

    def _entry(self, node: Node, limit: int | None) -> DatasetEntry | None:
        name_node = node.get("dataset") if isinstance(node.value, dict) else node
        assert name_node is not None
        spec = self._host.find(name_node.text, DatasetSpec)
        if spec is None:
            self._complain(name_node, self._host.unknown(name_node.text, DatasetSpec))
            return None
        given = {**self._of_variables(node, spec), **mapping(node.get("options"))}
        [options] = self._options.read(node, f"data set `{spec.name}`", spec.options, [given])
        id_node, limit_node = node.get("id"), node.get("limit")
        return DatasetEntry(
            id_node.text if id_node else slug(spec.name),
            spec.name,
            options,
            int(limit_node.plain()) if limit_node else limit,
            (*spec.tags, *(tag.text for tag in items(node.get("tags")))),
            {name: value.text for name, value in mapping(node.get("labels")).items()},
            self._categories(node.get("categories")),
        )

    def _of_variables(self, node: Node, spec: DatasetSpec) -> dict[str, Node]:
        """Return the options that a node does not give and whose variables have a value."""
        given = mapping(node.get("options"))
        return {
            key: replace(scalar(value, node.mark), key_mark=node.mark)
            for key, option in spec.options.items()
            if option.variable is not None
            and key not in given
            and (value := self._variables.value(option.variable)) is not None
        }

    def _categories(self, node: Node | None) -> tuple[str, ...]:
        """Return the names of a list, or of the set that a name stands for."""
        if node is None:
            return ()
        if isinstance(node.value, list):
            if not node.items() and self._whole:
                self._complain(node, "`categories` is empty")
            return tuple(item.text for item in node.items())
        found = self._host.find(node.text, CategorySet)
        if found is None:
            self._complain(node, self._host.unknown(node.text, CategorySet))
            return ()
        return found.categories
