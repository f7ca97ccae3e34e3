"""``segharness datasets``: which data sets there are, how to set one up, and whether its files are complete."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import track

from segharness.cli.arguments.selection import parse_variables
from segharness.cli.commands import list_specs
from segharness.cli.exit_codes import Exit
from segharness.cli.output import emit, terminal
from segharness.cpu_cores import cores
from segharness.data.annotation_checks import annotation_problems
from segharness.data.open_dataset import OpenDataset, open_dataset
from segharness.errors import ImageError, UsageError
from segharness.escaping import visible
from segharness.files import rereading
from segharness.images.decode import decode
from segharness.plugin.failures import describe, log_failure
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import CategorySet, CorruptionSpec, DatasetSpec, slug
from segharness.records import Sample
from segharness.suite import DatasetEntry
from segharness.suite.from_arguments import dataset_from_argument

_MAX_PROBLEMS = 20
"""How many problems of one part are printed."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[check] NAME[,KEY=VALUE...]",
        help="show how to set up a data set; with `check`, read all its files and report what is wrong",
    )
    parser.add_argument("--root", metavar="DIR", help="with check: the value of the option `root`")
    parser.add_argument(
        "--var",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="with check: a value for a variable, as for run",
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="with check: write the annotation file again, with everything that can only mean one thing put right",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="with --fix: the file to write")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="also print the tracebacks of what plugins raise")


def execute(args: argparse.Namespace) -> int:
    match args.words:
        case [] | [_] if args.root is None and args.words != ["check"] and not (args.fix or args.output):
            args.name = args.words[0] if args.words else None
            return list_specs.show(args, (DatasetSpec, CategorySet))
        case ["check", _] if args.json:
            raise UsageError("datasets check: has no JSON output")
        case _ if args.output is not None and not args.fix:
            raise UsageError("datasets: -o says where --fix writes; give --fix, too")
        case ["check", name] if args.fix:
            return _fix(args, name)
        case ["check", name]:
            return _check(args, name)
        case ["check"]:
            raise UsageError("datasets check: name a data set, e.g. `segharness datasets check cityscapes/instances`")
    raise UsageError(
        "write `segharness datasets [NAME]` or `segharness datasets check NAME[,KEY=VALUE...] [--root DIR]`"
    )


def _check(args: argparse.Namespace, text: str) -> int:
    """Check every part of a data set, or only the part that is named; the exit code is 1 if something is wrong."""
    name, *settings = text.split(",")
    keys = {setting.partition("=")[0] for setting in settings}
    if unsupported := [
        key for key in keys if key in ("id", "limit", "sample", "categories") or key.startswith("labels.")
    ]:
        raise UsageError(f"datasets check: reads the whole data set; `{unsupported[0]}` is for suites")
    spec: DatasetSpec = args.host.get(name, DatasetSpec)
    parts: list[str | None] = [None] if not spec.parts or spec.part in keys else list(spec.parts)
    root = {"root": args.root} if args.root is not None else {}
    variables = parse_variables(args.var)
    entries = [
        dataset_from_argument(
            text, args.host, more={**root, **({spec.part: part} if part is not None else {})}, variables=variables
        )
        for part in parts
    ]
    wrong = False
    readable: list[DatasetEntry] = []
    for entry in entries:
        with rereading():
            report = _check_part(entry, spec, args.host)
        part = entry.options.get(spec.part)
        print(f"{spec.name}" + (f", {spec.part} {part}" if part is not None else ""))
        for line in (*report.lines, *_shortened(report.problems)):
            print(f"  {visible(line)}")
        wrong = wrong or bool(report.problems)
        if report.lines:
            readable.append(entry)
    if readable:
        print("in a suite, under `datasets:`", *(f"  - {_suite_line(entry, spec)}" for entry in readable), sep="\n")
    else:
        print(
            f"`segharness datasets {spec.name}` shows how to get it, and how its files must be laid out",
            file=sys.stderr,
        )
    return Exit.FAILED if wrong else Exit.OK


def _fix(args: argparse.Namespace, text: str) -> int:
    """Write the repaired annotation file of a data set, and say what was repaired."""
    if args.output is None:
        raise UsageError("datasets check --fix: -o FILE says where the repaired annotations go")
    spec: DatasetSpec = args.host.get(text.split(",")[0], DatasetSpec)
    root = {"root": args.root} if args.root is not None else {}
    entry = dataset_from_argument(text, args.host, more=root, variables=parse_variables(args.var))
    for value in entry.options.values():
        if isinstance(value, str) and args.output.exists() and Path(value).exists() and args.output.samefile(value):
            raise UsageError(f"{args.output}: is the data set's own file; write the repaired one beside it")
    opened = open_dataset(entry, args.host)
    if not callable(repaired := getattr(opened.dataset, "repaired", None)):
        raise UsageError(f"data set `{spec.name}`: its files are not one annotation file that could be written again")
    for note in opened.notes or ["nothing had to be repaired"]:
        print(visible(note))
    try:
        content = json.dumps(repaired(), allow_nan=False)
    except ValueError as error:
        raise UsageError(f"data set `{spec.name}`: holds NaN or an infinite number, which JSON has not") from error
    emit(content + "\n", args.output)
    print(f"{len(opened.notes)} kinds of repairs; written: {args.output}")
    return Exit.OK


