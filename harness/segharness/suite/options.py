"""The options that a suite gives a model or data set: known ones, and paths that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segharness.errors import nearest
from segharness.plugin.options import Option
from segharness.suite.local_models import check_local_model, exists, local_reference
from segharness.suite.nodes import Node


class OptionReader:
    """Reads the options of checked nodes.

    Args:
        problems: gets a line for every mistake.
        whole: whether the tree is as it was written; where parts were dropped, what follows from that is not said.
    """

    def __init__(self, problems: list[str], whole: bool) -> None:
        self._problems, self._whole = problems, whole

    def read(
        self, node: Node, owner: str, known: Mapping[str, Option], given: Sequence[Mapping[str, Node]]
    ) -> list[dict[str, Any]]:
        """Return the values of every mapping of `given`, paths made absolute; complain of unknown and missing ones.

        Args:
            node: of the model or data set.
            owner: what messages call it.
            known: its options.
            given: mappings of options, which complete one another.
        """
        found = [{key: self._value(value, owner, key, known) for key, value in options.items()} for options in given]
        present = set().union(*given)
        for key, option in known.items():
            if option.required and key not in present and self._whole:
                self._problems.append(
                    f"{node.mark}: {owner} needs the option `{key}`: {option.help}{_where_from(option)}"
                )
        return found

    def _value(self, node: Node, owner: str, key: str, known: Mapping[str, Option]) -> Any:
        """Return the value of an option; paths, and those in references to code, are absolute."""
        option, what = known.get(key), f"option `{key}` of {owner}"
        if option is None:
            self._problems.append(f"{node.key_mark}: {owner} has no option `{key}`{nearest(key, known)}")
            return node.plain()
        if option.code:
            self._check_code(node, what)
            code = local_reference(node.text)
            return f"{path_of(node, code[0])}:{code[1]}" if code is not None else node.plain()
        if option.path and (not node.text or not exists(path_of(node))):
            self._problems.append(f"{node.mark}: no file or folder {path_of(node)} ({what})")
            return node.plain()
        value = str(path_of(node)) if option.path else node.plain()
        if option.check is None or value is None:  # null: as if it were not given
            return value
        try:
            problem = option.problem(value)
            if problem is not None and node.expanded and option.problem(node.text) is None:
                return node.text  # what a variable stands for may be text as well
        except Exception as error:  # noqa: BLE001  a plugin's
            problem = f"cannot be checked, its plugin raised {type(error).__name__}: {error}"
        if problem is not None:
            self._problems.append(f"{node.mark}: {what} {problem}")
        return value

    def _check_code(self, node: Node, what: str) -> None:
        code = local_reference(node.text)
        if code is None:
            self._problems.append(f"{node.mark}: `{node.text}` is not ./file.py:function ({what})")
        elif (message := check_local_model(path_of(node, code[0]), code[1], set())) is not None:
            self._problems.append(f"{node.mark}: {message} ({what})")


def _where_from(option: Option) -> str:
    name = option.variable
    if name is None:
        return ""
    return f"; give it there, or `--var {name}=DIR`, or once and for all `segharness config set data.{name} DIR`"


def path_of(node: Node, text: str | None = None) -> Path:
    """Return the absolute path that a node names, relative to the file that it is written in, or to where the user is."""
    base = Path() if node.from_user or node.mark.line == 0 else Path(node.mark.file).parent
    try:
        return (base / Path(text or node.text).expanduser()).absolute()
    except (RuntimeError, ValueError):  # ~nobody, or a zero byte
        return (base / "not-a-path").absolute()
