"""The options of the evaluation ``coco`` in a suite: IoU thresholds, area ranges, maxDets, class-agnostic."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segharness.errors import UsageError, nearest
from segharness.plugin.metric_specs import Metric

ALL_AREAS = (0.0, 1e10)
AREAS: Mapping[str, tuple[float, float]] = {"S": (0.0, 32.0**2), "M": (32.0**2, 96.0**2), "L": (96.0**2, 1e10)}
"""COCO's area ranges in square pixels; both ends belong to the range."""

_AREA_NAME = re.compile(r"[\w.-]+")
_MOST_DETECTIONS = 1_000_000

_MOST_VALUES = 100
"""An option has no more values: every cell is matched for each of them."""

_KEYS = ("iou_thresholds", "areas", "max_dets", "class_agnostic")


@dataclass(frozen=True)
class CocoParameters:
    """How cells are evaluated; the defaults are COCO's own.

    Attributes:
        thresholds: the IoU thresholds, rising; None for .5:.05:.95.
        areas: (name, from, to) of the area ranges besides all areas, in square pixels. ``AP_name`` is a range's metric.
        max_dets: limits on the detections of an image and category (of an image, if class-agnostic), rising. AP uses
            the last one, AR each one.
        class_agnostic: whether categories are ignored.

    Example:
        >>> CocoParameters(max_dets=(100,)).names()
        ('AP', 'AP50', 'AP75', 'AP_S', 'AP_M', 'AP_L', 'AR100', 'AR_S', 'AR_M', 'AR_L')
    """

    thresholds: tuple[float, ...] | None = None
    areas: tuple[tuple[str, float, float], ...] = tuple((name, *limits) for name, limits in AREAS.items())
    max_dets: tuple[int, ...] = (1, 10, 100)
    class_agnostic: bool = False

    @property
    def iou(self) -> npt.NDArray[np.float64]:
        """The IoU thresholds, float64 (T,)."""
        if self.thresholds is None:
            return np.linspace(0.5, 0.95, 10)
        return np.array(self.thresholds)

    @property
    def ranges(self) -> list[list[float]]:
        """The area ranges [from, to]: all areas, then `areas`."""
        return [list(ALL_AREAS), *([low, high] for _, low, high in self.areas)]

    def single_threshold_metrics(self) -> dict[str, int]:
        """Return the metrics of single thresholds, such as ``AP50``, with the positions of the thresholds in `iou`."""
        reported = (0.5, 0.75) if self.thresholds is None else self.thresholds
        thresholds = [round(float(t), 6) for t in self.iou]
        return {f"AP{round(100 * t, 6):g}": thresholds.index(round(t, 6)) for t in reported}

    def names(self) -> tuple[str, ...]:
        """Return the names of all metrics; by default COCO's 12, in pycocotools' order."""
        return tuple(metric.name for metric in self.metrics())

    def metrics(self) -> tuple[Metric, ...]:
        """Return all metrics; by default COCO's 12, in pycocotools' order."""
        thresholds = ", ".join(f"{t:g}" for t in self.thresholds) if self.thresholds is not None else ".5:.05:.95"
        mean = f"mean over IoU {thresholds}" + ("" if self.class_agnostic else " and categories")
        areas = [(name, f"of objects of {low:g} to {high:g} pixels") for name, low, high in self.areas]
        return (
            Metric("AP", degradation=True, formula=f"{mean} of the area under precision over recall at 101 points"),
            *(Metric(name, formula=f"AP at IoU {float(name[2:]) / 100:g}") for name in self.single_threshold_metrics()),
            *(Metric(f"AP_{name}", formula=f"AP {objects}") for name, objects in areas),
            *(
                Metric(f"AR{limit}", formula=f"mean recall, at most {limit} detections an image")
                for limit in self.max_dets
            ),
            *(Metric(f"AR_{name}", formula=f"recall {objects}") for name, objects in areas),
        )


def read(options: Mapping[str, Any]) -> CocoParameters:
    """Return the parameters that a suite's options describe.

    Raises:
        UsageError: the options are wrong; the error lists all mistakes.
    """
    problems = [f"no option `{key}`{nearest(key, _KEYS)}" for key in options if key not in _KEYS]
    defaults = CocoParameters()
    thresholds, areas, max_dets = defaults.thresholds, defaults.areas, defaults.max_dets
    if "iou_thresholds" in options:
        numbers = _numbers(options["iou_thresholds"])
        if not numbers or not all(0 < t <= 1 for t in numbers) or sorted(set(numbers)) != numbers:
            problems.append(
                f"`iou_thresholds` is {_short_repr(options['iou_thresholds'])}, not rising numbers above 0 and up to 1"
            )
        else:
            thresholds = tuple(numbers)
    if "max_dets" in options:
        limits = options["max_dets"]
        valid = isinstance(limits, Sequence) and all(type(k) is int and 0 < k <= _MOST_DETECTIONS for k in limits)
        if not limits or not valid or sorted(set(limits)) != list(limits):
            problems.append(
                f"`max_dets` is {_short_repr(limits)}, not rising whole numbers from 1 to {_MOST_DETECTIONS}"
            )
        else:
            max_dets = tuple(limits)
    if "areas" in options:
        areas = tuple(_areas(options["areas"], problems))
    agnostic = options.get("class_agnostic", False)
    if not isinstance(agnostic, bool):
        problems.append(f"`class_agnostic` is {_short_repr(agnostic)}, not true or false")
    for key, values in (("iou_thresholds", thresholds or ()), ("areas", areas), ("max_dets", max_dets)):
        if len(values) > _MOST_VALUES:
            problems.append(f"`{key}` has {len(values)} values, more than {_MOST_VALUES}")
    if problems:
        raise UsageError(problems)
    return CocoParameters(thresholds, areas, max_dets, bool(agnostic))


def configure(options: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Return the metrics that the evaluation has under a suite's options.

    Raises:
        UsageError: the options are wrong; the error lists all mistakes.
    """
    return read(options).metrics()


def _areas(spec: Any, problems: list[str]) -> list[tuple[str, float, float]]:
    areas = []
    names_by_range: dict[tuple[float, ...], str] = {ALL_AREAS: "all areas"}
    if not isinstance(spec, Mapping):
        problems.append(f"`areas` is {_short_repr(spec)}, not a mapping from names to [from, to] in square pixels")
        return []
    for name, value in spec.items():
        limits = _numbers(value)
        if not _AREA_NAME.fullmatch(str(name)):
            problems.append(f"`areas`: {_short_repr(name)} is not a name of letters, digits, `_`, `-` and `.`")
        elif len(limits) != 2 or not 0 <= limits[0] < limits[1]:
            problems.append(f"`areas`: {name} is {_short_repr(value)}, not [from, to] in square pixels")
        elif tuple(limits) in names_by_range:
            problems.append(f"`areas`: {name} is {_short_repr(value)}, the same as {names_by_range[tuple(limits)]}")
        else:
            names_by_range[tuple(limits)] = str(name)
            areas.append((str(name), limits[0], limits[1]))
    return areas


def _numbers(value: Any) -> list[float]:
    """Return a list of finite numbers as floats; an empty list if it is anything else."""
    if not isinstance(value, (list, tuple)):
        return []
    if not all(
        isinstance(number, (int, float)) and not isinstance(number, bool) and np.isfinite(number) for number in value
    ):
        return []
    return [float(number) for number in value]


def _short_repr(value: Any) -> str:
    return f"{value!r:.60}"
