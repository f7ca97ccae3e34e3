"""The arguments that the executor adds to ``segharness run``."""

from __future__ import annotations

import argparse


def configure(group: argparse._ArgumentGroup) -> None:
    """Add ``--ray-address`` and ``--ray-cpus`` to a group of arguments."""
    group.add_argument(
        "--ray-address",
        default="auto",
        metavar="ADDRESS",
        help="auto (this machine's cluster, or RAY_ADDRESS), host:port, ray://host:port, or local (start one); "
        "default auto",
    )
    group.add_argument("--ray-cpus", type=_cpus, metavar="N", help="cores for each worker; default an even share")


def _cpus(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number from 1")
    return int(text)
