"""What boxes count in. Needs only Python, 3.8 or later."""

from __future__ import annotations

from typing import Any

UNITS = ("normalised", "pixels", "network_pixels", "network_normalised")
"""Fractions of the image's sides, pixels of the image, or those of what the network was given after scaling."""


def check_unit(boxes: Any, unit: str, given: bool) -> None:
    """Check that boxes can be in a unit.

    Args:
        boxes: (N, 4), as the model gave them.
        unit: one of `UNITS`.
        given: whether the user named the unit, rather than the outputs of the model.

    Raises:
        ValueError: they are fractions although pixels are expected, or the other way round.
    """
    largest = float(abs(boxes).max()) if len(boxes) else 0.0
    if unit.endswith("normalised") and largest > 2:
        raise ValueError(
            f"a box reaches {largest:.6g}, so boxes are not `{unit}`: give the option `boxes` ({', '.join(UNITS)})"
        )
    if unit.endswith("pixels") and not given and 0 < largest <= 1:
        raise ValueError(
            f"no box reaches further than {largest:.6g}, so boxes may not be `{unit}`: give the option `boxes` "
            f"({', '.join(UNITS)})"
        )
