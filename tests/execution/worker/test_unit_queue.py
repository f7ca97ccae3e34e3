"""The queue of a worker: what wakes one call is not lost on another, so an interrupted worker ends."""

from __future__ import annotations

import threading

import pytest
from segharness.execution.events import UnitRequested
from segharness.execution.worker.main import _UnitQueue


def waited(units, seconds=0.3):
    """Call `next(True)` in a thread; return its result in a list, which is empty while it waits."""
    found = []
    thread = threading.Thread(target=lambda: found.append(units.next(True)), daemon=True)
    thread.start()
    thread.join(seconds)
    return found


@pytest.mark.parametrize("before", [0, 1, 5])
def test_the_end_wakes_every_call(before):
    """The prefetcher asks without waiting first; that call must not swallow the end."""
    units = _UnitQueue(lambda event: None)
    units.put(None, end=True)
    for _ in range(before):
        assert units.next(False) is None
    assert waited(units) == [None] and waited(units) == [None] and units.ended


@pytest.mark.parametrize("before", [0, 1, 5])
def test_a_release_wakes_the_next_call_that_waits_and_no_further_one(before):
    units = _UnitQueue(lambda event: None)
    units.put(None)
    for _ in range(before):
        assert units.next(False) is None
    assert waited(units) == [None]
    still = waited(units)
    assert still == []
    units.put(None, end=True)  # ends the thread that waits


def test_units_come_before_the_end():
    units = _UnitQueue(lambda event: None)
    units.put("a")
    units.put("b")
    units.put(None, end=True)
    assert [units.next(True), units.next(False), units.next(True)] == ["a", "b", None]


def test_a_unit_after_a_release_is_taken():
    units = _UnitQueue(lambda event: None)
    units.put(None)
    units.put("a")
    assert units.next(True) == "a" and waited(units) == []
    units.put(None, end=True)


def test_a_unit_is_asked_for_once():
    events = []
    units = _UnitQueue(events.append)
    units.next(False)
    units.next(False)
    assert events == [UnitRequested()]
    units.put("a")
    assert units.next(True) == "a"
    units.next(False)
    assert events == [UnitRequested()] * 2
