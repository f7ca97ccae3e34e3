"""The model card on the command line: flags, and questions for what no flag says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from segharness import UsageError
from segharness.escaping import line, visible

from segharness_leaderboard.bundle.model_card import ModelCard, Remote
from segharness_leaderboard.submit.terms import VERSION, consent, terms

_QUESTIONS = {
    "name": "the model's name on a leaderboard",
    "team": "who submits it",
    "licence": "the model's licence, such as Apache-2.0",
    "trained_on": "the data sets that it was trained on, pretraining included, separated by `;`; or nothing",
    "training_corruptions": "the corruptions that training augmented with, separated by `;`; or none",
    "resize": "how its input is resized, such as: shorter side 800, longer at most 1333; or none",
}
"""What a card must have, and how it is asked for."""

_FILES = ("plugin", "weights")


def add_card_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the group `model card`."""
    card = parser.add_argument_group("model card", "what no flag says is asked for on a terminal")
    card.add_argument("--name", metavar="TEXT", help=_QUESTIONS["name"])
    card.add_argument("--team", metavar="TEXT", help=_QUESTIONS["team"])
    card.add_argument("--licence", metavar="TEXT", help=_QUESTIONS["licence"])
    card.add_argument(
        "--trained-on",
        action="append",
        metavar="TEXT",
        help="a data set that it was trained on, pretraining included, or nothing; may be repeated",
    )
    card.add_argument(
        "--training-corruptions",
        action="append",
        metavar="TEXT",
        help="a corruption that training augmented with, or none; may be repeated",
    )
    card.add_argument("--resize", metavar="TEXT", help="how its input is resized, or none")
    card.add_argument(
        "--masks-of", metavar="TEXT", default="all classes", help="the classes whose masks training used; default all"
    )
    card.add_argument("--paper", metavar="URL", default="", help="https address of the paper")
    card.add_argument(
        "--plugin", type=Path, metavar="FILE.whl", help="the wheel of the plugin that offers the model, for tier 3"
    )
    card.add_argument("--plugin-url", metavar="URL", default="", help="where others can fetch that wheel")
    card.add_argument(
        "--weights", type=Path, metavar="FILE.safetensors", help="the file that the model was run with, for tier 3"
    )
    card.add_argument("--weights-url", metavar="URL", default="", help="where others can fetch that file")
    card.add_argument("--embargo", metavar="YYYY-MM-DD", default="", help="do not show the submission before this day")
    card.add_argument(
        "--yes", action="store_true", help="agree to the terms (`segharness submit terms`) without a question"
    )


def card_from(args: argparse.Namespace) -> ModelCard:
    """Return the card that the arguments and the answers give, with the consent.

    Raises:
        UsageError: something is missing and there is no terminal, a file cannot be read, or the terms are not agreed to.
    """
    flags = {key: f"--{key.replace('_', '-')}" for key in _QUESTIONS}
    lacking = [key for key in _QUESTIONS if not getattr(args, key)]
    can_ask = sys.stdin.isatty() and not args.yes
    if lacking and not can_ask:
        raise UsageError([f"{flags[key]}: is missing: {_QUESTIONS[key]}" for key in lacking])
    answers = {key: getattr(args, key) or _asked(f"{_QUESTIONS[key]}: ") for key in _QUESTIONS}
    lists = {key: _list(answers[key], flags[key]) for key in ("trained_on", "training_corruptions")}
    card = ModelCard(
        name=answers["name"],
        team=answers["team"],
        licence=answers["licence"],
        trained_on=lists["trained_on"],
        training_corruptions=() if lists["training_corruptions"] == ("none",) else lists["training_corruptions"],
        resize=answers["resize"],
        masks_of=args.masks_of,
        paper=args.paper,
        plugin=_remote(args.plugin, args.plugin_url, "--plugin", ".whl"),
        weights=_remote(args.weights, args.weights_url, "--weights", ".safetensors"),
        embargo=args.embargo,
        consent=consent(),
    )
    if problems := [f"the card's `{key}` {problem}" for key, problem in ModelCard.problems_of(card.to_json())]:
        raise UsageError(problems)
    _agree(args.yes, can_ask, card)
    return card


def _asked(question: str) -> str:
    """Ask until there is an answer."""
    while True:
        try:
            answer = input(visible(question)).strip()
        except EOFError as error:
            raise UsageError("there was no answer") from error
        if answer:
            return answer


def _list(answer: str | list[str], flag: str) -> tuple[str, ...]:
    parts = answer.split(";") if isinstance(answer, str) else [part for text in answer for part in text.split(";")]
    found = tuple(part.strip() for part in parts if part.strip())
    if len(found) > 1 and {"none", "nothing"} & {part.lower() for part in found}:
        raise UsageError(f"{flag}: says {', '.join(found)}: `none` and `nothing` stand alone")
    return found


def _agree(agreed: bool, can_ask: bool, card: ModelCard) -> None:
    """Show the card and the terms and ask, unless ``--yes`` says so.

    Raises:
        UsageError: the submitter does not agree, or cannot be asked.
    """
    if agreed:
        return
    if not can_ask:
        raise UsageError(
            "--yes: is missing: it says that you agree to the terms, which `segharness submit terms` prints"
        )
    print("\nThe card; flags change what was not asked (see --help):")
    for key, value in card.to_json().items():
        if key != "consent":
            shown = (
                ", ".join(value) if isinstance(value, list) else (value or {}).get("url") if key in _FILES else value
            )
            print(line(f"  {key}: {shown or 'none'}"))
    print(f"\n{terms()}")
    if _asked(f"Do you agree to the terms, version {VERSION}? (yes/no) ").lower() not in ("y", "yes"):
        raise UsageError("nothing was packed: a submission needs the consent to its terms")


def _remote(file: Path | None, url: str, flag: str, ending: str) -> Remote | None:
    if file is None:
        if url:
            raise UsageError(
                f"{flag}-url {url}: give the file, too, {flag} FILE{ending}: its SHA-256 goes into the card"
            )
        return None
    if file.suffix != ending:
        raise UsageError(f"{flag} {file}: is no {ending} file, and nothing else is ever fetched and opened")
    try:
        return Remote.of_file(file, url)
    except OSError as error:
        raise UsageError(f"{flag} {file}: {error.strerror}") from error
