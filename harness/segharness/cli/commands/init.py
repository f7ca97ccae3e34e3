"""``segharness init``: write a commented suite of one's own, for the models and data that one names."""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

from segharness.cli.exit_codes import Exit
from segharness.cli.output import say
from segharness.errors import SuiteError, UsageError
from segharness.plugin.host import PluginHost
from segharness.plugin.options import Option
from segharness.plugin.specs import ConditionSet, DatasetSpec, ModelSpec, slug
from segharness.store.atomic import write_atomic
from segharness.suite import load_suite
from segharness.suite.load import id_of, node_of_argument
from segharness.suite.local_functions import local_reference
from segharness.suite.yaml_parser import Node

_CANNOT_BE_BARE = re.compile(r"^$|^[\s\-?:,\[\]{}#&*!|>'\"%@`~=<]|: |:$| #|\s$|[,\[\]{}]|\$\{")
"""Texts that YAML would not read as one text without quotes."""


def configure(parser: argparse.ArgumentParser) -> None:
    metavar = "NAME[,id=ID][,KEY=VALUE...]"
    parser.add_argument("file", nargs="?", default="suite.yaml", metavar="FILE", help="to write; default suite.yaml")
    parser.add_argument(
        "--model", action="append", default=[], metavar=metavar, help="a model: a plugin's, or ./file.py:function"
    )
    parser.add_argument("--dataset", action="append", default=[], metavar=metavar, help="a data set")
    parser.add_argument("--reference", metavar="ID", help="the model that CD and rCD divide by; default the first")
    parser.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar="NAME",
        help="clean, CORRUPTION-SEVERITY, or a condition set",
    )
    parser.add_argument(
        "--extends", metavar="SUITE", help="a suite to build on: a path, or a name of `segharness suites`"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that exists")


def execute(args: argparse.Namespace) -> int:
    try:
        return _write(args)
    except OSError as error:
        raise UsageError(f"{args.file}: cannot be written: {error.strerror}") from error


def _write(args: argparse.Namespace) -> int:
    host: PluginHost = args.host
    file = Path(args.file)
    if file.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{file}: a suite is a .yaml file")
    if not args.model and not args.dataset and not args.extends:
        raise UsageError("name --model and --dataset (see `segharness models`, `datasets`), or --extends SUITE")
    if (file.exists() or file.is_symlink()) and not args.force:
        raise UsageError(f"{file} exists; give another name, or --force to replace it")
    if file.is_dir():
        raise UsageError(f"{file}: is a folder")
    if not file.parent.is_dir():
        raise UsageError(f"{file}: there is no folder {file.parent}")
    if control := [word for word in _words(args) if not word.isprintable()]:
        raise UsageError(f"{control[0]!r:.80} has a character that no name or value in a suite needs")
    text = "\n".join(_lines(args, host)) + "\n"
    missing = _missing_of(text, file, host)
    write_atomic(file.resolve() if file.is_symlink() and file.exists() else file, text.encode())
    say(f"wrote {file}")
    for line in missing:
        say(f"note: {line}")
    say(f"next: segharness collect {file}, which shows its cells; then segharness run {file}")
    return Exit.OK


def _words(args: argparse.Namespace) -> list[str]:
    """Return the texts of the user's that go into the file."""
    return [args.file, *args.model, *args.dataset, *args.condition, args.reference or "", args.extends or ""]


def _missing_of(text: str, file: Path, host: PluginHost) -> Sequence[str]:
    """Load a suite as if it were in a file, and return what this machine lacks for it.

    Raises:
        UsageError: it has mistakes.
    """
    with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".yaml", encoding="utf-8") as temporary:
        temporary.write(text)
        temporary.flush()
        try:
            return load_suite(Path(temporary.name), host, shown=str(file), only_plan=True).missing
        except SuiteError as error:
            mark = rf"^{re.escape(str(file))}:\d+:\d+: "
            raise UsageError([re.sub(mark, "", problem) for problem in error.problems]) from error


def _lines(args: argparse.Namespace, host: PluginHost) -> Iterator[str]:
    yield "# A suite of segharness. `segharness schema` has its grammar for editors; docs/suites.md explains every key."
    yield f"#   segharness run {args.file}"
    yield "segharness: 1"
    if args.extends:
        base = args.extends if not Path(args.extends).is_file() else relpath(args.extends, Path(args.file).parent)
        yield f"extends: {yaml_text(base)}  # whatever stands below replaces what stands there"
    if args.model:
        yield from _models(args, host)
    elif args.reference:
        yield f"reference: {yaml_text(args.reference)}"
    elif not args.extends:
        yield "models: []  # name --model, or write them here: `segharness models` lists those that are installed"
    if args.dataset:
        yield from _datasets(args.dataset, host)
    elif not args.extends:
        yield "datasets: []  # name --dataset, or write them here: `segharness datasets` lists those that are installed"
    if args.condition or not args.extends:
        yield from _conditions(args.condition, host)
    if not args.extends:
        yield ""
        yield "# limit: 100        # only the first images of every data set, to try things out"
        yield "# seed: 0           # of the corruptions' random draws"
        yield "# scoring:"
        yield "#   metrics: [coco]  # `segharness metrics` lists them"


