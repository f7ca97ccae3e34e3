"""Reads the options of models and data sets: checks names and values, makes paths absolute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segharness.errors import nearest
from segharness.plugin.failures import describe, log_failure
from segharness.plugin.options import Option
from segharness.suite.local_functions import check_local_model, exists, local_reference
from segharness.suite.missing import Missing
from segharness.suite.yaml_parser import Node


class OptionReader:
    """Reads the options of checked nodes.

    Args:
        problems: messages; every mistake is appended.
        intact: whether the tree is as it was written. If parts were dropped, mistakes that may only follow from that
            are not reported.
    """

    def __init__(self, problems: list[str], intact: bool) -> None:
        self._problems, self._intact = problems, intact

    def read(
        self, node: Node, owner: str, known: Mapping[str, Option], given: Sequence[Mapping[str, Node]]
    ) -> list[dict[str, Any]]:
        """Return the values of every mapping of `given`, with absolute paths; report unknown and missing options.

        Args:
            node: the model or data set; a missing option is reported at its place.
            owner: the words that messages use for the model or data set.
            known: the options that it takes.
            given: mappings of options. A required option must be in one of them.
        """
        values = [{key: self._value(value, owner, key, known) for key, value in options.items()} for options in given]
        present = set().union(*given)
        for key, option in known.items():
            if option.required and key not in present and self._intact:
                problem = f"{node.mark}: {owner} needs the option `{key}`: {option.help}{_ways_to_set(option)}"
                self._problems.append(Missing(problem) if option.variable is not None else problem)
        return values

    def _value(self, node: Node, owner: str, key: str, known: Mapping[str, Option]) -> Any:
        """Return the value of an option; its path, or the path in a reference to code, becomes absolute."""
        option, label = known.get(key), f"option `{key}` of {owner}"
        if option is None:
            self._problems.append(f"{node.key_mark}: {owner} has no option `{key}`{nearest(key, known)}")
            return node.plain()
        if option.code:
            self._check_code(node, label)
            code = local_reference(node.text)
            return f"{path_of(node, code[0])}:{code[1]}" if code is not None else node.plain()
        if option.path and (not node.text or not exists(path_of(node))):
            self._problems.append(Missing(f"{node.mark}: no file or folder {path_of(node)} ({label})"))
            return node.plain()
        value = str(path_of(node)) if option.path else node.plain()
        if option.check is None or value is None:  # null counts as absent
            return value
        try:
            problem = option.problem(value)
            if problem is not None and node.expanded and option.problem(node.text) is None:
                return node.text  # the value of a variable may also be meant as text
        except Exception as error:  # noqa: BLE001  the check is a plugin's
            problem = f"cannot be checked, its plugin raised {describe(error)}"
            log_failure(f"{node.mark}: {label} {problem}", error)
        if problem is not None:
            self._problems.append(f"{node.mark}: {label} {problem}")
        return value

    def _check_code(self, node: Node, label: str) -> None:
        code = local_reference(node.text)
        if code is None:
            self._problems.append(f"{node.mark}: `{node.text}` is not ./file.py:function ({label})")
        elif (message := check_local_model(path_of(node, code[0]), code[1], set())) is not None:
            self._problems.append(f"{node.mark}: {message} ({label})")


def as_written(prefix: str, options: Mapping[str, Node]) -> dict[str, Any]:
    """Return the options that the value of a variable went into as the suite writes them, by ``prefix.KEY``."""
    return {f"{prefix}.{key}": node.shared() for key, node in options.items() if node.shared() != node.plain()}


def _ways_to_set(option: Option) -> str:
    """Return the end of a message: the other ways to set an option that has a variable."""
    name = option.variable
    if name is None:
        return ""
    return f"; set it here, give `--var {name}=DIR`, or set it for good: `segharness config set data.{name} DIR`"


def path_of(node: Node, text: str | None = None) -> Path:
    """Return the absolute path that a node names.

    A relative path is relative to the suite file. If it comes from the command line or a variable's value, it is
    relative to the working directory.

    Args:
        node: a scalar.
        text: the path, if it is only a part of the node's text.
    """
    base = Path() if node.from_user or node.mark.line == 0 else Path(node.mark.file).parent
    try:
        return (base / Path(text or node.text).expanduser()).absolute()
    except (RuntimeError, ValueError):  # the home of an unknown user, or a zero byte
        return (base / "not-a-path").absolute()
