"""Runs of other machines, well made: nothing that they name is loaded or written through; `verify` says what is forged.

What breaks the rules of a file is in `test_hostile_runs` and `test_damaged_files`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from segharness.store import RunFolder, manifest_of, read_results, write_results

from tests.e2e.forging import BOOTSTRAP, bomb, changed_shard, commands, forged_everywhere

# ------------------------------------------------------------------------------------------------------------ code

EVIL = "from pathlib import Path\nPath({!r}).write_text('code ran')\n"


def test_no_command_runs_code_that_a_manifest_names(run):
    marker = run.folder / "marker"
    for name in ("segharness_plugins.py", "evil.py", "runs/small/segharness_plugins.py", "runs/small/evil.py"):
        run.write(name, EVIL.format(str(marker)))

    def change(manifest):
        manifest["plugin_arguments"] = {"include": ["evil", "no:coco"], "folders": [str(run.folder), "runs/small"]}
        manifest["suite"]["models"][0]["model"] = f"{run.folder}/evil.py:build"
        manifest["suite"]["models"][1]["foreign"] = f"{run.folder}/evil.py:build"
        manifest["suite"]["models"][1]["python"] = f"{run.folder}/evil.py"

    forged_everywhere(run.folder / "runs/small", change)
    for name, arguments in commands().items():
        if name != "reference":  # there the user's own suite has a plugin beside it
            done = run(*arguments)
            assert done.code == 0, (name, done.err)
            assert not marker.exists(), name


def test_a_plugin_that_a_run_needs_is_asked_for(small):
    small.write(
        "segharness_plugins.py",
        """
        from segharness import Metric, MetricSpec, Score, hookimpl

        def score(request):
            return [Score("count", 1.0)]

        @hookimpl
        def segharness_metrics():
            return [MetricSpec("mine", score=score, metrics=(Metric("count", unit="count"),), tasks=("segm",))]
        """,
    )
    small.write("own.yaml", (small.folder / "small.yaml").read_text() + "scoring: {metrics: [mine]}\n")
    done = small("run", "own.yaml", "--out", "runs/own", *BOOTSTRAP, "-qq")
    assert done.code == 0, done.err
    assert small(*commands("runs/own")["export-results"]).code == 0  # it needs no metric
    for name in ("score", "verify"):
        done = small(*commands("runs/own")[name])
        assert done.code == 4 and "no metric `mine`" in done.err, (name, done.err)
        assert (
            "the run had the plugin `segharness_plugins.py`: if you trust it, install it, or load it with" in done.err
        )
        for given in ("segharness_plugins", "segharness_plugins.py", str(small.folder / "segharness_plugins.py")):
            done = small(*commands("runs/own")[name], "-p", given)
            assert done.code == 0, (name, given, done.err)
    assert small("score", "runs/own", "-p", "nowhere.py").code == 4


def test_a_module_in_the_folder_that_one_is_in_is_not_imported(run):
    """Not even by the process with limits, which is Python started anew."""
    marker = run.folder / "marker"
    evil = run.folder / "downloads"
    for name in ("pyarrow", "numpy", "json", "segharness"):
        run.write(f"downloads/{name}/__init__.py", EVIL.format(str(marker)))
    shutil.move(run.folder / "runs/small", evil / "small")
    command = [str(Path(sys.executable).with_name("segharness"))]
    for words in (["verify", "small"], ["report", "small"], ["score", "small"], ["status", "small"]):
        done = subprocess.run([*command, *words], cwd=evil, env=run.environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not marker.exists(), words


# -------------------------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize("linked", ["predictions", "images", "logs", "predictions/good", "logs/scoring.log"])
def test_nothing_is_written_through_a_link(run, linked):
    outside = run.folder / "outside"
    path = run.folder / "runs/small" / linked
    if linked.endswith(".log"):
        outside.write_text("precious")
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(outside)
    else:
        shutil.move(path, outside) if path.exists() else outside.mkdir()
        path.symlink_to(outside)
    before = sorted(outside.rglob("*")) if outside.is_dir() else outside.read_text()
    for arguments in (("score", "runs/small"), ("run", "small.yaml", "--fresh", "-qq")):
        done = run(*arguments)
        assert done.code in (1, 4) and "Traceback" not in done.err, done
        assert f"{linked}: is" in done.err
    assert (sorted(outside.rglob("*")) if outside.is_dir() else outside.read_text()) == before


def test_a_pipe_among_the_logs_does_not_hang(run):
    (run.folder / "runs/small/logs").mkdir(exist_ok=True)
    os.mkfifo(run.folder / "runs/small/logs/scoring.log")
    done = run("score", "runs/small", timeout=60)
    assert done.code == 4 and "not a regular file" in done.err


# ------------------------------------------------------------------------------------------------------------- verify


def test_verify_says_what_differs(run):
    done = run("verify", "runs/small", "--pixels")
    assert done.code == 0 and "verified; " in done.out and "pixels of 24 images" in done.out, done
    content = read_results(run.folder / "runs/small")
    rows = content.to_pylist()
    row = next(row for row in rows if (row["model"], row["metric"], row["category"]) == ("other", "AP", None))
    row["value"] += 0.05
    table = pa.Table.from_pylist(rows, schema=content.schema.remove_metadata())
    write_results(run.folder / "runs/small/results.arrow", table, manifest_of(content))
    done = run("verify", "runs/small")
    assert done.code == 1 and "other::shapes::clean: AP (coco, segm): `value` is" in done.out
    report = json.loads(run("verify", "runs/small", "--json").out)
    assert report["verified"] is False and report["findings"][0]["place"] == "other::shapes::clean"


def test_verify_refuses_a_bomb_and_a_crash(run):
    shard = RunFolder(run.folder / "runs/small").shard_files("good", "shapes", "clean", 0)
    bomb(shard.images, 4_900_000)
    done = run("verify", "runs/small")
    assert done.code == 1 and "would inflate from" in done.out
    done = run("verify", "runs/small", "--memory", "1", env={"SEGHARNESS_MAX_FILE_MIB": "100000"}, timeout=120)
    assert done.code == 1 and "NOT verified" in done.out, done


def test_verify_ends_what_does_not_end(run):
    """A metric that dies or ends the process is a finding, not a crash of verify."""
    run.write(
        "dies.py",
        """
        import os
        from segharness import DatasetSpec, hookimpl

        def build(**options):
            os.kill(os.getpid(), 9)

        @hookimpl
        def segharness_datasets():
            return [DatasetSpec("coco/instances", factory=build)]
        """,
    )
    done = run("verify", "runs/small", "-p", "dies", "-p", "no:coco")
    assert done.code == 1 and "ended with signal 9" in done.out, done


def test_verify_names_a_shard_that_breaks_a_rule(run):
    def change(predictions, images):
        predictions["score"][0] = float("inf")

    changed_shard(run.folder / "runs/small", change, cell=("good", "shapes", "clean"))
    done = run("verify", "runs/small")
    assert done.code == 1 and "good::shapes::clean" in done.out and "a score is not finite" in done.out
