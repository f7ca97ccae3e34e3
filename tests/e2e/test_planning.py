"""What a command needs before the first cell: planning needs nothing, runs keep what is there, plugins are found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import segharness

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = ("-p", "segharness.testing.sample")
SHIPPED = sorted(str(file.relative_to(REPOSITORY)) for file in (REPOSITORY / "suites").rglob("*.yaml"))


@pytest.mark.parametrize("suite", SHIPPED)
def test_every_suite_is_planned_where_there_is_nothing(harness, suite):
    done = harness("collect", "-q", str(REPOSITORY / suite))
    lacks = [line for line in done.err.splitlines() if line.startswith("missing: ")]
    assert "error" not in done.err and "Traceback" not in done.err
    if "no models" in done.err:
        assert done.code == 5
        return
    assert done.code == 0, done.err
    assert int(done.out.split()[0]) > 0
    if suite not in ("suites/robustness.yaml", "suites/adaptis_toy.yaml"):
        assert any("segharness config set data." in line for line in lacks)
        assert any("segharness datasets" in line for line in lacks)


LACKING = """
segharness: 1
models:
  - {id: a, model: yolo/seg, weights: ./nowhere.onnx}
  - {id: b, model: transformers/mask2former, weights: facebook/mask2former-swin-tiny-coco-instance}
datasets: [{dataset: coco/2017, options: {root: "${coco}"}}]
conditions: [clean]
"""


def test_what_is_missing_is_said_with_its_place_and_stops_a_run(harness):
    harness.write("s.yaml", LACKING)
    done = harness("collect", "s.yaml")
    assert done.code == 0 and "s.yaml::a::coco-2017::clean" in done.out
    assert "missing: s.yaml:3:" in done.err and "nowhere.onnx" in done.err
    assert "missing: s.yaml:5:" in done.err and "segharness config set data.coco DIR" in done.err
    assert "`segharness datasets coco/2017` says how to get its files" in done.err
    done = harness("run", "s.yaml")
    assert done.code == 4 and "error: s.yaml:3:" in done.err and not (harness.folder / "runs").exists()
    assert harness("run", "s.yaml", "--collect-only").code == 0


def test_a_mistake_is_still_one_when_planning(harness):
    harness.write("s.yaml", LACKING.replace("yolo/seg", "yolo/sge"))
    done = harness("collect", "s.yaml")
    assert done.code == 4 and "did you mean `yolo/seg`" in done.err


SUITE = """
segharness: 1
name: s
models: [sample/finder, sample/blind]
reference: sample-finder
datasets: [{dataset: sample/squares, id: squares}]
conditions: [clean]
"""


def test_a_run_does_not_drop_results_of_other_models_or_data(harness):
    harness.write("s.yaml", SUITE)
    assert harness("run", "s.yaml", *SAMPLE).code == 0
    before = (harness.folder / "runs/s/results.arrow").read_bytes()
    one = ("run", "s.yaml", *SAMPLE, "--model", "sample/finder")
    done = harness(*one)
    assert done.code == 4 and "has results of the model `sample-blind`, which this run would drop" in done.err
    done = harness("run", "s.yaml", *SAMPLE, "--dataset", "sample/squares,id=others")
    assert done.code == 4 and "has results of the data set `squares`" in done.err
    assert (harness.folder / "runs/s/results.arrow").read_bytes() == before
    assert harness(*one, "--out", "elsewhere").code == 0
    assert harness("run", "s.yaml", *SAMPLE, "-k", "finder").code == 0  # a selection drops nothing
    more = [word for name in ("finder", "blind", "failing") for word in ("--model", f"sample/{name}")]
    assert harness("run", "s.yaml", *SAMPLE, *more).code == 0
    assert set(harness.results("s").column("model").to_pylist()) == {
        f"sample-{n}" for n in ("finder", "blind", "failing")
    }
    assert harness(*one, "--fresh").code == 0
    assert set(harness.results("s").column("model").to_pylist()) == {"sample-finder"}


def test_p_finds_modules_of_the_working_directory_however_it_is_called(harness):
    harness.write(
        "mine.py",
        """
        from segharness import CorruptionSpec, hookimpl

        @hookimpl
        def segharness_corruptions():
            return [CorruptionSpec("mine/flip", apply="mine:flip")]

        def flip(image, severity, rng):
            return image[::-1].copy()
        """,
    )
    harness.write("s.yaml", SUITE.replace("[clean]", "[clean, mine/flip-1]"))
    script = str(Path(sys.executable).with_name("segharness"))
    for command in ([script], [sys.executable, "-m", "segharness"]):
        done = subprocess.run(
            [*command, "run", "s.yaml", "-p", "mine", *SAMPLE, "--out", f"run{len(command)}"],
            cwd=harness.folder, env=harness.environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_a_suite_without_models_evaluates_an_object(harness):
    harness.write("s.yaml", SUITE.replace("models: [sample/finder, sample/blind]\nreference: sample-finder\n", ""))
    code = """
