"""Loads a suite file into a `Suite`, with the parts that the command line replaces."""

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
from segharness.suite.missing import split
from segharness.suite.schema import SUITE
from segharness.suite.suite import Suite
from segharness.suite.variables import Variables
from segharness.suite.yaml_parser import Node, scalar


@dataclass(frozen=True)
class Overrides:
    """The values of ``--model``, ``--dataset``, ``--reference`` and ``--limit``, which replace parts of a suite.

    Attributes:
        models: ``NAME[,id=ID][,KEY=VALUE...]``.
        datasets: ``NAME[,id=ID][,KEY=VALUE...]``; a KEY may be ``labels.NAME``.
        references: a model's id or ``results.arrow[::MODEL]``, with ``GROUP=`` in front if the suite has groups.
        limit: the number of images to take from the beginning of every data set.
        model_object: whether an object takes the place of the suite's models, which are then not read.
    """

    models: Sequence[str] = ()
    datasets: Sequence[str] = ()
    references: Sequence[str] = ()
    limit: int | None = None
    model_object: bool = False


@dataclass
class LoadedSuite:
    """A suite, its file, the notes that loading made for the user, and what this machine lacks, a line each."""

    suite: Suite
    file: Path
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def load_suite(
    file: Path,
    host: PluginHost,
    *,
    shown: str | None = None,
    variables: Variables | None = None,
    overrides: Overrides | None = None,
    only_plan: bool = False,
) -> LoadedSuite:
    """Read, check and resolve a suite file.

    Args:
        file: the suite's file.
        host: the plugins whose names the suite may use.
        shown: the path to show in messages and node ids; `file` by default.
        variables: the values of ``${NAME}``; by default those of the environment and of the user's settings.
        overrides: the parts to replace.
        only_plan: whether the suite is loaded to be planned and not to be run. What this machine lacks, such as data
            and weights, is then no mistake.

    Raises:
        SuiteError: the suite has mistakes; the error lists all of them, one line each.
    """
    shown = shown or str(file)
    problems: list[str] = []
    variables = variables or Variables.of_process()
    root = load_merged(file, shown, variables, problems, host)
    notes: list[str] = []
    if root is not None and overrides is not None:
        root = _override(root, overrides, notes, problems)
    if root is None:
        raise SuiteError(problems)
    unread = bool(problems)  # a base that could not be read may hold the missing keys
    checked = check(root, SUITE, problems)
    if unread:
        problems[:] = [problem for problem in problems if " is missing: " not in problem]
    if checked is None:
        raise SuiteError(dict.fromkeys(problems))
    written = set(root.value) if isinstance(root.value, dict) else set()
    if overrides is not None and overrides.model_object:
        written.add("models")
    suite = build(checked, shown, file, host, problems, written, variables)
    mistakes, missing = split(problems)
    if mistakes or (missing and not only_plan):
        raise SuiteError(dict.fromkeys(problems))
    return LoadedSuite(suite, file, notes, missing)


def _override(root: Node, overrides: Overrides, notes: list[str], problems: list[str]) -> Node:
    assert isinstance(root.value, dict)
    value = dict(root.value)
    if overrides.models:
        reference = value.pop("reference", None)
        value.pop("groups", None)
        nodes = [node_of_argument("--model", "model", text, problems) for text in overrides.models]
        value["models"] = Node(nodes, Mark("--model", 0, 0))
        kept = reference is not None and (
            isinstance(reference.value, dict) or reference.text in [id_of(n, "model") for n in nodes]
        )
        if reference is not None and kept:
            value["reference"] = reference
        elif not overrides.references:
            notes.append("no reference among the models given: CD and rCD are null; give --reference ID")
    if overrides.model_object:
        value.pop("models", None)
        groups = value.pop("groups", None)
        references = [
            value.pop("reference", None),
            *(item.get("reference") for item in (groups.items() if groups else ())),
        ]
        stored = [node for node in references if node is not None and isinstance(node.value, dict)]
        if stored:
            value["reference"] = stored[0]
    if overrides.datasets:
        nodes = [node_of_argument("--dataset", "dataset", text, problems) for text in overrides.datasets]
        value["datasets"] = Node(nodes, Mark("--dataset", 0, 0))
    if overrides.limit is not None:
        value["limit"] = scalar(str(overrides.limit), Mark("--limit", 0, 0))
        if (datasets := value.get("datasets")) is not None:
            value["datasets"] = Node([_without_limit(n) for n in datasets.items()], datasets.mark, datasets.key_mark)
    for text in overrides.references:
        _override_reference(value, text, problems)
    return Node(value, root.mark)


def _without_limit(node: Node) -> Node:
    if not isinstance(node.value, dict):
        return node
    return Node({key: item for key, item in node.value.items() if key != "limit"}, node.mark, node.key_mark)


def _override_reference(value: dict[str, Node], text: str, problems: list[str]) -> None:
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
    replaced = [
        Node({**item.value, "reference": node}, item.mark)
        if isinstance(item.value, dict) and _has_name(item, group_name)
        else item
        for item in groups.items()
    ]
    if not any(_has_name(item, group_name) for item in groups.items()):
        problems.append(f"--reference {text}: the suite has groups; write GROUP={rest} with one of its names")
    value["groups"] = Node(replaced, groups.mark, groups.key_mark)


def _has_name(group: Node, name: str) -> bool:
    name_node = group.get("name")
    return name_node is not None and name_node.text == name


def node_of_argument(
    flag: str, kind: str, text: str, problems: list[str], more: Mapping[str, str] | None = None
) -> Node:
    """Return the node that a suite would have for ``NAME,id=x,key=value``.

    Args:
        flag: the flag that messages begin with.
        kind: ``model`` or ``dataset``.
        text: the value of the flag.
        problems: messages; every mistake is appended.
        more: further options, as texts; those in `text` win over them.
    """
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
        target = top if key in _TOP_KEYS[kind] else options
        if kind == "dataset" and key.startswith("labels."):
            labels[key.removeprefix("labels.")] = scalar(value, mark)
            continue
        target[key] = scalar(value, mark)
    for key, children in (("options", options), ("labels", labels)):
        if children:
            top[key] = Node(children, mark)
    return Node(top, mark) if len(top) > 1 else top[kind]


_TOP_KEYS = {
    "model": ("id", "weights", "python", "batch_size"),
    "dataset": ("id", "limit", "sample", "categories", "resolution"),
}
"""The settings on the command line that are not options of the plugin."""


def id_of(node: Node, kind: str) -> str:
    """Return the id that a model or data set of an argument has: the one given, or that of its name."""
    id_node = node.get("id")
    if id_node is not None:
        return id_node.text
    name = node.get(kind) or node
    return slug(name.text)
