"""The command line itself: help, exit codes, listing, selection."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest


def test_help_names_every_command(harness):
    done = harness("--help")
    assert done.code == 0
    for command in ("run", "collect", "score", "report", "schema", "models", "datasets", "corruptions", "plugins"):
        assert command in done.out


def test_no_command_prints_help_and_is_a_usage_error(harness):
    done = harness()
    assert done.code == 4 and "usage: segharness" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "no command `rnu` (did you mean `run`?)"),
        (["run", "--sned"], "unrecognized arguments: --sned"),
        (["run", "nowhere.yaml"], "no suite nowhere.yaml"),
        (["run"], "no folder suites/ here; name a suite"),
        (["run", "small.yaml", "--var", "x"], "--var x: write NAME=VALUE"),
        (["run", "small.yaml", "--var", "x=1"], "--var x: no suite uses it"),
        (["run", "small.yaml", "-k", "a and"], "-k 'a and', column"),
        (["run", "small.yaml", "--executor", "rya"], "no executor `rya`"),
        (["run", "small.yaml", "--engine", "hotcoc"], "no engine `hotcoc` (did you mean `hotcoco`?)"),
        (["run", "small.yaml", "--workers", "0"], "--workers"),
        (["run", "small.yaml::god"], "small.yaml::god: no such cell (did you mean `good`?)"),
        (["run", "small.yaml", "-p", "nosuchplugin"], "-p nosuchplugin: no plugin or module of that name"),
        (["score", "nowhere"], "nowhere: not a run folder"),
        (["report", "nowhere.arrow"], "no file nowhere.arrow"),
        (["report", "small.yaml"], "not an Arrow file"),
        (["models", "yolo/sge"], "no model `yolo/sge` (did you mean `yolo/seg`?)"),
    ],
)
def test_usage_errors_are_one_message_without_a_traceback(small, arguments, message):
    done = small(*arguments)
    assert done.code == 4, done.err
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (small.folder / "runs").exists()


def test_collect_shows_cells_in_order(small):
    done = small("collect", "small.yaml")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "small.yaml::good::shapes::clean"
    assert lines[-1] == "8 cells"


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["-k", "fog"], 2),
        (["-k", "good and not fog"], 3),
        (["-m", "weather or noise"], 4),
        (["-m", "blur"], 0),
    ],
)
def test_selection(small, arguments, count):
    done = small("collect", "small.yaml", *arguments)
    assert done.code == (0 if count else 5)
    assert f"{count} cells" in done.out + done.err
    ran = small("run", "small.yaml", "--collect-only", *arguments)
    assert (ran.code, ran.out) == (done.code, done.out)


def test_running_nothing_is_code_5(small):
    done = small("run", "small.yaml", "-k", "nothing_like_this")
    assert done.code == 5
    assert not (small.folder / "runs").exists()


def test_the_resolved_suite_is_yaml_with_everything_in_it(small):
    import yaml

    done = small("collect", "small.yaml", "--resolved", "--limit", "3")
    resolved = yaml.safe_load(done.out)
    assert resolved["datasets"][0]["limit"] == 3
    assert resolved["models"][0]["model"] == f"{small.folder}/solver.py:build"
    assert "private" not in resolved and "as_written" not in done.out
    assert [c["name"] for c in resolved["conditions"]] == ["clean", "gaussian_noise-5", "fog-3", "mixed-1"]


def test_the_schema_is_json(harness):
    done = harness("schema")
    assert json.loads(done.out)["title"] == "segharness suite"


@pytest.mark.parametrize(
    ("command", "name"), [("models", "yolo/seg"), ("datasets", "coco/instances"), ("corruptions", "paper15")]
)
def test_listing(harness, command, name):
    assert name in harness(command).out
    assert name in harness(command, name).out
    kinds = json.loads(harness(command, "--json").out)
    assert name in {entry["name"] for entry in kinds}


def test_plugins_are_listed_with_what_they_offer(harness):
    harness.write("segharness_plugins.py", "raise RuntimeError('half written')\n")
    harness.write("suites/segharness_plugins.py", "raise RuntimeError('half written')\n")
    plugins = json.loads(harness("plugins", "--json").out)["plugins"]
    assert ["model", "yolo/seg"] in next(p["offers"] for p in plugins if p["name"] == "yolo")


def test_a_module_that_breaks_is_one_line_and_breaks_nothing(harness):
    harness.write("halfwritten.py", "raise RuntimeError('half written')\n")
    done = harness("--help", "-p", "halfwritten", env={"PYTHONPATH": str(harness.folder)})
    assert done.code == 0 and "datasets" in done.out
    assert done.err.count("half written") == 1 and "Traceback" not in done.err
    listed = harness("plugins", "-p", "halfwritten", env={"PYTHONPATH": str(harness.folder)})
    assert "left out" in listed.out and "half written" in listed.out
    strict = harness("models", "-p", "halfwritten", "--strict-plugins", env={"PYTHONPATH": str(harness.folder)})
    assert strict.code == 4


def test_report_writes_what_its_ending_says(small):
    small("run", "small.yaml", "-qq")
    for ending, sign in ((".csv", "table,model"), (".md", "| model |"), (".tex", r"\toprule")):
        assert small("report", "runs/small", "-o", f"t{ending}").code == 0
        assert sign in (small.folder / f"t{ending}").read_text()
    assert "| model |" in small("report", "runs/small/results.arrow", "--format", "markdown").out
    assert "no format has the ending `.doc`" in small("report", "runs/small", "-o", "t.doc").err


def test_durations_and_verbosity(small):
    done = small("run", "small.yaml", "-v", "--durations", "2")
    assert done.err.count("PASSED") == 8
    assert "slowest 2 cells" in done.out
    quiet = small("run", "small.yaml", "-qq")
    assert quiet.out == "" and quiet.err == ""


def test_two_suites_with_one_name_are_refused(small):
    small.write("again.yaml", (small.folder / "small.yaml").read_text())
    done = small("run", "small.yaml", "again.yaml")
    assert done.code == 4 and "has the name `small` of small.yaml" in done.err


def test_two_suites_run_one_after_another(small):
    small.write("two.yaml", (small.folder / "small.yaml").read_text().replace("name: small", "name: two"))
    done = small("run", "small.yaml", "two.yaml", "-k", "clean", "--out", "both")
    assert done.code == 0, done.err
    assert (small.folder / "both/small/results.arrow").is_file() and (small.folder / "both/two/results.arrow").is_file()


# ------------------------------------------------------------------------------------------------- standard output


@pytest.fixture
def ran(harness):
    harness.write(
        "s.yaml", "{segharness: 1, name: s, models: [sample/finder], datasets: [sample/squares], conditions: [clean]}"
    )
    harness.write("table.csv", "model,clean,fog\na,40,20\nb,50,10\n")
    assert harness("run", "s.yaml", *SAMPLE, "-qq").code == 0
    return harness


SAMPLE = ("-p", "segharness.testing.sample")
PRINTING = {
    "run": ("run", "s.yaml", *SAMPLE),
    "score": ("score", "runs/s", *SAMPLE),
    "report": ("report", "runs/s"),
    "report as a document": ("report", "runs/s", "--format", "csv"),
    "status": ("status", "runs/s"),
    "collect": ("collect", "s.yaml", *SAMPLE),
    "degradation": ("degradation", "table.csv", "--reference", "a", "--clean", "clean", "--percent"),
    "models": ("models",),
    "help": ("run", "--help"),
    "schema": ("schema",),
}


@pytest.mark.parametrize(
    ("name", "closed"),
    [*((name, ">&-") for name in PRINTING), ("run", "2>&-"), ("run", ">&- 2>&-"), ("report", ">&- <&- 2>&-")],
)
def test_closed_streams_cost_nothing(ran, name, closed):
    """As under cron and in daemons."""
    before = {path: path.read_bytes() for path in ran.folder.rglob("*.arrow")}
    command = shlex.join(ran.arguments(*PRINTING[name])) + f" {closed}"
    done = subprocess.run(command, shell=True, cwd=ran.folder, env=ran.environment(), capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("name", PRINTING)
def test_a_full_disk_under_the_output_is_one_line(ran, name):
    command = shlex.join(ran.arguments(*PRINTING[name])) + " > /dev/full"
    done = subprocess.run(command, shell=True, cwd=ran.folder, env=ran.environment(), capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if "standard output" in line]
    kept = "the results are in runs/s" if name == "run" else "what was computed is in its files"
    assert done.returncode == 1 and lines == [f"error: standard output: No space left on device; {kept}"], done
    assert "Traceback" not in done.stderr and "bug" not in done.stderr


@pytest.mark.parametrize("name", ["run", "report", "status", "schema", "models"])
def test_a_reader_that_is_gone_is_no_mistake(ran, name):
    script = f"{{ {shlex.join(ran.arguments(*PRINTING[name]))}; echo code $? >&2; }} | true"
    done = subprocess.run(script, shell=True, cwd=ran.folder, env=ran.environment(), capture_output=True, text=True)
    assert "code 0" in done.stderr and "Traceback" not in done.stderr and "bug" not in done.stderr, done
