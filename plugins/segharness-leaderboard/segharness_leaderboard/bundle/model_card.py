"""The card of a submitted model: who made it, from what, and what makes its predictions again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from segharness.digests import file_digest

from segharness_leaderboard.bundle.json_values import DIGEST, date_problem, keys_problems, text_problem, url_problem

LARGEST_REMOTE = 64 << 30
"""Nothing that a card names has more bytes."""


@dataclass(frozen=True)
class Remote:
    """A file that others can fetch.

    Attributes:
        url: an https address; "" while it is not published.
        sha256: of its content, as hex.
        size: in bytes.
    """

    url: str
    sha256: str
    size: int

    @classmethod
    def of_file(cls, file: Path, url: str) -> Remote:
        """Return the entry of a file of one's own that others can fetch at an address.

        Raises:
            OSError: it cannot be read.
        """
        return cls(url, file_digest(file), file.stat().st_size)

    @classmethod
    def problems_of(cls, value: Any) -> Iterator[tuple[str, str]]:
        """Yield the wrong keys of a JSON object that should be one, and what is wrong."""
        wrong = list(keys_problems(value, {"url": str, "sha256": str, "size": int}))
        yield from wrong
        if wrong:
            return
        if value["url"] and (problem := url_problem(value["url"])):
            yield "url", problem
        if not DIGEST.fullmatch(value["sha256"]):
            yield "sha256", "is no SHA-256"
        if not 0 < value["size"] <= LARGEST_REMOTE:
            yield "size", f"is {value['size']}, not from 1 to {LARGEST_REMOTE}"


@dataclass(frozen=True)
class ModelCard:
    """What a submitter says of a model.

    Attributes:
        name: of the model, as a leaderboard shows it.
        team: who submits it.
        licence: of the model, such as an SPDX identifier.
        trained_on: the data sets that it was trained on, those of pretraining included.
        training_corruptions: the corruptions that training augmented with; empty for none.
        resize: how its input is resized, such as ``shorter side 800, longer at most 1333``.
        masks_of: the classes whose masks training used, if not all.
        paper: the https address of the paper; "" if there is none.
        plugin: the wheel whose plugin offers the model; None if there is none.
        weights: the file that the plugin loads, in the safetensors format; None if it needs none or ships them.
        embargo: the date, YYYY-MM-DD, before which the submission is not shown; "" for none.
        consent: the version of the terms that the submitter agrees to, and their digest.

    Example:
        >>> card = ModelCard("m", "t", "MIT", ("COCO train2017",), (), "none", consent={"terms": "1", "sha256": "0" * 64})
        >>> list(ModelCard.problems_of(card.to_json()))
        []
    """

    name: str
    team: str
    licence: str
    trained_on: tuple[str, ...]
    training_corruptions: tuple[str, ...]
    resize: str
    masks_of: str = "all classes"
    paper: str = ""
    plugin: Remote | None = None
    weights: Remote | None = None
    embargo: str = ""
    consent: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the card as a JSON object."""
        return {
            **asdict(self),
            "trained_on": list(self.trained_on),
            "training_corruptions": list(self.training_corruptions),
            "consent": dict(self.consent),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ModelCard:
        """Return the card of a JSON object in which `problems_of` finds nothing."""
        remotes = {key: Remote(**value[key]) if value[key] else None for key in ("plugin", "weights")}
        lists = {key: tuple(value[key]) for key in ("trained_on", "training_corruptions")}
        return cls(**{**value, **remotes, **lists})

    @classmethod
    def problems_of(cls, value: Any) -> Iterator[tuple[str, str]]:
        """Yield the wrong keys of a JSON object that should be a card, and what is wrong."""
        texts = ("name", "team", "licence", "resize", "masks_of", "paper", "embargo")
        lists = ("trained_on", "training_corruptions")
        remotes = ("plugin", "weights")
        none_or_object = (dict, type(None))
        wrong = list(
            keys_problems(
                value,
                dict.fromkeys(texts, str)
                | dict.fromkeys(lists, list)
                | dict.fromkeys(remotes, none_or_object)
                | {"consent": dict},
            )
        )
        yield from wrong
        if wrong:
            return
        for key in texts:
            empty = key in ("paper", "embargo")
            if problem := text_problem(value[key], 100 if key in ("name", "team") else 500, empty=empty):
                yield key, problem
        for key in lists:
            if len(value[key]) > 100:
                yield key, f"has {len(value[key])} entries, more than 100"
            for entry in value[key][:100]:
                if problem := text_problem(entry):
                    yield key, problem
        if not value["trained_on"]:
            yield "trained_on", "names no data set; write `nothing` for a model without training"
        if value["paper"] and (problem := url_problem(value["paper"])):
            yield "paper", problem
        if value["embargo"] and (problem := date_problem(value["embargo"])):
            yield "embargo", problem
        for key in remotes:
            if value[key] is not None:
                yield from ((f"{key}.{part}", problem) for part, problem in Remote.problems_of(value[key]))
        consent = list(keys_problems(value["consent"], {"terms": str, "sha256": str}))
        yield from ((f"consent.{key}", problem) for key, problem in consent)
        if not consent and (
            text_problem(value["consent"]["terms"], 20) or not DIGEST.fullmatch(value["consent"]["sha256"])
        ):
            yield "consent", "is to no version of the terms"
