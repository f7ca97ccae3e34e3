"""The entry point: finds the command, calls it, and turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import inspect
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import NoReturn

from segharness.cli.exit_codes import Exit
from segharness.cli.output import OutputLostError, ReaderGoneError, open_streams, say, silence_stdout
from segharness.errors import UsageError, nearest
from segharness.plugin.first_party import distribution_of, is_installed
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import CommandSpec


class Parser(argparse.ArgumentParser):
    """A parser that reports wrong arguments as usage errors: exit code 4."""

    def error(self, message: str) -> NoReturn:
        """Print the message in one line and exit."""
        say(f"{self.prog}: error: {message} (see {self.prog} --help)")
        raise SystemExit(Exit.USAGE)


def run(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    open_streams()
    if any(word in ("-v", "-vv", "--verbose") for word in arguments):
        from segharness.plugin.failures import show_tracebacks

        show_tracebacks()
    try:
        try:
            return _main(arguments)
        finally:
            sys.stdout.flush()
    except UsageError as error:
        for problem in error.problems:
            say(f"error: {problem}")
        return Exit.USAGE
    except OutputLostError as error:
        say(f"error: {error}; what was computed is in its files")
        return Exit.FAILED
    except (BrokenPipeError, ReaderGoneError):
        silence_stdout()
        return Exit.OK
    except Exception:  # noqa: BLE001  a bug, so it keeps its traceback
        traceback.print_exc()
        say("This is a bug in segharness or in a plugin named above; please report it.")
        return Exit.INTERNAL


def _main(arguments: list[str]) -> int:
    plugins = _plugin_names(arguments)
    host = PluginHost.load(
        PluginArguments(plugins, strict="--strict-plugins" in arguments),
        warn=lambda line: say(f"warning: {line}"),
    )
    commands = {spec.name: spec for spec in host.all(CommandSpec)}
    parser = Parser(
        prog="segharness", description="Which instance segmentation model still works when the world gets ugly?"
    )
    parser.add_argument("--version", action="version", version=f"segharness {_version()}")
    _add_plugin_arguments(parser, False)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    chosen = next((word for word in _positionals(arguments)), None)
    for name in commands:
        sub = subparsers.add_parser(name, help=(text := commands[name].help.replace("%", "%%")), description=text)
        if name == chosen:
            configure = load(commands[name].configure)
            configure(sub, host) if "host" in inspect.signature(configure).parameters else configure(sub)
            for part in _with_parts(sub):
                _add_plugin_arguments(part, argparse.SUPPRESS)
            sub.set_defaults(execute=commands[name].execute)
    if chosen is not None and chosen not in commands:
        distribution = distribution_of("command", chosen)
        if distribution is not None and not is_installed(distribution):
            raise UsageError(f"the command `{chosen}` is not installed: pip install {distribution}")
        raise UsageError(f"no command `{chosen}`{nearest(chosen, commands)}; see segharness --help")
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help()
        return Exit.USAGE
    args.host, args.plugin_names = host, plugins
    if args.command != "plugins":
        host.check_conflicts()
    try:
        return int(load(args.execute)(args))
    except SystemExit as error:
        raise RuntimeError(f"a plugin ended the command `{args.command}`: SystemExit({error.code!r})") from error


def _with_parts(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of a command, and those of its own subcommands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                yield from _with_parts(part)


def _add_plugin_arguments(parser: argparse.ArgumentParser, default: object) -> None:
    group = parser.add_argument_group("plugins")
    group.add_argument(
        "-p",
        dest="_p",
        action="append",
        default=[],
        metavar="NAME",
        help="load a plugin, by name or file.py; no:NAME leaves one out",
    )
    group.add_argument(
        "--strict-plugins", action="store_true", default=default, help="stop if a plugin cannot be loaded"
    )


def _plugin_names(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the values of ``-p``, which are needed before the commands are known."""
    names = []
    words = iter(arguments)
    for word in words:
        if word == "-p":
            names.append(next(words, ""))
        elif word.startswith("-p") and not word.startswith("--"):
            names.append(word[2:])
    return tuple(name for name in names if name)


def _positionals(arguments: Sequence[str]) -> list[str]:
    """Return the words that are not options of the top level; the first is the command."""
    positionals: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "-p":
            next(words, None)
        elif not word.startswith("-"):
            positionals.append(word)
    return positionals


def _version() -> str:
    import importlib.metadata

    return importlib.metadata.version("segharness")
