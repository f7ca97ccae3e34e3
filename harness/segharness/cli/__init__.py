"""The command line: `main`, one module per command (`commands/`), and the arguments that they share (`arguments/`)."""

from segharness.cli.main import main

__all__ = ["main"]
