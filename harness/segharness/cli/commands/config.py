"""``segharness config``: the user's settings on this machine."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from segharness.cli.exit_codes import Exit
from segharness.errors import UsageError
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import ModelSpec
from segharness.user import config
from segharness.user.user_dirs import config_file


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    setting = actions.add_parser(
        "set",
        help="set the folder of a data set (data.cityscapes DIR) or the interpreter of a framework (python.mmdet FILE)",
    )
    setting.add_argument("key", metavar="KEY")
    setting.add_argument("value", metavar="VALUE")
    getting = actions.add_parser("get", help="print one setting")
    getting.add_argument("key", metavar="KEY")
    unsetting = actions.add_parser("unset", help="remove a setting")
    unsetting.add_argument("key", metavar="KEY")
    actions.add_parser("list", help="print every setting, and the path of the settings file")


def _frameworks(host: PluginHost) -> list[str]:
    """Return the frameworks whose models can run under a foreign interpreter."""
    return sorted({spec.imports for spec in host.all(ModelSpec) if spec.imports and spec.foreign})


def execute(args: argparse.Namespace) -> int:
    if args.action == "set":
        table, name = config.check_key(args.key)
        try:
            path = Path(args.value).expanduser().absolute()
            str(path).encode()
        except (RuntimeError, UnicodeEncodeError) as error:
            raise UsageError(f"{args.value}: cannot be stored as a path: {error}") from error
        kind = "folder" if table == "data" else "interpreter"
        if not args.value or not (path.is_dir() if table == "data" else path.is_file() and os.access(path, os.X_OK)):
            raise UsageError(f"{args.value or 'an empty name'}: no such {kind}")
        config.change(args.key, str(path))
        print(f"{args.key} = {path}  ({config_file()})")
        if table == "python" and name not in (frameworks := _frameworks(args.host)):
            print(
                f"note: no plugin has models of `{name}`; "
                f"plugins have models of {', '.join(frameworks) or 'no framework'}",
                file=sys.stderr,
            )
    elif args.action == "unset":
        config.change(args.key, None)
    elif args.action == "get":
        table, _ = config.check_key(args.key)
        settings = config.settings()
        if args.key not in settings:
            value = "DIR" if table == "data" else "FILE"
            raise UsageError(f"{args.key} is not set; `segharness config set {args.key} {value}`")
        print(settings[args.key])
    else:
        for key, value in config.settings().items():
            print(f"{key} = {value}")
        print(config_file(), file=sys.stderr)
    return Exit.OK
