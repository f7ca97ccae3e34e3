"""``segharness reproduce``: make a sample of a bundle's predictions again from its published plugin and weights."""

from __future__ import annotations

import argparse
import json
import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segharness import StoreError, UsageError, write_atomic
from segharness.cli.arguments.scoring import add_source_arguments, given_from
from segharness.cli.exit_codes import Exit
from segharness.cli.limited_process import Limits, add_limit_arguments, run_limited, words_again
from segharness.escaping import line

from segharness_leaderboard.reproduction import stages
from segharness_leaderboard.reproduction.container import Container, check_container
from segharness_leaderboard.reproduction.environment import make_environment
from segharness_leaderboard.reproduction.obtain_files import check_runnable, obtain
from segharness_leaderboard.reproduction.secret import commitment, new_secret, secret_in, secret_of, use_up
from segharness_leaderboard.reproduction.verdict import machine

HONEST_RATE = 1e-4
"""The share of mismatches of honest bundles that is allowed for; `benchmarks/reproduction.py` measures it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Tier 3, an operator's explicit act: fetches the wheel and the weights that a bundle names (https, bounded, SHA-256 "
        "first), installs them into a fresh environment, and lets the model predict a sample of the images again in a "
        "container without network. Do this on a machine that can be thrown away. Exit code 0 if the bundle is reproduced, "
        "1 if it is refused, 4 if it cannot be decided here."
    )
    parser.add_argument("bundle", nargs="?", metavar="BUNDLE", help="a folder that `segharness submit pack` wrote")
    parser.add_argument(
        "--new-secret",
        type=Path,
        metavar="FILE",
        help="write a new secret for --seed-file, print its SHA-256 to be published before the bundle is known, and stop",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.json", help="write the verdict")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    drawing = parser.add_argument_group("the sample")
    drawing.add_argument(
        "--power", type=_points, default=1.0, metavar="POINTS", help="the gain in AP that would be seen; default 1.0"
    )
    drawing.add_argument(
        "--confidence", type=_fraction, default=0.95, metavar="P", help="with this probability; default 0.95"
    )
    drawing.add_argument(
        "--honest-rate",
        type=_rate,
        default=HONEST_RATE,
        metavar="E",
        help=f"the share of mismatches that other machines cause; default {HONEST_RATE:g}",
    )
    seeds = drawing.add_mutually_exclusive_group()
    seeds.add_argument(
        "--seed", type=_secret, metavar="HEX", help="the secret that the sample is drawn by; default a new one"
    )
    seeds.add_argument(
        "--seed-file", type=Path, metavar="FILE", help="a file with that secret, which others cannot see"
    )
    drawing.add_argument(
        "--fresh-seed",
        action="store_true",
        help="also corrupt the images drawn anew, under a seed that nobody knew, and compare APs: tier 3+ fresh",
    )
    parser.add_argument("--protocol", metavar="NAME", help="as for `segharness submit check`")
    running = parser.add_argument_group("running the plugin")
    running.add_argument(
        "--wheel", type=Path, metavar="FILE.whl", help="a copy of the plugin's wheel; it is not fetched"
    )
    running.add_argument("--weights", type=Path, metavar="FILE.safetensors", help="a copy of the weights, likewise")
    running.add_argument(
        "--packages",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder of packages that the environment starts from, such as one with PyTorch; may be repeated",
    )
    running.add_argument(
        "--plugin-memory",
        type=int,
        default=32,
        metavar="GIB",
        help="what a process of the plugin may address; default 32",
    )
    running.add_argument("--devices", default="cpu", metavar="LIST", help="such as cuda:0; default cpu")
    running.add_argument(
        "--unconfined",
        action="store_true",
        help="run the plugin without a container: only on a machine without anything",
    )
    running.add_argument(
        "--private-addresses", action="store_true", help="fetch from servers of one's own network, too"
    )
    add_source_arguments(parser, references=False)
    add_limit_arguments(parser, "the bundle")
    parser.add_argument("--stage", choices=["read", "draw", "inspect", "compare"], help=argparse.SUPPRESS)


def execute(args: argparse.Namespace) -> int:
    """Reproduce a bundle."""
    if args.new_secret is not None:
        secret = new_secret(args.new_secret)
        print(f"{args.new_secret}: keep it until the verdict. Publish its SHA-256 before the bundle's root is known:")
        print(commitment(secret))
        return Exit.OK
    if args.bundle is None:
        raise UsageError("name a bundle, or --new-secret FILE")
    return _stage(args) if args.report_to is not None else _reproduce(args)


# --------------------------------------------------------------------------------------------- in a process with limits


def _stage(args: argparse.Namespace) -> int:
    scratch: Path = args.report_to.parent
    given = given_from(args)
    try:
        if args.stage == "read":
            report = stages.read(Path(args.bundle))
        elif args.stage == "draw":
            report = stages.draw(
                Path(args.bundle),
                args.host,
                scratch,
                given,
                secret=(scratch / "secret").read_bytes(),
                power=args.power / 100,
                confidence=args.confidence,
                honest_rate=args.honest_rate,
                fresh_seed=_fresh_seed(scratch) if args.fresh_seed else None,
                protocol=args.protocol,
            )
        elif args.stage == "inspect":
            files = {"wheel": args.wheel, "weights": args.weights}
            report = stages.inspect({name: file for name, file in files.items() if file is not None})
        else:
            report = stages.compare(args.host, scratch, given, scratch / "again/run", args.protocol)
    except MemoryError as error:
        raise UsageError("reading it takes more memory than it may have (--memory)") from error
    args.report_to.write_text(json.dumps(report))
    return Exit.OK


def _fresh_seed(scratch: Path) -> int:
    """Return a seed of corruptions that follows from the secret, and is not the sample's."""
    return int(commitment(b"fresh " + (scratch / "secret").read_bytes())[:12], 16)


