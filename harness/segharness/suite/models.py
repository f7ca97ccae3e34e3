"""The models of a suite: looks names up, reads options, checks weights and interpreters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from segharness.errors import PluginError, nearest
from segharness.plugin.facts import MOST, OF_TRAINING, facts_of, is_fact
from segharness.plugin.host import PluginHost
from segharness.plugin.model_specs import RESOLUTIONS
from segharness.plugin.packaged_file import packaged_file
from segharness.plugin.specs import ModelSet, ModelSpec, Needs, slug
from segharness.plugin.weights import RANDOM, is_weights_name, options_problem, weights_problem
from segharness.suite.local_functions import check_local_model, exists, local_reference, takes_resolution
from segharness.suite.missing import Missing
from segharness.suite.plugin_options import OptionReader, as_written, path_of
from segharness.suite.schema import ID
from segharness.suite.suite import AS_PUBLISHED, ModelEntry
from segharness.suite.yaml_parser import Node, items, mapping
from segharness.user.config import settings


class ModelBuilder:
    """Builds entries from the checked items of ``models:``.

    Args:
        host: the plugins that offer models.
        problems: messages; every mistake is appended.
        intact: whether the tree is as it was written. If parts were dropped, mistakes that may only follow from that
            are not reported.
        options: reads the options of models.
        datasets: the ids of the suite's data sets, for ``options_for``.
    """

    def __init__(
        self, host: PluginHost, problems: list[str], intact: bool, options: OptionReader, datasets: Sequence[str]
    ) -> None:
        self._host, self._problems, self._intact, self._options = host, problems, intact, options
        self._datasets = datasets

    def entries(self, models: Node | None) -> Iterator[tuple[Node, str | None, ModelEntry | None]]:
        """Yield the node, the model set and the entry of every model of a list.

        The model set is None for a model that is named itself; the entry is None if the model is unknown. A problem
        that all models of a set have is reported once.
        """
        for item in models.items() if models else []:
            name = item.get("model") if isinstance(item.value, dict) else item
            model_set = self._host.find(name.text, ModelSet) if name is not None else None
            if name is None or model_set is None:
                yield item, None, self._model(item)
                continue
            top = dict(item.value) if isinstance(item.value, dict) else {}
            if (set_id := top.get("id")) is not None:
                self._complain(set_id, f"`{model_set.name}` is a set of models; each of them has its own id")
            start = len(self._problems)
            members: list[tuple[Node, ModelEntry | None]] = []
            problems_of_members: list[list[str]] = []
            for id, model in model_set.models.items():
                replaced = {"model": replace(name, value=model, text=model), "id": replace(name, value=id, text=id)}
                before, node = len(self._problems), Node({**top, **replaced}, item.mark)
                members.append((node, self._model(node)))
                problems_of_members.append(self._problems[before:])
            self._problems[start:] = _merged(model_set, problems_of_members)
            yield from ((node, model_set.name, entry) for node, entry in members)

    def _complain(self, node: Node, message: str) -> None:
        self._problems.append(f"{node.mark}: {message}")

    def _lack(self, node: Node, message: str) -> None:
        self._problems.append(Missing(f"{node.mark}: {message}"))

    def _with_tail(self, node: Node) -> Node:
        """Return a model's node; if the plugin reads an option from the name's tail, move the tail to the options."""
        name = node.get("model") if isinstance(node.value, dict) else node
        assert name is not None
        stem, slash, tail = name.text.partition("/")
        spec = self._host.find(stem, ModelSpec)
        if not slash or spec is None or spec.tail is None or self._host.find(name.text, ModelSpec) is not None:
            return node
        top = dict(node.value) if isinstance(node.value, dict) else {}
        tail_node = replace(name, value=tail, text=tail)
        top["model"] = replace(name, value=stem, text=stem)
        top["options"] = Node({**mapping(node.get("options")), spec.tail: tail_node}, name.mark, name.key_mark)
        if "id" not in top and re.fullmatch(ID, id := Path(tail).name.lower()):
            top["id"] = replace(name, value=id, text=id)
        return replace(node, value=top)

    def _model(self, node: Node) -> ModelEntry | None:
        problems_before = len(self._problems)
        node = self._with_tail(node)
        name_node = node.get("model") if isinstance(node.value, dict) else node
        assert name_node is not None
        option_nodes = [mapping(node.get("options")), *(mapping(v) for v in mapping(node.get("options_for")).values())]
        for dataset, value in mapping(node.get("options_for")).items():
            if dataset not in self._datasets and self._datasets and self._intact:
                self._problems.append(
                    f"{value.key_mark}: no data set `{dataset}` in this suite{nearest(dataset, self._datasets)}"
                )
        id_node = node.get("id")
        local, spec = local_reference(name_node.text), None
        model, derived_id = name_node.text, slug(name_node.text)
        if local is not None:
            file = path_of(name_node, local[0])
            model, derived_id = f"{file}:{local[1]}", ""
            options = [{key: value.plain() for key, value in nodes.items()} for nodes in option_nodes]
            if (message := check_local_model(file, local[1], set().union(*option_nodes))) is not None:
                self._complain(name_node, message)
            if id_node is None:
                self._complain(name_node, f"`{name_node.text}` needs an `id:` for node ids and tables")
        elif (spec := self._host.find(name_node.text, ModelSpec)) is None:
            self._complain(name_node, self._host.unknown_message(name_node.text, ModelSpec, ModelSet))
            return None
        else:
            options = self._options.read(node, f"model `{spec.name}`", spec.options, option_nodes)
            self._check_weights(node, spec)
        weights = self._weights(node.get("weights"), spec)
        if spec is not None and len(self._problems) == problems_before and self._intact:
            self._check_together(node, spec, weights, options)
        python = self._python(node.get("python"), spec)
        foreign = self._foreign(node, local, spec, python)
        needs = dict(needs_node.plain()) if (needs_node := node.get("needs")) is not None else {}
        if needs_node is not None and (problem := Needs(**needs).problem()) is not None:
            self._complain(needs_node, f"`needs`: {problem}")
        return ModelEntry(
            id=id_node.text if id_node else derived_id,
            model=model,
            options=options[0],
            options_for=dict(zip(mapping(node.get("options_for")), options[1:], strict=True)),
            weights=weights,
            python=python,
            batch_size=size.plain() if (size := node.get("batch_size")) is not None else 1,
            tags=tuple(tag.text for tag in items(node.get("tags"))),
            foreign=foreign,
            needs=needs,
            facts=self._facts(node.get("facts"), spec, weights),
            resolutions=self._resolutions(local, model, spec, set().union(*option_nodes)),
            as_written={**self._as_written(node, option_nodes), **as_written("facts", mapping(node.get("facts")))},
        )

    def _facts(self, node: Node | None, spec: ModelSpec | None, weights: str | None) -> dict[str, Any]:
        """Return the facts that a model's plugin declares, of its own weights alone those of training, and the suite's."""
        own = {key: child.plain() for key, child in mapping(node).items()}
        if node is not None and len(own) > MOST:
            self._complain(node, f"a model has at most {MOST} facts, not {len(own)}")
        for key, child in mapping(node).items():
            if not is_fact(key, own[key]):
                self._complain(child, f"the fact `{key}` must be a short text, a number, or true or false")
        declared = dict(spec.metadata) if spec is not None else {}
        of_plugin = weights is None or (spec is not None and is_weights_name(spec, weights) and weights != RANDOM)
        if not of_plugin:
            declared = {key: value for key, value in declared.items() if key not in OF_TRAINING}
        return facts_of(declared, own)

    @staticmethod
    def _resolutions(local: object, model: str, spec: ModelSpec | None, options: set[str]) -> tuple[str, ...]:
        """Return the sizes at which a model can be given images; a local one says so by a parameter ``resolution``."""
        if spec is not None:
            return RESOLUTIONS if spec.stored else tuple(spec.resolutions)
        file, _, function = model.rpartition(":")
        takes = local is not None and "resolution" not in options and takes_resolution(Path(file), function)
        return RESOLUTIONS if takes else (AS_PUBLISHED,)

    @staticmethod
    def _as_written(node: Node, options: Sequence[Mapping[str, Node]]) -> dict[str, Any]:
        """Return what the value of a variable went into, as `ModelEntry` has it; `options` are general, then special."""
        scalars = {key: child for key in ("model", "weights", "python") if (child := node.get(key)) is not None}
        written = {key: child.written for key, child in scalars.items() if child.written}
        written |= as_written("options", options[0])
        for dataset, special in zip(mapping(node.get("options_for")), options[1:], strict=True):
            written |= as_written(f"options_for.{dataset}", special)
        return written

    # -------------------------------------------------------------------------------------------- other interpreters

    def _python(self, node: Node | None, spec: ModelSpec | None) -> str | None:
        """Return the interpreter that the suite names or, for models of a framework, that the user's settings name."""
        if node is not None or spec is None or spec.foreign is None or spec.imports is None:
            return self._file(node)
        return settings().get(f"python.{spec.imports}")

    def _foreign(self, node: Node, local: object, spec: ModelSpec | None, python: str | None) -> str | None:
        """Return the file and function of a plugin's model that `python:` runs; None if it runs in this environment."""
        if local is not None or spec is None:
            return None
        if python is None:
            if spec.factory is None and self._intact:
                needs = f"model `{spec.name}` needs `python:`, the interpreter of the environment it is installed in"
                self._lack(node, needs)
            return None
        if spec.foreign is None:
            self._complain(
                node.get("python") or node,
                f"model `{spec.name}` runs in this environment; `python:` needs a model of the form "
                "`./file.py:function`, or a plugin's model that can run in another environment",
            )
            return None
        file, _, function = spec.foreign.build.rpartition(":")
        try:
            path = packaged_file(file, f"ModelSpec `{spec.name}`: foreign")
        except PluginError as error:
            self._complain(node, str(error))
            return None
        if not path.is_file():
            self._complain(node, f"ModelSpec `{spec.name}`: foreign: no file {path}; install its plugin again")
        return f"{path}:{function}"

    # ------------------------------------------------------------------------------------------------------ weights

    def _weights(self, node: Node | None, spec: ModelSpec | None) -> str | None:
        """Return the path of a weights file, or the name of weights that the model knows."""
        if node is None or spec is None or not (spec.weights.names or spec.weights.pattern):
            return self._file(node)
        path, names = path_of(node), spec.weights.names
        if node.text in names:
            return node.text
        if exists(path) and (path.is_file() or spec.weights.pattern is not None):
            return str(path)
        if is_weights_name(spec, node.text):
            return node.text
        accepted = [*names, *([spec.weights.pattern_text or spec.weights.pattern] if spec.weights.pattern else [])]
        hint = nearest(node.text, names, listed=False)
        message = f"{_no_file(path)}, and not {' or '.join(accepted)}{hint}"
        if node.expanded or "/" in node.text or path.suffix:  # a path rather than a misspelt name
            self._lack(node, message)
        else:
            self._complain(node, message)
        return None

    def _check_together(self, node: Node, spec: ModelSpec, weights: str | None, options: list[dict[str, Any]]) -> None:
        """Run the spec's own check of weights and options, with the general options and with those of each data set."""
        general, *dataset_options = options
        problems = (options_problem(spec, weights, {**general, **special}) for special in ({}, *dataset_options))
        for problem in dict.fromkeys(problems):
            if problem is not None:
                self._complain(node.get("weights") or node, f"model `{spec.name}`: {problem}")

    def _check_weights(self, node: Node, spec: ModelSpec) -> None:
        weights = node.get("weights")
        if weights is None and spec.weights.use == "required" and self._intact:
            names = "".join(f", or {name}" for name in spec.weights.names)
            self._complain(node, f"model `{spec.name}` needs `weights:`, a file{names}")
        if weights is not None and spec.weights.use == "none":
            self._complain(weights, f"model `{spec.name}` takes no `weights`")
            return
        path = path_of(weights) if weights else None
        if path is None or (exists(path) and path.is_file()):
            problem = weights_problem(spec, str(path) if path else None)
            if problem is not None:
                self._complain(weights or node, problem)

    def _file(self, node: Node | None) -> str | None:
        if node is None:
            return None
        path = path_of(node)
        if not exists(path):
            self._lack(node, _no_file(path))
        elif not path.is_file():
            self._complain(node, _no_file(path))
        return str(path)


def _no_file(path: Path) -> str:
    return f"{path} is a folder, not a file" if exists(path) else f"no file {path}"


def _merged(model_set: ModelSet, problems: list[list[str]]) -> list[str]:
    """Return the problems of a set's models. Those that all models share come first, once, with the set's name."""
    renamed = [
        [type(problem)(problem.replace(f"`{model}`", f"`{model_set.name}`")) for problem in model_problems]
        for model, model_problems in zip(model_set.models.values(), problems, strict=True)
    ]
    shared = set(renamed[0]).intersection(*renamed[1:])
    single = [
        problem
        for model_problems, renamed_problems in zip(problems, renamed, strict=True)
        for problem, renamed_problem in zip(model_problems, renamed_problems, strict=True)
        if renamed_problem not in shared
    ]
    return [*(problem for problem in renamed[0] if problem in shared), *single]
