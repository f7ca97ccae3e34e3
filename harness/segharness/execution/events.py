"""The events that workers send to their scheduler and executors send to the run: one dataclass each.

A worker process writes each event as a line of JSON (`to_json`); the reader of its output parses the line
(`from_json`). ``--log-file`` contains the same JSON. The value of ``"event"`` is the class attribute `name`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias

# --------------------------------------------------------------------------- from a worker to its pool, not passed on


@dataclass(frozen=True)
class WorkerReady:
    """A worker process is up: it has loaded its plugins and waits for units."""

    name: ClassVar[str] = "ready"


@dataclass(frozen=True)
class UnitRequested:
    """A worker passed all images of its units to its threads and can take another unit."""

    name: ClassVar[str] = "want"


@dataclass(frozen=True)
class WorkerBroken:
    """A worker could not start."""

    name: ClassVar[str] = "broken"
    error: str


@dataclass(frozen=True)
class WorkerLost:
    """A worker cannot go on and ends. A new worker may run its units."""

    name: ClassVar[str] = "lost"
    error: str


@dataclass(frozen=True)
class WorkerEnded:
    """A worker process ended. It is the last event of every worker, made by the code that started the process.

    Attributes:
        how: ``exit code 1``, ``signal 9``.
        tail: the end of the worker's log.
    """

    name: ClassVar[str] = "ended"
    how: str
    tail: str = ""


@dataclass(frozen=True)
class ModelLoading:
    """A worker begins to load a model."""

    name: ClassVar[str] = "loading"
    model: str


@dataclass(frozen=True)
class ModelLoaded:
    """A worker has loaded a model; `seconds` is how long that took."""

    name: ClassVar[str] = "loaded"
    model: str
    seconds: float


@dataclass(frozen=True)
class ModelLoadFailed:
    """A worker could not load a model."""

    name: ClassVar[str] = "unloadable"
    model: str
    error: str


@dataclass(frozen=True)
class ModelGivenUp:
    """A model failed on every image that a worker gave it, and gets no more there."""

    name: ClassVar[str] = "given_up"
    model: str
    error: str


# -------------------------------------------------------------------------------- from a worker, or a pool, to the run


@dataclass(frozen=True)
class Progress:
    """Predictions were made.

    Attributes:
        images: how many.
        seconds: how long they kept the model's thread.
        waited: the part of `seconds` in which the model waited for images, or for its results to be encoded.
        failed: on how many of the images the model raised, or that could not be read.
        worker: the index of the worker's slot; the worker itself leaves it None.
    """

    name: ClassVar[str] = "progress"
    images: int
    seconds: float = 0.0
    waited: float = 0.0
    failed: int = 0
    worker: int | None = None


@dataclass(frozen=True)
class ProgressUndone:
    """Predictions were lost with the worker that made them; `images` is how many."""

    name: ClassVar[str] = "undone"
    images: int


@dataclass(frozen=True)
class ShardWritten:
    """Both files of one condition of a unit were written.

    Attributes:
        unit: the unit's index.
        condition: the condition's name.
        errors: how many of the images failed.
        first_error: the error of the first image that failed.
        images: how many images the files cover.
        seconds: by stage, as in `segharness.execution.worker.stage_timings.StageTimings`.
        worker: as in `Progress`.
    """

    name: ClassVar[str] = "shard"
    unit: int
    condition: str
    errors: int = 0
    first_error: str | None = None
    images: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    worker: int | None = None


@dataclass(frozen=True)
class UnitDone:
    """A worker has written these conditions of a unit."""

    name: ClassVar[str] = "done"
    unit: int
    conditions: tuple[str, ...]
    worker: int | None = None


@dataclass(frozen=True)
class UnitFailed:
    """These conditions of a unit were given up. Conditions that were written before stay."""

    name: ClassVar[str] = "failed"
    unit: int
    conditions: tuple[str, ...]
    error: str
    worker: int | None = None


@dataclass(frozen=True)
class DiskFull:
    """The disk is full: nothing more can be written, and the executor ends."""

    name: ClassVar[str] = "disk_full"
    unit: int
    error: str


@dataclass(frozen=True)
class Message:
    """A line of text for the user. One that several workers would say is shown `once`."""

    name: ClassVar[str] = "log"
    text: str
    once: bool = False


@dataclass(frozen=True)
class WorkerState:
    """A worker is ``starting``, ``loading``, ``working``, ``idle`` or ``ended``.

    Attributes:
        worker: the index of its slot.
        device: the slot's device, as shown to the user.
        state: one of the five.
        model: the model that it loads or runs.
    """

    name: ClassVar[str] = "worker"
    worker: int
    device: str
    state: str
    model: str = ""


@dataclass(frozen=True)
class TimeLeft:
    """An estimate of how long the remaining work takes, or None if that is unknown. Sent from time to time."""

    name: ClassVar[str] = "left"
    seconds: float | None


RunEvent: TypeAlias = (
    Progress | ProgressUndone | ShardWritten | UnitDone | UnitFailed | DiskFull | Message | WorkerState | TimeLeft
)
"""The events that an executor yields."""

WorkerEvent: TypeAlias = (
    WorkerReady
    | UnitRequested
    | WorkerBroken
    | WorkerLost
    | WorkerEnded
    | ModelLoading
    | ModelLoaded
    | ModelLoadFailed
    | ModelGivenUp
    | Progress
    | ShardWritten
    | UnitDone
    | UnitFailed
    | DiskFull
    | Message
)
"""The events that a worker sends to the code that started it."""

_WORKER_EVENTS: tuple[type[WorkerEvent], ...] = (
    WorkerReady,
    UnitRequested,
    WorkerBroken,
    WorkerLost,
    WorkerEnded,
    ModelLoading,
    ModelLoaded,
    ModelLoadFailed,
    ModelGivenUp,
    Progress,
    ShardWritten,
    UnitDone,
    UnitFailed,
    DiskFull,
    Message,
)
_BY_NAME: Mapping[str, type[WorkerEvent]] = {event_class.name: event_class for event_class in _WORKER_EVENTS}


def to_json(event: RunEvent | WorkerEvent) -> dict[str, Any]:
    """Return an event as a JSON object, without the attributes that are None.

    Example:
        >>> to_json(Progress(images=2, seconds=0.5))
        {'event': 'progress', 'images': 2, 'seconds': 0.5, 'waited': 0.0, 'failed': 0}
    """
    values = {attribute.name: getattr(event, attribute.name) for attribute in fields(event)}
    return {"event": event.name, **{name: value for name, value in values.items() if value is not None}}


def from_json(content: Any) -> WorkerEvent | None:
    """Return the worker event that a JSON object describes, or None if it describes no such event.

    Example:
        >>> from_json({"event": "done", "unit": 3, "conditions": ["clean", "fog-3"]})
        UnitDone(unit=3, conditions=('clean', 'fog-3'), worker=None)
    """
    event_class = _BY_NAME.get(str(content.get("event"))) if isinstance(content, dict) else None
    if event_class is None:
        return None
    values: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    del values["event"]
    try:
        return event_class(**values)
    except TypeError:  # the attributes are not those of the event
        return None
