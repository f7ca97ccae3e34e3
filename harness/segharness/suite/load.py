"""The one way from a suite file (and what the command line replaces in it) to a `Suite`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segharness.errors import SuiteError
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import slug
from segharness.suite.build import build
from segharness.suite.check import check
from segharness.suite.extends import load_merged
from segharness.suite.mark import Mark
from segharness.suite.nodes import Node, scalar
from segharness.suite.schema import SUITE
from segharness.suite.suite import Suite
from segharness.suite.variables import Variables


@dataclass(frozen=True)
class Overrides:
    """What replaces parts of a suite: ``--model``, ``--dataset``, ``--reference``, ``--limit``.

    A model or data set is ``NAME[,id=ID][,KEY=VALUE...]``, of data sets also ``labels.NAME=POLICY``. A reference is a
    model's id or ``results.arrow[::MODEL]``, with ``GROUP=`` in front where the suite has groups.
    """

    models: Sequence[str] = ()
    datasets: Sequence[str] = ()
    references: Sequence[str] = ()
    limit: int | None = None


@dataclass
class LoadedSuite:
    """A suite with what loading it had to say."""

    suite: Suite
    file: Path
    notes: list[str] = field(default_factory=list)


def load_suite(
    file: Path,
    host: PluginHost,
    *,
    shown: str | None = None,
    variables: Variables | None = None,
    overrides: Overrides | None = None,
) -> LoadedSuite:
    """Read, check and resolve a suite file.

    Raises:
        SuiteError: with all the mistakes found, one line each.
    """
    shown = shown or str(file)
    problems: list[str] = []
    variables = variables or Variables.everywhere()
    root = load_merged(file, shown, variables, problems)
    notes: list[str] = []
    if root is not None and overrides is not None:
        root = _override(root, overrides, notes, problems)
    if root is None:
        raise SuiteError(problems)
    unread = bool(problems)  # a base that could not be read may have had what seems to be missing
    checked = check(root, SUITE, problems)
    if unread:
        problems[:] = [problem for problem in problems if " is missing: " not in problem]
    if checked is None:
        raise SuiteError(dict.fromkeys(problems))
    written = root.value if isinstance(root.value, dict) else {}
    suite = build(checked, shown, file, host, problems, written, variables)
    if problems:
        raise SuiteError(dict.fromkeys(problems))
    return LoadedSuite(suite, file, notes)


def _override(root: Node, overrides: Overrides, notes: list[str], problems: list[str]) -> Node:
    assert isinstance(root.value, dict)
    value = dict(root.value)
    if overrides.models:
        old = value.pop("reference", None)
        value.pop("groups", None)
        nodes = [entry("--model", "model", text, problems) for text in overrides.models]
        value["models"] = Node(nodes, Mark("--model", 0, 0))
        kept = old is not None and (isinstance(old.value, dict) or old.text in [_id_of(n, "model") for n in nodes])
        if old is not None and kept:
            value["reference"] = old
        elif not overrides.references:
            notes.append("no reference among the models given: CD and rCD are null; give --reference ID")
    if overrides.datasets:
        nodes = [entry("--dataset", "dataset", text, problems) for text in overrides.datasets]
        value["datasets"] = Node(nodes, Mark("--dataset", 0, 0))
    if overrides.limit is not None:
        value["limit"] = scalar(str(overrides.limit), Mark("--limit", 0, 0))
        if (datasets := value.get("datasets")) is not None:
            value["datasets"] = Node([_without_limit(n) for n in datasets.items()], datasets.mark, datasets.key_mark)
    for text in overrides.references:
        _reference(value, text, problems)
    return Node(value, root.mark)


def _without_limit(node: Node) -> Node:
    if not isinstance(node.value, dict):
        return node
    return Node({key: item for key, item in node.value.items() if key != "limit"}, node.mark, node.key_mark)


def _reference(value: dict[str, Node], text: str, problems: list[str]) -> None:
    mark = Mark("--reference", 0, 0)
    group_name, equals, rest = text.partition("=")
    if not equals:
        group_name, rest = "", text
    results, _, model = rest.partition("::")
    node = scalar(rest, mark)
    if results.endswith(".arrow"):
        node = Node({"results": scalar(results, mark), **({"model": scalar(model, mark)} if model else {})}, mark)
    groups = value.get("groups")
    if groups is None:
        value["reference"] = node
        return
    found = [
        Node({**item.value, "reference": node}, item.mark)
        if isinstance(item.value, dict) and _names(item, group_name)
        else item
        for item in groups.items()
    ]
    if found == groups.items():
        problems.append(f"--reference {text}: the suite has groups; write GROUP={rest} with one of its names")
    value["groups"] = Node(found, groups.mark, groups.key_mark)


def _names(group: Node, name: str) -> bool:
    found = group.get("name")
    return found is not None and found.text == name


def entry(flag: str, kind: str, text: str, problems: list[str], more: Mapping[str, str] | None = None) -> Node:
    """Turn ``NAME,id=x,key=value``, and the options of `more`, into the node that a suite would have."""
    mark = Mark(flag, 0, 0)
    name, *settings = text.split(",")
    top: dict[str, Node] = {kind: scalar(name, mark)}
    options: dict[str, Node] = {key: scalar(value, mark) for key, value in (more or {}).items()}
    labels: dict[str, Node] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            problems.append(f"{flag} {text}: `{setting}` is not KEY=VALUE")
            continue
        place = top if key in _TOP[kind] else options
        if kind == "dataset" and key.startswith("labels."):
            labels[key.removeprefix("labels.")] = scalar(value, mark)
            continue
        place[key] = scalar(value, mark)
    for key, found in (("options", options), ("labels", labels)):
        if found:
            top[key] = Node(found, mark)
    return Node(top, mark) if len(top) > 1 else top[kind]


_TOP = {"model": ("id", "weights", "python", "batch_size"), "dataset": ("id", "limit", "categories")}
"""What of the settings on the command line is no option."""


def _id_of(node: Node, kind: str) -> str:
    found = node.get("id")
    if found is not None:
        return found.text
    name = node.get(kind) or node
    return slug(name.text)
