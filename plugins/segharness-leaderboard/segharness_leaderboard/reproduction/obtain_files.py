"""Gets the wheel and the weights of a bundle's card: fetched, or copied from files that the operator has."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from segharness import UsageError
from segharness.escaping import line

from segharness_leaderboard.bundle.model_card import ModelCard, Remote
from segharness_leaderboard.reproduction.fetch import fetch


def check_runnable(args: argparse.Namespace, said: Mapping[str, Any]) -> None:
    """Raise UsageError if a bundle says itself that it cannot be reproduced, or a copy that was given is another file."""
    card = ModelCard.from_json(said["card"])
    if said["pixels"] == "unknown":
        raise UsageError(f"{args.bundle}: what pixels the model saw is not known (tier 2 at most)")
    if card.plugin is None:
        raise UsageError(f"{args.bundle}: its card names no wheel (tier 2 at most)")
    if "${" in json.dumps([said["model"]["options"], said["model"]["options_for"]]):
        raise UsageError(
            f"{args.bundle}: an option of its model is the value of a variable, which is not in the bundle"
        )
    for given, remote, flag in ((args.wheel, card.plugin, "--wheel"), (args.weights, card.weights, "--weights")):
        if given is not None and remote is None:
            raise UsageError(f"{flag} {given}: the card names no such file")
        if given is not None and remote is not None:
            _check_copy(given, remote)
        elif remote is not None and not remote.url:
            raise UsageError(f"{args.bundle}: its card has no address of that file: give a copy, {flag} FILE")


def _check_copy(given: Path, remote: Remote) -> None:
    try:
        found = Remote.of_file(given, "")
    except OSError as error:
        raise UsageError(f"{given}: {error.strerror}") from error
    if found.sha256 != remote.sha256:
        raise UsageError(f"{given}: has the SHA-256 {found.sha256[:16]}..., the card says {remote.sha256[:16]}...")


def obtain(args: argparse.Namespace, drawn: Mapping[str, Any], scratch: Path) -> dict[str, Path]:
    """Return the wheel and the weights of a bundle's card, fetched or copied. Digests were compared.

    Raises:
        UsageError: one cannot be had, or is another file.
    """
    card = ModelCard.from_json(drawn["card"])
    folder = scratch / "fetched"
    folder.mkdir()
    files = {}
    if card.plugin is not None:
        files["wheel"] = _obtained(card.plugin, args.wheel, folder, ".whl", args.private_addresses)
    if card.weights is not None:
        files["weights"] = _obtained(card.weights, args.weights, folder, ".safetensors", args.private_addresses)
    return files


def _obtained(remote: Remote, given: Path | None, folder: Path, ending: str, private: bool) -> Path:
    name = given.name if given is not None else unquote(urlsplit(remote.url).path.rpartition("/")[2])
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,200}", name) or not name.endswith(ending):
        raise UsageError(f"{line(remote.url or name)}: is no {ending} file, and nothing else is fetched")
    target = folder / name
    if given is None:
        fetch(remote, target, private_addresses=private)
        return target
    shutil.copyfile(given, target)  # `check_runnable` has compared its digest
    return target