import segharness
from segharness.testing.sample import Finder
table = segharness.evaluate(Finder(), "s.yaml", plugins=["segharness.testing.sample"])
print([r["value"] for r in table.to_pylist() if r["metric"] == "AP" and r["task"] == "segm" and r["category"] is None])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=harness.folder, env=harness.environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.strip() == "[1.0]", done.stderr
    done = harness("run", "s.yaml", *SAMPLE)
    assert done.code == 4 and "no models: give `models`, `groups`, or --model NAME" in done.err
    assert harness("run", "s.yaml", *SAMPLE, "--model", "sample/finder").code == 0


REPORTER = """
from segharness import ReporterSpec, hookimpl


def pair(report, target):
    target.write_text(str(len(report.tables)))
    folder = report.run
    target.with_name(target.stem + "-cells.txt").write_text(
        "none" if folder is None else str(len(list((folder.path / "predictions").rglob("*.arrow"))))
    )


def pages(report, target):
    (target / "index.html").write_text("<p>")
    (target / "more").mkdir()
    (target / "more/table.html").write_text("<p>")


def raises(report, target):
    target.write_text("half")
    raise ValueError("no layout")


def writes_nothing(report, target):
    pass


def strays(report, target):
    target.write_text("x")
    (target.parent / "other.txt").write_text("x")


@hookimpl
def segharness_reporters():
    return [
        ReporterSpec("pair", write=pair, suffix=".pair.txt"),
        ReporterSpec("pages", write=pages, suffix=""),
        ReporterSpec("raises", write=raises, suffix=".raises"),
        ReporterSpec("nothing", write=writes_nothing, suffix=".nothing"),
        ReporterSpec("strays", write=strays, suffix=".strays"),
    ]
"""


@pytest.fixture
def reported(harness):
    harness.write("reporters.py", REPORTER)
    harness.write("s.yaml", SUITE)
    assert harness("run", "s.yaml", *SAMPLE).code == 0
    return lambda *arguments: harness("report", "-p", "reporters", *arguments)


def test_a_reporter_writes_several_files_and_sees_the_run_folder(harness, reported):
    done = reported("runs/s", "-o", "out/tables.pair.txt")
    assert done.code == 0 and "tables.pair-cells.txt" in done.err, done.err
    assert (harness.folder / "out/tables.pair.txt").read_text() == "2"
    assert (harness.folder / "out/tables.pair-cells.txt").read_text() == "4"
    assert sorted(p.name for p in (harness.folder / "out").iterdir()) == ["tables.pair-cells.txt", "tables.pair.txt"]
    assert reported("runs/s/results.arrow", "-o", "file.pair.txt").code == 0
    assert (harness.folder / "file.pair-cells.txt").read_text() == "none"
    done = reported("runs/s", "--format", "pair")
    assert done.code == 4 and "cannot be printed" in done.err


