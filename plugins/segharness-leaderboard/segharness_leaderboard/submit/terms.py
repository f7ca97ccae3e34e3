"""The terms that a submitter agrees to."""

from __future__ import annotations

import hashlib
from importlib.resources import files

VERSION = "1"


def terms() -> str:
    """Return the text of the terms."""
    return files("segharness_leaderboard.submit").joinpath("terms.md").read_text(encoding="utf-8")


def consent() -> dict[str, str]:
    """Return what a model card holds of the consent: the version of the terms, and their digest.

    Example:
        >>> sorted(consent())
        ['sha256', 'terms']
    """
    return {"terms": VERSION, "sha256": hashlib.sha256(terms().encode()).hexdigest()}
