"""Predictions made again are compared in masks and in boxes."""

from __future__ import annotations

import pytest
from segharness import PluginHost
from segharness.plugin.host import PluginArguments
from segharness.store import PREDICTIONS
from segharness_leaderboard.reproduction.comparison import agreements
from segharness_leaderboard.reproduction.sampling import (
    Draw,
)
from segharness_leaderboard.submit import check_bundle

from tests.bundle_desk import PROTOCOL, column


@pytest.mark.parametrize("forged", ["bbox", "mask", None])
def test_boxes_and_masks_are_both_compared(desk, tmp_path, monkeypatch, forged):
    """Whoever forges boxes and leaves the masks, or the other way round, agrees in nothing."""
    import pyarrow as pa

    monkeypatch.chdir(desk.folder)
    host = PluginHost.load(PluginArguments(("segharness.testing.sample",)))
    run = check_bundle(desk.folder / "bundle", host, tmp_path / "scratch", protocol=PROTOCOL, scored=False).run
    made = run.predictions("squares", "clean")
    draws = [Draw("squares", id, "clean") for id in (1, 2, 3)]
    if forged == "bbox":
        made = column(made, PREDICTIONS, "bbox", [[0.0, 0.0, 5.0, 5.0]] * len(made))
    elif forged == "mask":
        made = column(made, PREDICTIONS, "mask", [pa.scalar(b"Pl1").as_py()] * len(made))  # nothing of 48 x 64 pixels
    found = agreements(run, {"squares": made}, {"squares": draws}, ["segm", "bbox"])
    assert [again.agreement for again in found] == [1.0 if forged is None else 0.0] * 3
