"""The data sets of a suite: looks names up and reads options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from segharness.plugin.host import PluginHost
from segharness.plugin.specs import CategorySet, DatasetSpec, slug
from segharness.suite.plugin_options import OptionReader, as_written
from segharness.suite.suite import AS_PUBLISHED, DatasetEntry
from segharness.suite.variables import Variables
from segharness.suite.yaml_parser import Node, items, mapping, scalar


class DatasetBuilder:
    """Builds entries from the checked items of ``datasets:``.

    Args:
        host: the plugins that offer data sets.
        problems: messages; every mistake is appended.
        options: reads the options of data sets.
        variables: the values of options that an item does not set.

    Attributes:
        resolutions: the data sets that have a ``resolution:``, each with the node that says so.
    """

    def __init__(self, host: PluginHost, problems: list[str], options: OptionReader, variables: Variables) -> None:
        self._host, self._problems, self._options, self._variables = host, problems, options, variables
        self._intact = not problems
        self.resolutions: list[tuple[Node, DatasetEntry]] = []

    def _complain(self, node: Node, message: str) -> None:
        self._problems.append(f"{node.mark}: {message}")

    def entries(
        self, nodes: Sequence[Node], limit: int | None, resolution: Node | None = None
    ) -> Iterator[DatasetEntry]:
        """Yield the data sets of a list; `limit` and `resolution` apply to those that have none of their own."""
        ids: set[str] = set()
        for node in nodes:
            entry = self._entry(node, limit, resolution)
            if entry is None:
                continue
            if entry.id in ids:
                id_node = node.get("id") or node.get("dataset") or node
                self._complain(id_node, f"two data sets have the id `{entry.id}`; give one of them another `id:`")
                continue
            ids.add(entry.id)
            yield entry

    def _entry(self, node: Node, limit: int | None, resolution: Node | None) -> DatasetEntry | None:
        name_node = node.get("dataset") if isinstance(node.value, dict) else node
        assert name_node is not None
        spec = self._host.find(name_node.text, DatasetSpec)
        if spec is None:
            self._complain(name_node, self._host.unknown_message(name_node.text, DatasetSpec))
            return None
        option_nodes = {**self._variable_options(node, spec), **mapping(node.get("options"))}
        [options] = self._options.read(node, f"data set `{spec.name}`", spec.options, [option_nodes])
        id_node, limit_node = node.get("id"), node.get("limit")
        resolution = node.get("resolution") or resolution
        entry = DatasetEntry(
            id_node.text if id_node else slug(spec.name),
            spec.name,
            options,
            int(limit_node.plain()) if limit_node else limit,
            (*spec.tags, *(tag.text for tag in items(node.get("tags")))),
            {name: value.text for name, value in mapping(node.get("labels")).items()},
            self._categories(node.get("categories")),
            resolution.text if resolution else AS_PUBLISHED,
            as_written("options", option_nodes),
            int(sample_node.plain()) if (sample_node := node.get("sample")) else None,
        )
        if resolution is not None:
            self.resolutions.append((resolution, entry))
        return entry

    def _variable_options(self, node: Node, spec: DatasetSpec) -> dict[str, Node]:
        """Return the options that an item does not set and whose variables have a value."""
        written = mapping(node.get("options"))
        return {
            key: replace(scalar(value, node.mark), key_mark=node.mark, written=f"${{{option.variable}}}")
            for key, option in spec.options.items()
            if option.variable is not None
            and key not in written
            and (value := self._variables.value(option.variable)) is not None
        }

    def _categories(self, node: Node | None) -> tuple[str, ...]:
        """Return the categories of a list, or of the category set that the node names."""
        if node is None:
            return ()
        if isinstance(node.value, list):
            if not node.items() and self._intact:
                self._complain(node, "`categories` is empty")
            return tuple(item.text for item in node.items())
        category_set = self._host.find(node.text, CategorySet)
        if category_set is None:
            self._complain(node, self._host.unknown_message(node.text, CategorySet))
            return ()
        return category_set.categories
