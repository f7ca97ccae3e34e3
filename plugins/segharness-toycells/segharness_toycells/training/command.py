"""The command ``python -m PACKAGE.train`` of every network for the toy problem."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from segharness import UsageError

from segharness_toycells.training.loop import Recipe, Task, train


def main(program: str, tasks: Mapping[str, tuple[Task, Recipe]], argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        program: the command's name, for its help.
        tasks: the tasks by the network's name, each with its recipe.
        argv: the arguments; those of the process if None.

    Returns:
        The exit code: 0, 4 for a user's mistake, or 2 if interrupted.
    """
    try:
        return _main(program, tasks, argv)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 4


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise a UsageError instead of ending the process."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def _main(program: str, tasks: Mapping[str, tuple[Task, Recipe]], argv: Sequence[str] | None) -> int:
    parser = _Parser(prog=program, description="Train on the toy problem. Run again, it continues.")
    parser.add_argument("network", choices=list(tasks), help="what to train")
    parser.add_argument(
        "--out", type=Path, help="folder of checkpoint, log and weights; by default a folder in trained/"
    )
    for name, kind in (("steps", int), ("batch", int), ("learning-rate", float), ("seed", int), ("threads", int),
                       ("validate-every", int), ("validation-images", int), ("save-every", int)):  # fmt: skip
        defaults = [f"{getattr(recipe, name.replace('-', '_'))}" for _, recipe in tasks.values()]
        parser.add_argument(f"--{name}", type=kind, help=f"default {' or '.join(dict.fromkeys(defaults))}")
    parser.add_argument("--device", help="default cpu")
    args = parser.parse_args(argv)
    task, recipe = tasks[args.network]
    options = {key: value for key, value in vars(args).items() if key not in ("network", "out") and value is not None}
    cores = os.cpu_count() or 1
    limits = {"seed": (0, 2**63 - 1), "threads": (1, cores), "learning_rate": (1e-12, 1.0)}
    for key, value in options.items():
        low, high = limits.get(key, (1, 10**9))
        if key != "device" and not low <= value <= high:
            parser.error(f"--{key.replace('_', '-')} {value}: must be from {low} to {high}")
    recipe = replace(recipe, **options)
    if args.out is not None and not args.out.name:
        parser.error(f"--out {args.out}: give a folder of its own")
    folder = args.out or Path("trained") / task.name
    try:
        weights = _train_with_progress(task, recipe, folder)
    except KeyboardInterrupt:
        kept = (folder / "checkpoint.pt").exists()
        outcome = (
            f"goes on from the last checkpoint in {folder}" if kept else "begins again: there was no checkpoint yet"
        )
        print(f"interrupted; the same command {outcome}", file=sys.stderr)
        return 2
    except OSError as error:
        raise UsageError(f"--out {folder}: cannot be written: {error.strerror or error}") from error
    print(weights)
    return 0


def _train_with_progress(task: Task, recipe: Recipe, folder: Path) -> Path:
    """Train, with a progress bar on a terminal, and lines of text elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(task.name, total=recipe.steps)

        def report(done: int, line: str) -> None:
            progress.update(bar, completed=done)
            if line:
                console.print(line, highlight=False, soft_wrap=True)

        return train(task, recipe, folder, report)
