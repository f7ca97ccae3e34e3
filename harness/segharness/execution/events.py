"""What workers tell their scheduler, and what an executor tells the run: one dataclass an event.

A worker's process writes each event as a line of JSON (`to_json`), its reader makes the event of the line (`from_json`).
``--log-file`` has the same JSON. The name under ``"event"`` is the class attribute `name`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias

# --------------------------------------------------------------------------- from a worker to its pool, and no further


@dataclass(frozen=True)
class WorkerReady:
    """A worker's process is up: it has its plugins and waits for units."""

    name: ClassVar[str] = "ready"


@dataclass(frozen=True)
class UnitWanted:
    """All images of a worker's units were given to its threads: it can take another unit."""

    name: ClassVar[str] = "want"


@dataclass(frozen=True)
class WorkerBroken:
    """A worker could not start."""

    name: ClassVar[str] = "broken"
    error: str


@dataclass(frozen=True)
class WorkerLost:
    """A worker cannot go on, and ends; a fresh one may do its units."""

    name: ClassVar[str] = "lost"
    error: str


@dataclass(frozen=True)
class WorkerEnded:
    """A worker's process ended. The last event of every worker; whoever started the process makes it.

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
    """A worker has a model, after so many seconds."""

    name: ClassVar[str] = "loaded"
    model: str
    seconds: float


@dataclass(frozen=True)
class ModelUnloadable:
    """A worker could not load a model."""

    name: ClassVar[str] = "unloadable"
    model: str
    error: str


# -------------------------------------------------------------------------------- from a worker, or a pool, to the run


@dataclass(frozen=True)
class Progress:
    """Predictions were made.

    Attributes:
        images: how many.
        seconds: of the model's thread that they took.
        waited: of those, how many the model waited for images, or for its answers to be encoded.
        worker: the number of the worker's slot; None in the process of the worker.
    """

    name: ClassVar[str] = "progress"
    images: int
    seconds: float = 0.0
    waited: float = 0.0
    worker: int | None = None


@dataclass(frozen=True)
class ProgressUndone:
    """So many predictions are lost with the worker that made them."""

    name: ClassVar[str] = "undone"
    images: int


@dataclass(frozen=True)
class ShardWritten:
    """The two files of one condition of a unit were written.

    Attributes:
        unit: the unit's index.
        condition: the condition's name.
        errors: how many of the images failed; `first_error` is what the first of them failed with.
        images: how many images the files are of.
        seconds: by stage, as in `segharness.execution.worker.timings.StageTimings`.
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
    """These conditions of a unit were written."""

    name: ClassVar[str] = "done"
    unit: int
    conditions: tuple[str, ...]
    worker: int | None = None


@dataclass(frozen=True)
class UnitFailed:
    """These conditions of a unit were given up; those that were written before stay."""

    name: ClassVar[str] = "failed"
    unit: int
    conditions: tuple[str, ...]
    error: str
    worker: int | None = None


@dataclass(frozen=True)
class DiskFull:
    """Nothing more can be written; the executor ends."""

    name: ClassVar[str] = "disk_full"
    unit: int
    error: str


@dataclass(frozen=True)
class Message:
    """A line that a person should read."""

    name: ClassVar[str] = "log"
    text: str


@dataclass(frozen=True)
class WorkerState:
    """A worker is ``starting``, ``loading``, ``working``, ``idle`` or ``ended``.

    Attributes:
        worker: the number of its slot.
        device: what a person calls the slot's device.
        state: one of the five.
        model: what it loads or runs.
    """

    name: ClassVar[str] = "worker"
    worker: int
    device: str
    state: str
    model: str = ""


@dataclass(frozen=True)
class TimeLeft:
    """How many seconds all that is left will take; None if that is not known. Told now and then."""

    name: ClassVar[str] = "left"
    seconds: float | None


RunEvent: TypeAlias = (
    Progress | ProgressUndone | ShardWritten | UnitDone | UnitFailed | DiskFull | Message | WorkerState | TimeLeft
)
"""What an executor yields."""

WorkerEvent: TypeAlias = (
    WorkerReady
    | UnitWanted
    | WorkerBroken
    | WorkerLost
    | WorkerEnded
    | ModelLoading
    | ModelLoaded
    | ModelUnloadable
    | Progress
    | ShardWritten
    | UnitDone
    | UnitFailed
    | DiskFull
    | Message
)
"""What a worker tells whoever started it."""

_WORKER_EVENTS: tuple[type[WorkerEvent], ...] = (
    WorkerReady,
    UnitWanted,
    WorkerBroken,
    WorkerLost,
    WorkerEnded,
    ModelLoading,
    ModelLoaded,
    ModelUnloadable,
    Progress,
    ShardWritten,
    UnitDone,
    UnitFailed,
    DiskFull,
    Message,
)
_BY_NAME: Mapping[str, type[WorkerEvent]] = {kind.name: kind for kind in _WORKER_EVENTS}


def to_json(event: RunEvent | WorkerEvent) -> dict[str, Any]:
    """Return an event as a JSON object; attributes that are None are left out.

    Example:
        >>> to_json(Progress(images=2, seconds=0.5))
        {'event': 'progress', 'images': 2, 'seconds': 0.5, 'waited': 0.0}
    """
    values = {attribute.name: getattr(event, attribute.name) for attribute in fields(event)}
    return {"event": event.name, **{name: value for name, value in values.items() if value is not None}}


def from_json(content: Any) -> WorkerEvent | None:
    """Return the event of a worker that a JSON object describes; None if it describes none.

    Example:
        >>> from_json({"event": "done", "unit": 3, "conditions": ["clean", "fog-3"]})
        UnitDone(unit=3, conditions=('clean', 'fog-3'), worker=None)
    """
    kind = _BY_NAME.get(str(content.get("event"))) if isinstance(content, dict) else None
    if kind is None:
        return None
    values: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    del values["event"]
    try:
        return kind(**values)
    except TypeError:  # other attributes than the event has
        return None
