"""``segharness models``, ``datasets`` and ``corruptions``: what suites can name. Imports no framework."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from segharness.cli.exit_codes import Exit
from segharness.cli.output import screen
from segharness.plugin.host import PluginHost
from segharness.plugin.options import Option
from segharness.plugin.specs import (
    CategorySet,
    ConditionSet,
    CorruptionSpec,
    DatasetSpec,
    MixtureSpec,
    ModelSet,
    ModelSpec,
    SuiteSpec,
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="show everything about this name, or the members of this family"
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")


def models(args: argparse.Namespace) -> int:
    """Run ``segharness models``."""
    return show(args, (ModelSet, ModelSpec))


def corruptions(args: argparse.Namespace) -> int:
    """Run ``segharness corruptions``."""
    return show(args, (CorruptionSpec, MixtureSpec, ConditionSet))


def show(args: argparse.Namespace, kinds: Sequence[type[Any]]) -> int:
    """Print a table of all specs of some kinds, or everything about ``args.name``; return the exit code."""
    host: PluginHost = args.host
    family = args.name is not None and [
        s for kind in kinds for s in host.all(kind) if s.name.startswith(f"{args.name}/")
    ]
    if args.name is not None and not (family and not any(host.find(args.name, kind) for kind in kinds)):
        named = next((spec for kind in kinds if (spec := host.find(args.name, kind))), None) or host.get(
            args.name, *kinds
        )
        if args.json:
            print(json.dumps(_plain(named), indent=1))
        else:
            _print_spec(named, host)
        return Exit.OK
    if args.json:
        print(json.dumps([_plain(spec) for spec in family or [s for kind in kinds for s in host.all(kind)]], indent=1))
        return Exit.OK
    console = screen()
    for kind in kinds:
        specs = [spec for spec in family if type(spec) is kind] if family else host.all(kind)
        folded = {} if family else _large_families(specs)
        specs = [spec for spec in specs if spec.name.partition("/")[0] not in folded]
        if not specs and not folded:
            continue
        table = Table(
            title=_TITLES[kind], title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
        )
        for heading in ("name", *_COLUMNS[kind], "plugin", "description"):
            table.add_column(heading, no_wrap=heading == "name")
        for spec in specs:
            extra = (Text(_brief(getattr(spec, column))) for column in _COLUMNS[kind])
            table.add_row(spec.name, *extra, host.owner(spec).distribution, Text(spec.description))
        for name, members in folded.items():
            summary = Text(f"{len(members)} members: segharness {args.command} {name}")
            table.add_row(f"{name}/...", *("" for _ in _COLUMNS[kind]), host.owner(members[0]).distribution, summary)
        console.print(table)
    return Exit.OK


_MAX_MEMBERS = 30
"""A family with more members is one line of the table, unless it is named."""


def _large_families(specs: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the families that are too large to list every member."""
    families: dict[str, list[Any]] = {}
    for spec in specs:
        families.setdefault(spec.name.partition("/")[0], []).append(spec)
    return {name: members for name, members in families.items() if len(members) > _MAX_MEMBERS}


_TITLES = {
    ModelSet: "sets of models",
    ModelSpec: "models",
    DatasetSpec: "data sets",
    CategorySet: "category sets (for splits)",
    CorruptionSpec: "corruptions",
    MixtureSpec: "mixtures",
    ConditionSet: "condition sets",
    SuiteSpec: "suites",
}
_COLUMNS: dict[type, tuple[str, ...]] = {
    ModelSet: (),
    ModelSpec: ("tags",),
    DatasetSpec: ("tags",),
    CategorySet: (),
    CorruptionSpec: ("category", "severities", "version"),
    MixtureSpec: ("severities",),
    ConditionSet: ("severities",),
    SuiteSpec: (),
}


def _brief(value: Any) -> str:
    if isinstance(value, tuple):
        numbers = [v for v in value if isinstance(v, int)]
        if len(numbers) > 2 and list(value) == list(range(numbers[0], numbers[-1] + 1)):
            return f"{numbers[0]}-{numbers[-1]}"
        return ", ".join(map(str, value))
    return str(value)


def _print_spec(spec: Any, host: PluginHost) -> None:
    """Print all fields of a spec, and the plugin that it comes from."""
    owner = host.owner(spec)
    print(f"{spec.name}  (plugin {owner.name}, {owner.distribution} {owner.version})")
    for name, value in _fields(spec):
        if name in ("name", "factory", "apply", "check") or not value:
            continue
        if isinstance(value, dict):
            print(f"  {name}:")
            for key, item in value.items():
                text = _option(item) if isinstance(item, Option) else item
                print(f"    {key}" if item is None else f"    {key}: {text}")
        elif isinstance(value, str) and "\n" in value:
            print(f"  {name}:", *value.splitlines(), sep="\n    ")
        else:
            print(f"  {name}: {_stages(value) if name == 'stages' else _brief(value)}")


def _fields(spec: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield name and value of the fields that say something; of a group of fields as ``weights.sha256``."""
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if dataclasses.is_dataclass(value):
            if value != field.default:
                yield from _fields(value, f"{prefix}{field.name}.")
        elif value != field.default or field.name in ("severities", "version"):
            yield f"{prefix}{field.name}", value


def _option(option: Option) -> str:
    marks = [mark for mark, on in (("required", option.required), ("a path", option.path)) if on]
    marks += (
        [f"from --var {option.variable}, the environment, or config data.{option.variable}"] if option.variable else []
    )
    return option.help + (f" ({', '.join(marks)})" if marks else "")


def _stages(stages: Sequence[Sequence[str]]) -> str:
    return "; then ".join("one of " + ", ".join(stage) for stage in stages)


def _plain(spec: Any) -> dict[str, Any]:
    content = {"kind": type(spec).__name__.removesuffix("Spec").lower(), **dataclasses.asdict(spec)}
    return {key: _data(value) for key, value in content.items() if not callable(value)}


def _data(value: Any) -> Any:
    """Return a value without the functions in it, and with paths as texts."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {key: _data(item) for key, item in value.items() if not callable(item)}
    return value
