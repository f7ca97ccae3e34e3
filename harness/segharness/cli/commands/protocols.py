"""``segharness protocols``: list and show named protocols, compare two of them or a run with one, and seal one."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from segharness.api import finish_run, prepare_run
from segharness.cli.arguments.scoring import add_scoring_arguments, score_options_from
from segharness.cli.arguments.selection import parse_variables
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say, screen
from segharness.errors import UsageError
from segharness.escaping import line
from segharness.execution import RunSettings
from segharness.plugin.host import PluginHost
from segharness.protocols import NamedProtocol, Seal, find_protocol, named_protocols, seal_of, seal_of_results
from segharness.score.stored_reference import numbers_digest
from segharness.suite import Variables, load_suite, make_plan


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a protocol, to show it; two protocols, or a run and a protocol, to compare them; `seal NAME` to seal one",
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")
    sealing = parser.add_argument_group("seal NAME")
    sealing.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="a value for ${NAME}")
    sealing.add_argument("-o", "--output", type=Path, metavar="DIR", help="the folder that the sealed protocol goes to")
    add_scoring_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    host: PluginHost = args.host
    if args.names[:1] == ["seal"]:
        return _seal(args, host)
    if args.var or args.output:
        raise UsageError("--var and -o are for `segharness protocols seal NAME`")
    if not args.names:
        return _list(named_protocols(host), args.json)
    if len(args.names) == 1:
        return _show(find_protocol(args.names[0], host), args.json)
    if len(args.names) > 2:
        raise UsageError("give one protocol to show, or two to compare")
    return _compare(args.names, host)


def _list(protocols: list[NamedProtocol], as_json: bool) -> int:
    if as_json:
        print(json.dumps([_plain(protocol) for protocol in protocols], indent=1))
        return Exit.OK
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("name", "id", "plugin", "description"):
        table.add_column(heading, no_wrap=heading in ("name", "id"))
    for protocol in protocols:
        state = protocol.seal.id[:12] if protocol.seal is not None else Text("draft", style="yellow")
        table.add_row(protocol.name, state, protocol.plugin, Text(protocol.description))
    screen().print(table)
    return Exit.OK


def _plain(protocol: NamedProtocol) -> dict[str, object]:
    seal = protocol.seal
    return {
        "name": protocol.name,
        "id": seal.id if seal is not None else None,
        "description": protocol.description,
        "plugin": protocol.plugin,
        "seal": seal.to_json() if seal is not None else None,
    }


def _show(protocol: NamedProtocol, as_json: bool) -> int:
    if as_json:
        print(json.dumps(_plain(protocol), indent=1))
        return Exit.OK
    print(f"{protocol.name}: {line(protocol.description)}" if protocol.description else protocol.name)
    if protocol.seal is None:
        print("  a draft: it has no digests of its data and of its reference's results, and cannot be run by its name")
        print(f"  who has both seals it: segharness protocols seal {protocol.name} -o DIR")
    else:
        seal = protocol.seal
        print(f"  id: {seal.id}")
        print(f"  reference: {line(str(seal.reference['model']))}, whose results come with the protocol")
        print(f"  scorer: version {seal.scorer}")
        for id, inputs in seal.protocol["datasets"].items():
            part = f", a sample of {inputs['sample']} images" if inputs.get("sample") else ""
            print(f"  data set {line(id)}: {line(inputs['name'])}{part}, digest {line(inputs['digest'])[:16]}")
        print(f"  conditions: {', '.join(line(condition['name']) for condition in seal.protocol['conditions'])}")
        print(f"  run it: segharness run --protocol {protocol.name} --model NAME")
    print()
    print(protocol.suite.read_text(encoding="utf-8"), end="")
    return Exit.OK


def _compare(names: list[str], host: PluginHost) -> int:
    """Say in words how two protocols differ, or what a run's was; 1 if they do."""
    seals = [_seal_named(name, host) for name in names]
    found = seals[0].differences(seals[1])
    for text in found:
        print(line(text))
    if not found:
        print(f"{names[0]} and {names[1]} are the same protocol: {seals[0].id}")
    return Exit.FAILED if found else Exit.OK


def _seal_named(name: str, host: PluginHost) -> Seal:
    path = Path(name)
    if path.suffix == ".arrow" or ((path / "results.arrow").is_file() and not (path / "seal.json").is_file()):
        return seal_of_results(path)
    return find_protocol(name, host).sealed()


def _seal(args: argparse.Namespace, host: PluginHost) -> int:
    if len(args.names) != 2 or args.output is None:
        raise UsageError("write `segharness protocols seal NAME -o DIR`")
    protocol = find_protocol(args.names[1], host)
    folder: Path = args.output
    if folder.exists() and any(p.name != "run" for p in folder.iterdir()):
        raise UsageError(f"{folder}: is not empty; a sealed protocol is never replaced")
    variables = Variables.of_process(parse_variables(args.var))
    suite = load_suite(protocol.suite, host, shown=protocol.name, variables=variables).suite
    reference = suite.groups[0].reference if len(suite.groups) == 1 else None
    if not isinstance(reference, str) or [model.id for model in suite.models] != [reference]:
        raise UsageError(f"{protocol.suite}: the suite of a protocol has one model, which is its reference")
    options = score_options_from(args)
    prepared = prepare_run(make_plan(suite, host), host, RunSettings(folder / "run"), options)
    finished = finish_run(prepared, host, options)
    if finished.outcome.interrupted:
        return Exit.INTERRUPTED
    results = finished.results
    if results is None or finished.outcome.failed:
        raise UsageError(f"{folder / 'run'}: cells of the reference failed; nothing was sealed")
    for name in ("results.arrow", "resamples.arrow"):
        if (folder / "run" / name).is_file():
            shutil.copyfile(folder / "run" / name, folder / name)
    shutil.copyfile(protocol.suite, folder / "suite.yaml")
    seal = seal_of(prepared.plan.suite, prepared.inputs, reference, numbers_digest(results, reference))
    seal.write(folder / "seal.json")
    say(f"sealed {protocol.name}: {seal.id}; its files are in {folder}/, without run/, which may be deleted")
    return Exit.OK
