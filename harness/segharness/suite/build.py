"""A checked tree of nodes -> a `Suite`: names are looked up, conditions expanded, paths made absolute."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from segharness.errors import PluginError, nearest
from segharness.plugin.host import PluginHost
from segharness.plugin.packages import packaged
from segharness.plugin.specs import ModelSet, ModelSpec, Needs, slug
from segharness.plugin.weights import is_name, problem_together, problem_with
from segharness.records import Condition
from segharness.suite.conditions import expand_conditions
from segharness.suite.datasets import DatasetBuilder
from segharness.suite.local import check_local_model, exists, local_reference
from segharness.suite.options import OptionReader, path_of
from segharness.suite.schema import ID
from segharness.suite.scoring import ScoringBuilder, items, mapping
from segharness.suite.source import Node, Variables
from segharness.suite.suite import (
    ConditionGroup,
    DatasetEntry,
    Group,
    ModelEntry,
    StoredReference,
    Suite,
)
from segharness.user.config import settings


def build(
    root: Node,
    shown: str,
    file: Path,
    host: PluginHost,
    problems: list[str],
    written: Collection[str],
    variables: Variables,
) -> Suite:
    """Return the suite that a checked tree describes; unknown names and missing files are appended to `problems`.

    Args:
        root: what `segharness.suite.check.check` left of a tree.
        shown: the suite's path as the user wrote it; the first part of node ids.
        file: the suite's file.
        host: the plugins whose names the suite may use.
        problems: messages, each with its place; where there are some already, what follows from them is not said again.
        written: the keys at the top of the suite, also those whose values were dropped.
        variables: that options have values of which the suite does not give.
    """
    return _Builder(root, host, problems, written, variables).suite(shown, file)


def build_dataset(node: Node, host: PluginHost, problems: list[str], variables: Variables) -> DatasetEntry | None:
    """Return the data set that a checked node of ``datasets:`` describes, outside of a suite."""
    options = OptionReader(problems, not problems)
    return next(DatasetBuilder(host, problems, options, variables).entries([node], None), None)


class _Builder:
    def __init__(
        self, root: Node, host: PluginHost, problems: list[str], written: Collection[str], variables: Variables
    ) -> None:
        self.root, self.host, self.problems, self.written = root, host, problems, written
        self.whole = not problems
        self.options = OptionReader(problems, self.whole)
        self.builder = DatasetBuilder(host, problems, self.options, variables)
        self.models: list[ModelEntry] = []
        self.datasets: list[DatasetEntry] = []

    def suite(self, shown: str, file: Path) -> Suite:
        self._requires()
        self.datasets = list(self.builder.entries(self._list("datasets"), self._number("limit")))
        groups = self._groups()
        conditions, condition_groups = self._conditions()
        scoring = ScoringBuilder(self.root, self.host, self.problems, self.whole, [d.id for d in self.datasets])
        name = self._text("name") or re.sub(r"[^a-z0-9._-]", "-", file.stem.lower())
        return Suite(
            path=shown,
            name=name,
            description=self._text("description"),
            seed=self._number("seed") or 0,
            models=tuple(self.models),
            groups=tuple(groups),
            datasets=tuple(self.datasets),
            conditions=conditions,
            condition_groups=condition_groups,
            scoring=scoring.scoring(),
            shifts=tuple(scoring.shifts(conditions)),
            report=tuple(scoring.views()),
        )

    # ------------------------------------------------------------------------------------------------ small things

    def _complain(self, node: Node, message: str) -> None:
        self.problems.append(f"{node.mark}: {message}")

    def _list(self, key: str) -> list[Node]:
        node = self.root.get(key)
        if node is not None and not node.items() and self.whole:
            self._complain(node, f"`{key}` is empty")
        return node.items() if node else []

    def _text(self, key: str) -> str:
        node = self.root.get(key)
        return node.text if node else ""

    def _number(self, key: str) -> int | None:
        found = self.root.get(key)
        return int(found.plain()) if found else None

    def _requires(self) -> None:
        for node in self._list("requires") if self.root.get("requires") else []:
            try:
                wanted = Requirement(node.text)
            except InvalidRequirement as error:
                self._complain(node, f"`{node.text}` is not a PEP 508 requirement: {str(error).splitlines()[0]}")
                continue
            if wanted.marker and not wanted.marker.evaluate():
                continue
            try:
                installed = importlib.metadata.version(wanted.name)
            except importlib.metadata.PackageNotFoundError:
                self._complain(node, f"{wanted.name} is not installed: pip install '{node.text}'")
                continue
            if not wanted.specifier.contains(installed, prereleases=True):
                self._complain(
                    node, f"{wanted.name} {installed} is installed, not {wanted.specifier}: pip install '{node.text}'"
                )

    # ------------------------------------------------------------------------------------------- models and groups

    def _groups(self) -> list[Group]:
        groups_node = self.root.get("groups")
        if groups_node is not None:
            for key in ("models", "reference"):
                if (extra := self.root.get(key)) is not None:
                    self._complain(extra, f"`{key}` stands beside `groups`; put it into one of the groups")
            return [self._group(node, node.get("name")) for node in self._list("groups")]
        if self.root.get("models") is None:
            if not {"models", "groups"} & set(self.written) and self.whole:
                self._complain(self.root, "no models: give `models`, `groups`, or --model NAME")
            return []
        return [self._group(self.root, None)]

    def _group(self, node: Node, title: Node | None) -> Group:
        models = node.get("models")
        if models is not None and not models.items() and self.whole:
            self._complain(models, "`models` is empty")
        ids: list[str] = []
        complete = True
        for item, owner, entry in self._entries(models):
            if entry is None:
                complete = False
                continue
            taken = next((m for m in self.models if m.id == entry.id), None)
            if taken is None:
                self.models.append(entry)
            elif owner is not None and taken == entry:  # two sets may share a model
                if entry.id in ids:
                    continue
            elif taken != entry or entry.id in ids:
                advice = "" if owner is None else f", or name the models of `{owner}` that you want one by one"
                complete = False
                self._complain(item, f"two models have the id `{entry.id}`; give one another `id:`{advice}")
                continue
            ids.append(entry.id)
        reference = self._reference(node.get("reference"), ids, complete and self.whole)
        return Group(title.text if title else "models", tuple(ids), reference)

    def _entries(self, models: Node | None) -> Iterator[tuple[Node, str | None, ModelEntry | None]]:
        """Yield the models of a list, and the set that each is of; what is wrong with all of a set is said once."""
        for item in models.items() if models else []:
            name = item.get("model") if isinstance(item.value, dict) else item
            found = self.host.find(name.text, ModelSet) if name is not None else None
            if name is None or found is None:
                yield item, None, self._model(item)
                continue
            top = dict(item.value) if isinstance(item.value, dict) else {}
            if (given := top.get("id")) is not None:
                self._complain(given, f"`{found.name}` is a set of models, which have ids of their own")
            start = len(self.problems)
            members: list[tuple[Node, ModelEntry | None]] = []
            said: list[list[str]] = []
            for id, model in found.models.items():
                one = {"model": replace(name, value=model, text=model), "id": replace(name, value=id, text=id)}
                before, node = len(self.problems), Node({**top, **one}, item.mark)
                members.append((node, self._model(node)))
                said.append(self.problems[before:])
            self.problems[start:] = _of_set(found, said)
            yield from ((node, found.name, entry) for node, entry in members)

    def _reference(self, node: Node | None, ids: list[str], complete: bool) -> str | StoredReference | None:
        if node is None:
            return None
        if isinstance(node.value, dict):
            results = node.get("results")
            assert results is not None
            path = path_of(results)
            if not path.is_file():
                self._complain(results, f"no file {path}")
            model = node.get("model")
            return StoredReference(str(path), model.text if model else None)
        if node.text not in ids and complete:
            self._complain(node, f"the reference `{node.text}` is not among the models{nearest(node.text, ids)}")
        return node.text

    def _with_tail(self, node: Node) -> Node:
        """Return a model's node, with the option that the rest of its name gives where its plugin takes one so."""
        name = node.get("model") if isinstance(node.value, dict) else node
        assert name is not None
        stem, slash, tail = name.text.partition("/")
        spec = self.host.find(stem, ModelSpec)
        if not slash or spec is None or spec.tail is None or self.host.find(name.text, ModelSpec) is not None:
            return node
        top = dict(node.value) if isinstance(node.value, dict) else {}
        given = replace(name, value=tail, text=tail)
        top["model"] = replace(name, value=stem, text=stem)
        top["options"] = Node({**mapping(node.get("options")), spec.tail: given}, name.mark, name.key_mark)
        if "id" not in top and re.fullmatch(ID, id := Path(tail).name.lower()):
            top["id"] = replace(name, value=id, text=id)
        return replace(node, value=top)

    def _model(self, node: Node) -> ModelEntry | None:
        before = len(self.problems)
        node = self._with_tail(node)
        name_node = node.get("model") if isinstance(node.value, dict) else node
        assert name_node is not None
        given = [mapping(node.get("options")), *(mapping(v) for v in mapping(node.get("options_for")).values())]
        for dataset, value in mapping(node.get("options_for")).items():
            known = [d.id for d in self.datasets]
            if dataset not in known and known and self.whole:
                self.problems.append(
                    f"{value.key_mark}: no data set `{dataset}` in this suite{nearest(dataset, known)}"
                )
        id_node = node.get("id")
        local, spec = local_reference(name_node.text), None
        model, derived = name_node.text, slug(name_node.text)
        if local is not None:
            file = path_of(name_node, local[0])
            model, derived = f"{file}:{local[1]}", ""
            values = [{key: value.plain() for key, value in options.items()} for options in given]
            if (message := check_local_model(file, local[1], set().union(*given))) is not None:
                self._complain(name_node, message)
            if id_node is None:
                self._complain(name_node, f"`{name_node.text}` needs an `id:` for node ids and tables")
        elif (spec := self.host.find(name_node.text, ModelSpec)) is None:
            self._complain(name_node, self.host.unknown(name_node.text, ModelSpec, ModelSet))
            return None
        else:
            values = self.options.read(node, f"model `{spec.name}`", spec.options, given)
            self._check_weights(node, spec)
        weights = self._weights(node.get("weights"), spec)
        if spec is not None and len(self.problems) == before and self.whole:
            self._check_together(node, spec, weights, values)
        python = self._python(node.get("python"), spec)
        foreign = self._foreign(node, local, spec, python)
        wanted = dict(needs.plain()) if (needs := node.get("needs")) is not None else {}
        if needs is not None and (problem := Needs(**wanted).problem()) is not None:
            self._complain(needs, f"`needs`: {problem}")
        return ModelEntry(
            id=id_node.text if id_node else derived,
            model=model,
            options=values[0],
            options_for=dict(zip(mapping(node.get("options_for")), values[1:], strict=True)),
            weights=weights,
            python=python,
            batch_size=size.plain() if (size := node.get("batch_size")) is not None else 1,
            tags=tuple(tag.text for tag in items(node.get("tags"))),
            foreign=foreign,
            needs=wanted,
        )

    def _python(self, node: Node | None, spec: ModelSpec | None) -> str | None:
        """Return the interpreter that a suite names or, for a framework's models, the user's settings."""
        if node is not None or spec is None or spec.foreign is None or spec.imports is None:
            return self._file(node)
        return settings().get(f"python.{spec.imports}")

    def _foreign(self, node: Node, local: object, spec: ModelSpec | None, python: str | None) -> str | None:
        """Return the file and function that `python:` runs of a plugin's model; complain where that does not fit."""
        if local is not None or spec is None:
            return None
        if python is None:
            if spec.factory is None and self.whole:
                self._complain(
                    node, f"model `{spec.name}` needs `python:`, the interpreter of the environment it lives in"
                )
            return None
        if spec.foreign is None:
            self._complain(
                node.get("python") or node,
                f"model `{spec.name}` runs in this environment; `python:` needs a model of the form "
                "`./file.py:function`, or a plugin's that offers one",
            )
            return None
        file, _, function = spec.foreign.rpartition(":")
        try:
            path = packaged(file, f"ModelSpec `{spec.name}`: foreign")
        except PluginError as error:
            self._complain(node, str(error))
            return None
        if not path.is_file():
            self._complain(node, f"ModelSpec `{spec.name}`: foreign: no file {path}; install its plugin again")
        return f"{path}:{function}"

    def _weights(self, node: Node | None, spec: ModelSpec | None) -> str | None:
        """Return the path of a weights file, or a name that the model knows."""
        if node is None or spec is None or not (spec.weights_names or spec.weights_pattern):
            return self._file(node)
        path, names = path_of(node), spec.weights_names
        if node.text in names:
            return node.text
        if exists(path) and (path.is_file() or spec.weights_pattern is not None):
            return str(path)
        if is_name(spec, node.text):
            return node.text
        known = [*names, *([spec.weights_form or spec.weights_pattern] if spec.weights_pattern else [])]
        meant = nearest(node.text, names, listed=False)
        self._complain(node, f"{_no_file(path)}, and not {' or '.join(known)}{meant}")
        return None

    def _check_together(self, node: Node, spec: ModelSpec, weights: str | None, values: list[dict[str, Any]]) -> None:
        """Complain of what a spec's own check finds, on data sets with other options, too."""
        first, *others = values
        found = (problem_together(spec, weights, {**first, **one}) for one in ({}, *others))
        for problem in dict.fromkeys(found):
            if problem is not None:
                self._complain(node.get("weights") or node, f"model `{spec.name}`: {problem}")

    def _check_weights(self, node: Node, spec: ModelSpec) -> None:
        given = node.get("weights")
        if given is None and spec.weights == "required" and self.whole:
            names = "".join(f", or {name}" for name in spec.weights_names)
            self._complain(node, f"model `{spec.name}` needs `weights:`, a file{names}")
        if given is not None and spec.weights == "none":
            self._complain(given, f"model `{spec.name}` takes no `weights`")
            return
        path = path_of(given) if given else None
        if path is None or (exists(path) and path.is_file()):
            problem = problem_with(spec, str(path) if path else None)
            if problem is not None:
                self._complain(given or node, problem)

    # ------------------------------------------------------------------------------------------------------- files

    def _file(self, node: Node | None) -> str | None:
        if node is None:
            return None
        path = path_of(node)
        if not exists(path) or not path.is_file():
            self._complain(node, _no_file(path))
        return str(path)

    # ------------------------------------------------------------------------------------- conditions and scoring

    def _conditions(self) -> tuple[tuple[Condition, ...], tuple[ConditionGroup, ...]]:
        node = self.root.get("conditions")
        if node is None:
            return (), ()
        return expand_conditions(node, self.host, self.problems)


def _no_file(path: Path) -> str:
    return f"{path} is a folder, not a file" if exists(path) else f"no file {path}"


def _of_set(found: ModelSet, said: list[list[str]]) -> list[str]:
    """Return the problems of a set's models, those that all of them have once and of the set."""
    renamed = [
        [problem.replace(f"`{model}`", f"`{found.name}`") for problem in problems]
        for model, problems in zip(found.models.values(), said, strict=True)
    ]
    shared = set(renamed[0]).intersection(*renamed[1:])
    own = [one for before, after in zip(said, renamed, strict=True) for one, two in zip(before, after, strict=True)
           if two not in shared]  # fmt: skip
    return [*(problem for problem in renamed[0] if problem in shared), *own]
