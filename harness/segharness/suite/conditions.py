"""Expands ``conditions:`` of a suite into conditions in order, and the groups that averages run over."""

from __future__ import annotations

import re
from collections.abc import Sequence

from segharness.errors import nearest
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import ConditionSet, CorruptionSpec, MixtureSpec, slug
from segharness.records import CLEAN, Condition
from segharness.suite.missing import Missing
from segharness.suite.suite import ConditionGroup
from segharness.suite.yaml_parser import Node

_KINDS = (CorruptionSpec, MixtureSpec, ConditionSet)
LISTED = "listed"
"""The name of the group of corruptions that a suite lists one by one."""


def version_of(spec: CorruptionSpec | MixtureSpec, host: PluginHost) -> str:
    """Return the version of a corruption; that of a mixture names the versions of all that it draws from."""
    if isinstance(spec, CorruptionSpec):
        return spec.version
    names = dict.fromkeys(name for stage in spec.stages for name in stage)
    members = [member for name in names if (member := host.find(name, CorruptionSpec)) is not None]
    return ";".join([spec.version, *(f"{member.name}={member.version}" for member in members)])


def smallest_side(spec: CorruptionSpec | MixtureSpec, host: PluginHost) -> int:
    """Return the shortest side in pixels that an image may have under a corruption, or under all a mixture draws from."""
    if isinstance(spec, CorruptionSpec):
        return spec.smallest
    names = {name for stage in spec.stages for name in stage}
    return max((member.smallest for name in names if (member := host.find(name, CorruptionSpec))), default=1)


def expand_conditions(
    node: Node, host: PluginHost, problems: list[str]
) -> tuple[tuple[Condition, ...], tuple[ConditionGroup, ...]]:
    """Return all conditions of a suite, each once, in the order written, and the groups of them.

    Args:
        node: the value of ``conditions:``, checked: a name, or a list of names and mappings.
        host: the plugins that offer corruptions, mixtures and sets.
        problems: messages, each with its place; every mistake is appended.
    """
    expansion = _Expansion(host, problems)
    for item in node.items() if isinstance(node.value, list) else [node]:
        expansion.add(item)
    if not expansion.conditions and not problems:
        problems.append(f"{node.mark}: `conditions` is empty")
    groups = tuple(
        ConditionGroup(name, tuple(dict.fromkeys(members))) for name, members in expansion.groups.items() if members
    )
    return tuple(expansion.conditions.values()), groups


class _Expansion:
    """Collects the conditions and groups of the items that are added."""

    def __init__(self, host: PluginHost, problems: list[str]) -> None:
        self.host, self.problems = host, problems
        self.conditions: dict[str, Condition] = {}
        self.groups: dict[str, list[str]] = {}

    def add(self, item: Node) -> None:
        """Add the conditions of an item of ``conditions:``."""
        if isinstance(item.value, dict):
            self._add_mapping(item)
        elif item.text == CLEAN.name:
            self.conditions.setdefault(CLEAN.name, CLEAN)
        else:
            self._add_name(item, item.text, None, None)

    def _add_mapping(self, item: Node) -> None:
        severities_node, corruptions, set_node, name = (
            item.get(key) for key in ("severities", "corruptions", "set", "name")
        )
        severities = [int(n.plain()) for n in severities_node.items()] if severities_node else None
        if name is not None and name.text == LISTED:
            self.problems.append(
                f"{name.mark}: `{LISTED}` is the group of corruptions listed singly; choose another name"
            )
        if severities == []:
            self.problems.append(f"{item.mark}: `severities` is empty")
        if (corruptions is None) == (set_node is None):
            self.problems.append(f"{item.mark}: give either `set` (a named set) or `corruptions` (a list)")
        elif set_node is not None:
            self._add_name(set_node, set_node.text, severities, name.text if name else None)
        elif corruptions is not None:
            if not corruptions.items():
                self.problems.append(f"{corruptions.mark}: `corruptions` is empty")
            for node in corruptions.items():
                self._add_name(node, node.text, severities, name.text if name else None)

    def _add_name(self, node: Node, text: str, severities: Sequence[int] | None, group: str | None) -> None:
        spec = self.host.find(text, *_KINDS)
        if spec is None:
            stem, dash, level = text.rpartition("-")
            if stem == CLEAN.name and dash:
                self.problems.append(f"{node.mark}: `{CLEAN.name}` has no severities; write `{CLEAN.name}`")
                return
            spec = self.host.find(stem, *_KINDS) if dash and re.fullmatch("[0-9]{1,3}", level) else None
            if spec is None:
                names = [*self.host.names(*_KINDS), CLEAN.name]
                names += [f"{name}-{level}" for name in names] if re.fullmatch("[0-9]{1,3}", level) else []
                unknown = self.host.unknown_message(text, *_KINDS)
                self.problems.append(f"{node.mark}: {unknown.split('(')[0].rstrip()}{nearest(text, names)}")
                return
            severities = [int(level)]
        if isinstance(spec, ConditionSet):
            for name in spec.corruptions:
                member = self.host.find(name, CorruptionSpec)
                if member is None:
                    self.problems.append(
                        f"{node.mark}: set `{spec.name}` needs corruption `{name}`, which no plugin offers"
                    )
                else:
                    self._add_corruption(node, member, severities or spec.severities, group or spec.name)
        elif isinstance(spec, CorruptionSpec):
            self._add_corruption(node, spec, severities or spec.severities, group or LISTED)
        elif isinstance(spec, MixtureSpec):
            self._add_mixture(node, spec, severities or spec.severities)

    def _add_corruption(self, node: Node, spec: CorruptionSpec, severities: Sequence[int], group: str) -> None:
        if spec.unavailable:
            self.problems.append(Missing(f"{node.mark}: `{spec.name}` cannot be used: {spec.unavailable}"))
        for severity in severities:
            if severity not in spec.severities:
                self.problems.append(
                    f"{node.mark}: `{spec.name}` has no severity {severity}; it has {', '.join(map(str, spec.severities))}"
                )
                continue
            name = f"{slug(spec.name)}-{severity}"
            tags = tuple(dict.fromkeys((*spec.tags, *([spec.category] if spec.category else []), slug(spec.name))))
            self.conditions.setdefault(
                name, Condition(name, spec.name, severity, spec.category or None, False, spec.version, tags)
            )
            self.groups.setdefault(group, []).append(name)

    def _add_mixture(self, node: Node, spec: MixtureSpec, severities: Sequence[int]) -> None:
        for name in dict.fromkeys(name for stage in spec.stages for name in stage):
            member = self.host.find(name, CorruptionSpec)
            if member is None:
                self.problems.append(f"{node.mark}: mixture `{spec.name}` needs `{name}`, which no plugin offers")
                continue
            if member.unavailable:
                message = f"{node.mark}: `{name}` of mixture `{spec.name}` cannot be used: {member.unavailable}"
                self.problems.append(Missing(message))
            for severity in severities:
                if severity not in member.severities:
                    self.problems.append(f"{node.mark}: `{name}` of mixture `{spec.name}` has no severity {severity}")
        version = version_of(spec, self.host)
        for severity in severities:
            name = f"{slug(spec.name)}-{severity}"
            self.conditions.setdefault(
                name, Condition(name, spec.name, severity, None, True, version, (*spec.tags, slug(spec.name)))
            )
