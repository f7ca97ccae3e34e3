"""From Python: `segharness.run` and `segharness.evaluate`."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest
import segharness


class Blank:
    """A model that never finds anything."""

    categories = ("square", "disc")

    def predict(self, images, prompts=None):
        nothing = np.zeros((0, 4), np.float32)
        return [segharness.Instances(nothing, nothing[:, 0], np.zeros(0, int), []) for _ in images]


def ap(results, model, condition="clean"):
    rows = results.to_pylist()
    return [
        r["value"] for r in rows
        if (r["model"], r["condition"], r["metric"], r["task"], r["category"]) == (model, condition, "AP", "segm", None)
    ]  # fmt: skip


def test_run_returns_the_results(small, monkeypatch):
    monkeypatch.chdir(small.folder)
    results = segharness.run("small.yaml", workers=1)
    assert results.equals(segharness.read_results(small.folder / "runs/small/results.arrow"))
    assert ap(results, "good") == [1.0]
    again = segharness.run("small.yaml", k="clean", out="elsewhere")
    assert pc.sum(pc.is_valid(again.filter(pc.field("metric") == "CD")["value"])).as_py() == 0


def test_evaluate_takes_a_model_object(small, monkeypatch):
    monkeypatch.chdir(small.folder)
    results = segharness.evaluate(Blank(), "small.yaml", name="blank", limit=2)
    assert ap(results, "blank") == [0.0]
    assert set(results["model"].to_pylist()) == {"blank"}
    assert not (small.folder / "runs").exists()


def test_evaluate_compares_with_stored_results(small, monkeypatch):
    monkeypatch.chdir(small.folder)
    segharness.run("small.yaml")
    results = segharness.evaluate(Blank(), "small.yaml", references=["runs/small/results.arrow::good"], out="own")
    [cd] = [r for r in results.to_pylist() if (r["metric"], r["task"]) == ("CD", "segm")]
    assert cd["reference"] == "good" and cd["value"] >= 1


def test_evaluate_refuses_what_is_no_model(small, monkeypatch):
    monkeypatch.chdir(small.folder)
    with pytest.raises(segharness.UsageError, match="has no method `predict`"):
        segharness.evaluate(object(), "small.yaml", limit=1)
    with pytest.raises(segharness.UsageError, match=r"name '\.\./x' must match"):
        segharness.evaluate(Blank(), "small.yaml", name="../x")


def test_failed_cells_are_warned_of(small, monkeypatch):
    class Broken(Blank):
        def predict(self, images, prompts=None):
            raise ValueError("no luck")

    monkeypatch.chdir(small.folder)
    with pytest.warns(UserWarning, match="4 cells failed, their numbers are null; the first: .*no luck"):
        results = segharness.evaluate(Broken(), "small.yaml", limit=1)
    assert set(results.filter(pc.field("metric") == "AP")["value"].to_pylist()) == {None}


def test_usage_errors_are_raised(small, monkeypatch):
    monkeypatch.chdir(small.folder)
    with pytest.raises(segharness.SuiteError, match="no model `a/b`"):
        segharness.run("small.yaml", models=["a/b"])
    with pytest.raises(segharness.UsageError):
        segharness.run("nowhere.yaml")


@pytest.mark.parametrize(
    ("where", "progress", "shown"),
    [
        ("nowhere", None, False),
        ("nowhere", True, True),
        ("terminal", None, True),
        ("terminal", False, False),
        ("notebook", None, True),
        ("notebook", False, False),
    ],
)
def test_progress_is_shown_on_a_terminal_and_in_a_notebook(small, monkeypatch, capsys, where, progress, shown):
    monkeypatch.chdir(small.folder)
    if where == "terminal":
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: where == "notebook")
    monkeypatch.setattr("segharness.execution.monitor.progress.Lines.FIRST", 0)
    segharness.evaluate(Blank(), "small.yaml", name="blank", bootstrap=0, progress=progress)
    assert ("images" in capsys.readouterr().err) == shown
