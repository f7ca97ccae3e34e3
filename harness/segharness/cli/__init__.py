"""The command line: `main` and its exit codes; a module a command (`commands/`), and what they share (`arguments/`)."""

from segharness.cli.main import main

__all__ = ["main"]