def _models(args: argparse.Namespace, host: PluginHost) -> Iterator[str]:
    yield ""
    yield "models:"
    ids = []
    for text in args.model:
        node = _parsed("--model", "model", text)
        name, id, settings, options = _parts(node, "model")
        if (local := local_reference(name)) is not None:
            name = f"./{relpath(local[0], Path(args.file).parent)}:{local[1]}"
        spec = host.find(name, ModelSpec)
        ids.append(id)
        yield f"  - id: {yaml_text(id)}"
        comment = _comment(spec.description if spec is not None else "")
        yield f"    model: {yaml_text(name)}{comment}"
        for key, value in settings.items():
            yield f"    {key}: {yaml_text(value)}"
        if spec is not None and spec.weights.use != "none" and "weights" not in settings:
            names = ", ".join([*list(spec.weights.names)[:4], "random"]) if spec.weights.names else "a file"
            yield f"    # weights: ...  # {spec.weights.use}: {names}"
        yield from _options(options, spec.options if spec is not None else {})
    reference = args.reference or ids[0]
    yield f"reference: {yaml_text(reference)}  # CD and rCD are relative to this model"


def _datasets(texts: list[str], host: PluginHost) -> Iterator[str]:
    yield ""
    yield "datasets:"
    for text in texts:
        name, id, settings, options = _parts(_parsed("--dataset", "dataset", text), "dataset")
        spec = host.find(name, DatasetSpec)
        yield f"  - id: {yaml_text(id)}"
        comment = _comment(spec.description if spec is not None else "")
        yield f"    dataset: {yaml_text(name)}{comment}"
        for key, value in settings.items():
            yield f"    {key}: {yaml_text(value)}"
        yield from _options(options, spec.options if spec is not None else {})


def _options(given: Mapping[str, str], known: Mapping[str, Option]) -> Iterator[str]:
    """Yield the options given, and as comments those that there are; of variables, where their values come from."""
    wanted = {key: option for key, option in known.items() if key not in given}
    if given or any(option.required and not option.variable for option in wanted.values()):
        yield "    options:"
    elif wanted:
        yield "    # options:"
    for key, value in given.items():
        yield f"      {key}: {yaml_text(value)}"
    for key, option in wanted.items():
        help = " ".join(option.help.split())
        if option.variable:
            yield (
                f"    #   {key}: DIR  # {help}; also --var {option.variable}=DIR, or once and for all: "
                f"segharness config set data.{option.variable} DIR"
            )
        else:
            yield f"    #   {key}: ...  # {'required: ' if option.required else ''}{help}"


def _comment(text: str) -> str:
    """Return a description as a comment at the end of a line."""
    return f"  # {' '.join(text.split())}" if text.strip() else ""


def _conditions(given: list[str], host: PluginHost) -> Iterator[str]:
    sets = host.all(ConditionSet)
    yield ""
    yield "conditions:"
    for name in given or ["clean"]:
        in_set = any(name == spec.name for spec in sets)
        yield f"  - {{set: {yaml_text(name)}}}" if in_set else f"  - {yaml_text(name)}"
    for spec in sets:
        if spec.name not in given:
            yield f"  # - {{set: {spec.name}}}{_comment(spec.description)}"
    yield "  # `segharness corruptions` lists all of them; NAME-SEVERITY is one condition"


def _parsed(flag: str, kind: str, text: str) -> Node:
    problems: list[str] = []
    node = node_of_argument(flag, kind, text, problems)
    if problems:
        raise UsageError(problems)
    return node


def _parts(node: Node, kind: str) -> tuple[str, str, dict[str, str], dict[str, str]]:
    """Return name, id, settings and options of an argument."""
    name = (node.get(kind) or node).text
    content: dict[str, Any] = node.value if isinstance(node.value, dict) else {}
    settings = {key: item.text for key, item in content.items() if key not in (kind, "id", "options", "labels")}
    options = {key: item.text for key, item in content["options"].value.items()} if "options" in content else {}
    local = local_reference(name)
    given = slug(Path(local[0]).stem) if local is not None and "id" not in content else id_of(node, kind)
    return name, given, settings, options


def yaml_text(text: str) -> str:
    """Return a text as a suite reads it again like the command line does: bare, or quoted where it must be.

    Numbers and words such as ``yes`` stay bare, since ``--model NAME,KEY=VALUE`` reads them in the same way.

    Example:
        >>> yaml_text("coco/2017"), yaml_text("a: b"), yaml_text("-1"), yaml_text("${coco}/val")
        ('coco/2017', '"a: b"', '-1', '${coco}/val')
    """
    plain = text.replace("${", "").replace("}", "") if text.startswith("${") else text
    if re.fullmatch(r"-?[\d.][\w.+-]*", text):
        return text
    if text.lower() in ("null", "~", "") or _CANNOT_BE_BARE.search(plain):
        return json.dumps(text, ensure_ascii=False)
    return text
