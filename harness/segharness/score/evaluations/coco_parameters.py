"""What a suite may set of the COCO evaluation: IoU thresholds, area ranges, maxDets, class-agnostic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segharness.errors import UsageError, nearest

ALL_AREAS = (0.0, 1e10)
AREAS: Mapping[str, tuple[float, float]] = {"S": (0.0, 32.0**2), "M": (32.0**2, 96.0**2), "L": (96.0**2, 1e10)}
"""COCO's ranges in square pixels, both ends inside."""

_MOST_DETECTIONS = 1_000_000

_KEYS = ("iou_thresholds", "areas", "max_dets", "class_agnostic")


@dataclass(frozen=True)
class CocoParameters:
    """How cells are evaluated; the defaults are COCO's own.

    Attributes:
        thresholds: IoU thresholds, rising; None for .5:.05:.95.
        areas: ranges besides all, by the name that metrics have behind ``AP_``.
        max_dets: detections an image and category (an image, when class-agnostic), rising; the last one is AP's.
        class_agnostic: categories are not looked at.
    """

    thresholds: tuple[float, ...] | None = None
    areas: tuple[tuple[str, float, float], ...] = tuple((name, *limits) for name, limits in AREAS.items())
    max_dets: tuple[int, ...] = (1, 10, 100)
    class_agnostic: bool = False

    @property
    def iou(self) -> npt.NDArray[np.float64]:
        """The thresholds, float64 (T,)."""
        if self.thresholds is None:
            return np.linspace(0.5, 0.95, 10)
        return np.array(self.thresholds)

    @property
    def ranges(self) -> list[list[float]]:
        """The area ranges, all first, then `areas`."""
        return [list(ALL_AREAS), *([low, high] for _, low, high in self.areas)]

    def single(self) -> dict[str, int]:
        """Return the metrics of single thresholds (``AP50``), and the thresholds' positions."""
        shown = (0.5, 0.75) if self.thresholds is None else self.thresholds
        every = [round(float(t), 6) for t in self.iou]
        return {f"AP{round(100 * t, 6):g}": every.index(round(t, 6)) for t in shown}

    def metrics(self) -> tuple[str, ...]:
        """Return the names of all numbers; by default COCO's 12, in pycocotools' order."""
        areas = [name for name, _, _ in self.areas]
        return (
            "AP",
            *self.single(),
            *(f"AP_{name}" for name in areas),
            *(f"AR{limit}" for limit in self.max_dets),
            *(f"AR_{name}" for name in areas),
        )


def read(options: Mapping[str, Any]) -> CocoParameters:
    """Return the parameters that a suite's options describe.

    Raises:
        UsageError: with all mistakes found.
    """
    problems = [f"no option `{key}`{nearest(key, _KEYS)}" for key in options if key not in _KEYS]
    defaults = CocoParameters()
    thresholds, areas, max_dets = defaults.thresholds, defaults.areas, defaults.max_dets
    if "iou_thresholds" in options:
        found = _numbers(options["iou_thresholds"])
        if not found or not all(0 < t <= 1 for t in found) or sorted(set(found)) != found:
            problems.append(
                f"`iou_thresholds` is {_shown(options['iou_thresholds'])}, not rising numbers above 0 and up to 1"
            )
        else:
            thresholds = tuple(found)
    if "max_dets" in options:
        given = options["max_dets"]
        whole = isinstance(given, Sequence) and all(type(k) is int and 0 < k <= _MOST_DETECTIONS for k in given)
        if not given or not whole or sorted(set(given)) != list(given):
            problems.append(f"`max_dets` is {_shown(given)}, not rising whole numbers from 1 to {_MOST_DETECTIONS}")
        else:
            max_dets = tuple(given)
    if "areas" in options:
        areas = tuple(_areas(options["areas"], problems))
    agnostic = options.get("class_agnostic", False)
    if not isinstance(agnostic, bool):
        problems.append(f"`class_agnostic` is {_shown(agnostic)}, not true or false")
    if problems:
        raise UsageError(problems)
    return CocoParameters(thresholds, areas, max_dets, bool(agnostic))


def configure(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the metrics that a suite's options lead to; raises UsageError as `read` does."""
    return read(options).metrics()


def _areas(given: Any, problems: list[str]) -> list[tuple[str, float, float]]:
    found = []
    taken: dict[tuple[float, ...], str] = {ALL_AREAS: "all areas"}
    if not isinstance(given, Mapping):
        problems.append(f"`areas` is {_shown(given)}, not a mapping from names to [from, to] in square pixels")
        return []
    for name, limits in given.items():
        pair = _numbers(limits)
        if len(pair) != 2 or not 0 <= pair[0] < pair[1]:
            problems.append(f"`areas`: {name} is {_shown(limits)}, not [from, to] in square pixels")
        elif tuple(pair) in taken:
            problems.append(f"`areas`: {name} is {_shown(limits)}, the same as {taken[tuple(pair)]}")
        else:
            taken[tuple(pair)] = str(name)
            found.append((str(name), pair[0], pair[1]))
    return found


def _numbers(given: Any) -> list[float]:
    """Return a list of finite numbers; nothing where it is none."""
    if not isinstance(given, (list, tuple)):
        return []
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) and np.isfinite(v) for v in given):
        return []
    return [float(v) for v in given]


def _shown(value: Any) -> str:
    return f"{value!r:.60}"
