"""Types of number arguments, for argparse's `type`."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number from 1")
    return int(text)


def natural(text: str) -> int:
    """Parse a whole number of at least 0."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number from 0")
    return int(text)


def seconds(text: str) -> float:
    """Parse a finite number of seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of seconds above 0")
    return value