def _shortened(problems: list[str]) -> list[str]:
    more = [f"and {len(problems) - _MAX_PROBLEMS} more problems"] if len(problems) > _MAX_PROBLEMS else []
    return [*(f"wrong: {problem}" for problem in problems[:_MAX_PROBLEMS]), *more]


@dataclass
class _Report:
    """The result of checking one part of a data set.

    Attributes:
        lines: facts to print.
        problems: what is wrong.
    """

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def _check_part(entry: DatasetEntry, spec: DatasetSpec, host: PluginHost) -> _Report:
    report = _Report()
    try:
        _add_findings(open_dataset(entry, host), spec, host, report)
    except UsageError as error:
        report.problems += [problem.removeprefix(f"data set `{entry.id}`: ") for problem in error.problems]
    except (Exception, SystemExit) as error:  # noqa: BLE001  a data set is a plugin's code
        report.problems.append(f"plugin `{spec.name}` raised {describe(error)}")
        log_failure(report.problems[-1], error)
    return report


def _add_findings(opened: OpenDataset, spec: DatasetSpec, host: PluginHost, report: _Report) -> None:
    truth = opened.ground_truth("instances")
    expected = spec.parts.get(str(opened.entry.options.get(spec.part, "")))
    count = len(opened.samples)
    if not count:
        report.problems.append("has no images")
        return
    if expected not in (None, count):
        report.problems.append(f"{count} images; {expected} were published")
    sizes = Counter(f"{sample.height}x{sample.width}" for sample in opened.samples).most_common()
    shown = ", ".join(f"{size} ({n})" for size, n in sizes[:5])
    report.lines.append(f"{count} images")
    report.lines.append(f"height x width: {shown}" + (f" and {len(sizes) - 5} other sizes" if len(sizes) > 5 else ""))
    if truth is not None:
        report.lines += _counts(truth)
        report.problems += annotation_problems(opened.samples, truth)
    report.lines += [f"note: {note}" for note in opened.notes]
    report.lines += _small_images(opened.samples, host)
    report.lines.append(f"digest {opened.dataset.digest[:16]}")
    notes: Counter[str] = Counter()
    report.problems += _undecodable(opened, notes)
    report.lines += [f"{count} {text}" for text, count in notes.items()]


def _small_images(samples: Sequence[Sample], host: PluginHost) -> Iterator[str]:
    """Yield how many images are smaller than corruptions take."""
    sides = Counter(spec.smallest for spec in host.all(CorruptionSpec))
    for side, count in sorted(sides.items()):
        if small := [sample for sample in samples if min(sample.height, sample.width) < side]:
            first = f"{small[0]} ({small[0].width}x{small[0].height})"
            images = f"{len(small)} images are" if len(small) > 1 else "1 image is"
            yield f"{images} under {side}x{side}, too small for {count} corruptions: {first}"


def _counts(truth: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many instances and crowds there are, and of which categories."""
    names = {category["id"]: category["name"] for category in truth["categories"]}
    crowds = Counter(bool(a.get("iscrowd")) for a in truth["annotations"])
    instances = Counter(names.get(a["category_id"], "?") for a in truth["annotations"] if not a.get("iscrowd"))
    yield f"{crowds[False]} instances, {crowds[True]} crowds"
    listed = ", ".join(f"{name} {n}" for name, n in instances.most_common(10))
    yield f"instances: {listed or 'none'}" + (
        f" and {len(instances) - 10} more categories" if len(instances) > 10 else ""
    )
    if lacking := [name for name in names.values() if name not in instances]:
        yield f"without an instance: {len(lacking)} of {len(names)} categories ({', '.join(lacking[:5])} ...)"


def _undecodable(opened: OpenDataset, notes: Counter[str]) -> Iterator[str]:
    """Yield a problem for every image that cannot be decoded; count what is to be noted of the others."""
    console = terminal(stderr=True)
    shown = console.is_terminal
    with ThreadPoolExecutor(cores()) as pool:
        problems = pool.map(partial(_decoding_problem, notes=notes), opened.samples)
        count = len(opened.samples)
        for problem in track(problems, "images", count, console=console, transient=True, disable=not shown):
            if problem is not None:
                yield problem


def _decoding_problem(sample: Sample, notes: Counter[str]) -> str | None:
    found: list[str] = []
    try:
        decode(sample, found.append)
    except ImageError as error:
        return str(error)
    for text in found:
        notes[text] += 1
    return None


def _suite_line(entry: DatasetEntry, spec: DatasetSpec) -> str:
    """Return the entry of a data set in a suite, as a flow mapping."""
    options = ", ".join(f"{key}: {_quoted(value)}" for key, value in entry.options.items())
    part = entry.options.get(spec.part)
    id = slug(spec.name).split("-")[0] + (f"_{part}" if part else "")
    return f"{{id: {id}, dataset: {entry.dataset}" + (f", options: {{{options}}}" if options else "") + "}"


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