def test_a_reporter_may_write_a_folder(harness, reported):
    assert reported("runs/s", "--format", "pages", "-o", "site").code == 0
    assert (harness.folder / "site/more/table.html").is_file()
    assert reported("runs/s", "--format", "pages", "-o", "s.yaml").code == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "reporter `raises`: its plugin raised ValueError: no layout"),
        ("nothing", "reporter `nothing`: wrote nothing to"),
        ("strays", "reporter `strays`: wrote other.txt"),
    ],
)
def test_a_broken_reporter_is_one_line_and_leaves_nothing(harness, reported, name, message):
    before = sorted(p.name for p in harness.folder.iterdir() if p.name != "__pycache__")
    done = reported("runs/s", "-o", f"x.{name}")
    assert done.code == 4 and message in done.err and "Traceback" not in done.err
    assert sorted(p.name for p in harness.folder.iterdir() if p.name != "__pycache__") == before
    if name == "raises":
        assert "Traceback" in reported("runs/s", "-o", "x.raises", "-v").err


def test_specs_are_listed_as_json_with_their_groups_of_fields(harness):
    spec = json.loads(harness("models", "sample/finder", *SAMPLE, "--json").out)
    assert spec["weights"]["use"] == "none" and spec["needs"]["device"] == "any" and "factory" not in spec


def test_stored_shards_are_those_of_the_manifest(harness):
    from segharness.store import RunFolder

    harness.write("s.yaml", SUITE)
    assert harness("run", "s.yaml", *SAMPLE).code == 0
    run = RunFolder(harness.folder / "runs/s")
    shards = run.stored_shards("sample-finder", "squares", "clean")
    assert [shard.inputs["shard"] for shard in shards] == [[0, 0, 2], [1, 2, 3]]
    assert sum(shard.predictions.num_rows for shard in shards) == 6
    (harness.folder / "runs/s/predictions/sample-finder/squares/clean/00001.arrow").unlink()
    with pytest.raises(segharness.StoreError, match="has no predictions beside it"):
        run.stored_shards("sample-finder", "squares", "clean")


def test_a_document_replaces_no_pipe_and_follows_links(harness, reported):
    os.mkfifo(harness.folder / "pipe.pair.txt")
    done = reported("runs/s", "-o", "pipe.pair.txt")
    assert done.code == 4 and "is neither a file nor a folder" in done.err
    assert (harness.folder / "pipe.pair.txt").is_fifo()
    real = harness.write("real.csv", "old\n")
    (harness.folder / "link.csv").symlink_to(real)
    assert reported("runs/s", "-o", "link.csv").code == 0
    assert (harness.folder / "link.csv").is_symlink() and "sample-finder" in real.read_text()


def test_what_the_annotations_say_is_said_before_the_first_cell(small):
    """Splits without ground truth, and categories for which a model declares no label."""
    small.write(
        "segharness_plugins.py",
        "from segharness import ModelSpec, hookimpl\n"
        "@hookimpl\n"
        "def segharness_models():\n"
        "    for name, labels in (('half', ('disc',)), ('all', ('disc', 'square')), ('none', ('cat',))):\n"
        "        yield ModelSpec(f'acme/{name}', factory='nowhere:build', categories=labels)\n",
    )
    text = (small.folder / "small.yaml").read_text()
    content = json.loads((small.folder / "coco/annotations.json").read_text())
    content["categories"].append({"id": 9, "name": "star"})
    (small.folder / "coco/annotations.json").write_text(json.dumps(content))
    small.write("small.yaml", text + "scoring: {splits: {stars: [star], squares: [square]}}\n")
    done = small("run", "small.yaml", "--no-bootstrap", "-k", "clean", "--model", "acme/half", "--model", "acme/all",
                 "--model", "acme/none", "--out", "planned", "-qq")  # fmt: skip
    lines = done.err.splitlines()
    notes = [line for line in lines if line.startswith("note: data set") or line.startswith("note: model")]
    assert "note: data set `shapes`: no ground truth of the split `stars`: its numbers will be null" in notes
    assert any("model `acme-half`" in note and "no label for `square`: 1 of 2 categories" in note for note in notes)
    assert any("model `acme-none`" in note and "none of its categories" in note for note in notes)
    assert not any("acme-all" in note or "squares" in note for note in notes)
    first_cell = next(number for number, line in enumerate(lines) if "FAILED" in line or "nowhere" in line)
    assert all(lines.index(note) < first_cell for note in notes)