# ----------------------------------------------------------------------------------------------------- the operator's


def _reproduce(args: argparse.Namespace) -> int:
    check_container(not args.unconfined)
    secret = secret_in(args.seed_file) if args.seed_file is not None else args.seed or secrets.token_bytes(32)
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="segharness-") as folder:
        scratch = Path(folder)
        (scratch / "secret").write_bytes(secret)
        said = _limited(args, scratch, "read")
        if said is None:
            return Exit.USAGE
        if not said["findings"]:
            check_runnable(args, said)
        drawn = _limited(args, scratch, "draw")
        if drawn is None:
            return Exit.USAGE
        if drawn["findings"]:
            reasons = [f"{finding['file']}: {finding['rule']}" for finding in drawn["findings"]]
            refused = {"verdict": "refused", "tier": None, "reasons": ["it is not accepted in tier 2", *reasons]}
            return _published(args, {**refused, "mismatched": [], "numbers": [], "fresh": None, "mean_agreement": {}})
        if args.seed_file is not None:
            use_up(args.seed_file, drawn["root"])
        _say_draw(args, drawn)
        files = obtain(args, drawn, scratch)
        words = [word for name, file in files.items() for word in (f"--{name}", str(file))]
        wheel = _limited(args, scratch, "inspect", *words)
        if wheel is None:
            return Exit.USAGE
        container = Container(
            scratch / "environment",
            args.hours * 3600,
            [folder.resolve() for folder in args.packages],
            confined=not args.unconfined,
            devices=args.devices != "cpu",
            memory=args.plugin_memory,
        )
        packages = make_environment(container, wheel["requirements"], files["wheel"], _empty(scratch / "install"))
        _predict(args, container, drawn, files, _empty(scratch / "again"), scratch / stages.DRAWN)
        report = _limited(args, scratch, "compare")
        if report is None:
            return Exit.USAGE
    report |= {
        "seed": secret.hex(),
        "commitment": commitment(secret),
        "seed_given": args.seed is not None or args.seed_file is not None,
        "plugin": drawn["card"]["plugin"],
        "weights": drawn["card"]["weights"],
        "packages": packages,
        "machine": {**machine(), "devices": args.devices},
        "confined": not args.unconfined,
        "seconds": round(time.time() - started),
    }
    return _published(args, report)


def _published(args: argparse.Namespace, report: Mapping[str, Any]) -> int:
    """Write and print a verdict, and return the exit code."""
    if args.output is not None:
        write_atomic(args.output, (json.dumps(report, indent=1) + "\n").encode())
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        _say_verdict(args, report)
    return Exit.OK if report["verdict"] == "reproduced" else Exit.FAILED


