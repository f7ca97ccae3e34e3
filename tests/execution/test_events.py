"""Worker events survive their way through a line of JSON, and anything else is no event."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from segharness.execution import events
from segharness.execution.events import WorkerEvent, from_json, to_json

EVENTS = [
    events.WorkerReady(),
    events.UnitRequested(),
    events.WorkerBroken("no such plugin"),
    events.WorkerLost("out of memory"),
    events.WorkerEnded("exit code 1"),
    events.WorkerEnded("signal 9", "the end | of the log"),
    events.ModelLoading("m"),
    events.ModelLoaded("m", 1.25),
    events.ModelLoadFailed("m", "no weights"),
    events.ModelGivenUp("m", "every call raised"),
    events.Progress(2),
    events.Progress(2, 0.5, 0.125, 3),
    events.ShardWritten(4, "clean"),
    events.ShardWritten(4, "fog-3", 1, "5.png: missing", 64, {"decode": 0.5, "write": 0.25}, 0),
    events.UnitDone(4, ("clean", "fog-3")),
    events.UnitDone(4, (), 0),
    events.UnitFailed(4, ("clean",), "model `m`: fell over"),
    events.UnitFailed(4, ("clean", "fog-3"), "model `m`: fell over", 1),
    events.DiskFull(4, "no space left"),
    events.Message('a line with "quotes" and ünïcode'),
]


def test_every_worker_event_is_tested():
    assert {type(event) for event in EVENTS} == set(get_args(WorkerEvent))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives_json(event):
    restored = from_json(json.loads(json.dumps(to_json(event))))
    assert restored == event and type(restored) is type(event)


@pytest.mark.parametrize(
    "content",
    [
        None,
        3,
        "ready",
        ["event", "ready"],
        {},
        {"event": None},
        {"event": ["ready"]},
        {"event": "unheard-of"},
        {"event": "undone", "images": 2},  # an event of the pool, not of a worker
        {"event": "ready", "error": "an attribute that it does not have"},
        {"event": "broken"},
        {"event": "loaded", "model": "m"},
        {"event": "done", "unit": 4, "conditions": ["clean"], "error": "of another event"},
    ],
)
def test_anything_else_is_no_event(content):
    assert from_json(content) is None
