"""``python -m ... .train``: the command of every network of the toy problem."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from segharness import UsageError

from segharness_toycells.training.loop import Recipe, Task, train


def main(program: str, tasks: Mapping[str, tuple[Task, Recipe]], argv: Sequence[str] | None = None) -> int:
    """Train as the command line says.

    Args:
        program: how the command is called.
        tasks: what can be trained, each with the recipe of its shipped weights; the first is the default.
        argv: the arguments.

    Returns:
        The exit code: 0, or 4 for a mistake, 2 when interrupted.
    """
    parser = argparse.ArgumentParser(prog=program, description="Train on the toy problem, or go on after a kill.")
    first, recipe = next(iter(tasks)), next(iter(tasks.values()))[1]
    if len(tasks) > 1:
        parser.add_argument("network", choices=list(tasks))
    parser.add_argument("--out", type=Path, help="folder of checkpoint, log and weights; trained/NETWORK")
    for name, kind in (("steps", int), ("batch", int), ("learning-rate", float), ("seed", int), ("threads", int),
                       ("validate-every", int), ("validation-images", int), ("save-every", int)):  # fmt: skip
        default = getattr(recipe, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=kind, help=f"default {default}" if len(tasks) == 1 else None)
    args = parser.parse_args(argv)
    task, recipe = tasks[getattr(args, "network", first)]
    given = {key: value for key, value in vars(args).items() if key not in ("network", "out") and value is not None}
    for key, value in given.items():
        if (value < (0 if key == "seed" else 1) and key != "learning_rate") or value < 0:
            parser.error(f"--{key.replace('_', '-')} {value}: must be positive")
    recipe = replace(recipe, **given)
    folder = args.out or Path("trained") / task.name
    try:
        weights = _watched(task, recipe, folder)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on from {folder / 'checkpoint.pt'}", file=sys.stderr)
        return 2
    print(weights)
    return 0


def _watched(task: Task, recipe: Recipe, folder: Path) -> Path:
    """Train with a progress bar on a terminal and with plain lines in a log."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(task.name, total=recipe.steps)

        def report(done: int, line: str) -> None:
            progress.update(bar, completed=done)
            if line:
                console.print(line, highlight=False, soft_wrap=True)

        return train(task, recipe, folder, report)
