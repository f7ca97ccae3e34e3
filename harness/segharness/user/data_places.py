"""Where data lie on this machine, by their digests: what a run folder must not say, because it may be shared.

Every run remembers its data sets and stored references here. Scoring asks here, so a run folder that came from
elsewhere cannot name a file of this machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from segharness.digests import digest as digest_of
from segharness.store.atomic import write_atomic
from segharness.user.user_dirs import state_folder

Kind = Literal["dataset", "results"]
"""What can lie somewhere: a data set, or the results that serve as a reference."""

_MOST = 8
"""How many places of the same data are remembered."""

_LARGEST = 1 << 20
"""No file of places is larger, in bytes."""


def remember(kind: Kind, digest: str, place: Mapping[str, Any]) -> None:
    """Remember where data lie; the latest place comes first.

    Args:
        kind: of the data.
        digest: of their content.
        place: for a data set the `name` that its plugin offers and the `options` that open it; for results the `file`.

    Raises:
        OSError: it cannot be written.
    """
    known = recall(kind, digest)
    if known[:1] == [place]:
        return
    places = [place, *(other for other in known if other != place)][:_MOST]
    file = _file(kind, digest)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(file, (json.dumps({"digest": digest, "places": places}, indent=1) + "\n").encode(), mode=0o600)


def recall(kind: Kind, digest: str) -> list[dict[str, Any]]:
    """Return the places where data lay, the latest first; empty if none is known or the file is damaged."""
    file = _file(kind, digest)
    try:
        with file.open("rb") as stream:
            content = json.loads(stream.read(_LARGEST))
        places = content["places"] if content["digest"] == digest else []
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return []
    return [place for place in places if isinstance(place, dict)] if isinstance(places, list) else []


def _file(kind: Kind, digest: str) -> Path:
    return state_folder() / "places" / f"{kind}-{digest_of(digest)}.json"