def _limited(args: argparse.Namespace, scratch: Path, stage: str, *more: str) -> dict[str, Any] | None:
    """Run a stage in a process with limits; None if it cannot be decided, which was said."""
    own = [args.bundle, "--stage", stage, "--power", str(args.power), "--confidence", str(args.confidence)]
    own += ["--honest-rate", str(args.honest_rate), *(["--fresh-seed"] if args.fresh_seed else []), *more]
    own += ["--protocol", args.protocol] if args.protocol else []
    try:
        return run_limited(words_again(args, *own), Limits.of(args), scratch)
    except StoreError as error:
        raise UsageError(f"{args.bundle}: {error}") from error


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _predict(
    args: argparse.Namespace,
    container: Container,
    drawn: Mapping[str, Any],
    files: Mapping[str, Path],
    folder: Path,
    pixels: Path,
) -> None:
    """Let the model predict the drawn images in the container, at batch size 1.

    Raises:
        UsageError: it failed. What it printed last is in the message.
    """
    model = drawn["model"]
    entry = {
        "id": model["id"],
        "model": model["name"],
        "options": model["options"],
        "options_for": model["options_for"],
    }
    if "weights" in files:
        entry["weights"] = str(files["weights"])
    datasets = [
        {"id": id, "dataset": "leaderboard/drawn", "options": {"folder": str(pixels / id)}, "resolution": resolution}
        for id, resolution in drawn["resolutions"].items()
        if id in drawn["images"]
    ]
    suite = {
        "segharness": 1,
        "name": "again",
        "models": [{key: value for key, value in entry.items() if value}],
        "datasets": datasets,
        "conditions": ["clean"],
    }
    (folder / "suite.yaml").write_text(json.dumps(suite))
    container.readable += [pixels, *files.values()]
    command = [str(container.python), "-I", "-m", "segharness", "run", "suite.yaml", "--out", "run", "--no-bootstrap"]
    done = container.run([*command, "-qq", "--devices", args.devices], folder)
    if done.code not in (0, 1) or not (folder / "run/manifest.json").is_file():
        said = [line(text) for text in done.said.strip().splitlines()[-5:]]
        raise UsageError([f"{args.bundle}: its model cannot be run here (exit code {done.code})", *said])


def _say_draw(args: argparse.Namespace, drawn: Mapping[str, Any]) -> None:
    if args.json:
        return
    terms = drawn["terms"]
    images = sum(drawn["images"].values())
    print(
        line(
            f"{args.bundle}: {terms['draws']} draws ({images} pictures), at most {terms['allowed']} mismatches; "
            f"sees a gain of {100 * terms['power']:g} points with {100 * terms['confidence']:g} %"
        ),
        flush=True,
    )


def _say_verdict(args: argparse.Namespace, report: Mapping[str, Any]) -> None:
    for mismatch in report["mismatched"][:20]:
        where = f"{mismatch['dataset']}, image {mismatch['image_id']}, {mismatch['condition']}"
        print(line(f"  mismatch: {where}: agreement {mismatch['agreement']:.2f}"))
    fresh = report["fresh"]["numbers"] if report["fresh"] else []
    for which, numbers in (("again", report["numbers"]), ("fresh", fresh)):
        for number in numbers:
            stored, again, low, high = (100 * number[key] for key in ("stored", "again", "low", "high"))
            mean = report["mean_agreement"].get(number["number"]) if which == "again" else None
            agreed = f", mean agreement {mean:.4f}" if mean is not None else ""
            name = f"{number['number']}, {number['task']}"
            difference = f"difference [{low:.2f}, {high:.2f}]"
            print(line(f"  {name}: AP of images drawn {stored:.2f}, {which} {again:.2f}, {difference}{agreed}"))
    for reason in report["reasons"]:
        print(line(f"refused: {reason}"))
    if report["verdict"] != "reproduced":
        print(line(f"{args.bundle}: REFUSED"))
        return
    sees = f"would have seen a gain of {100 * report['power']:g} points with {100 * report['confidence']:g} %"
    print(line(f"{args.bundle}: reproduced, tier {report['tier']}; {sees}"))
    if not report["seed_given"]:
        print("note: the secret was drawn now, so it proves nothing to others: see --new-secret")


# ------------------------------------------------------------------------------------------------------------ arguments


def _points(text: str) -> float:
    return _between(text, 0.01, 50)


def _fraction(text: str) -> float:
    return _between(text, 0.5, 0.9999)


def _rate(text: str) -> float:
    return _between(text, 0, 0.01)


def _between(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
    return value


def _secret(text: str) -> bytes:
    try:
        return secret_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
