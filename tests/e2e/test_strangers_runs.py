"""Runs of other machines: nothing that they name is loaded, opened or written to, and they hold no secret of ours.

What breaks the rules of a file is in `test_hostile_runs`; here the files are well made and name what they should not.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from segharness.store import RunFolder, manifest_of, read_results, write_results

from tests.e2e.test_hostile_runs import bomb, changed_shard, edited

BOOTSTRAP = ("--bootstrap", "100")


@pytest.fixture
def run(small):
    """The command line beside a run of two models on a COCO data set."""
    done = small("run", "small.yaml", *BOOTSTRAP, "-qq")
    assert done.code == 0, done.err
    return small


def forget(monkeypatch, tmp_path):
    """Make this another machine: it remembers no data."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another/state"))


def commands(name="runs/small"):
    """Every command that reads a run folder."""
    return {
        "score": ("score", name, *BOOTSTRAP),
        "report": ("report", name),
        "compare": ("compare", f"{name}::good", f"{name}::other"),
        "status": ("status", name),
        "export-results": ("export-results", name, "-o", "out"),
        "verify": ("verify", name),
        "reference": (
            "run", "small.yaml", "--out", "second", *BOOTSTRAP, "--model", "solver.py:build,id=third",
            "--reference", f"{name}/results.arrow::good",
        ),
    }  # fmt: skip


def forged_everywhere(folder, change):
    """Change the manifest of a run, and the one within results.arrow, as a forger would."""
    edited(folder, change)
    content = read_results(folder)
    manifest = manifest_of(content)
    change(manifest)
    write_results(folder / "results.arrow", content, manifest)


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


# ----------------------------------------------------------------------------------------------------- where data lie


def test_what_a_machine_ran_it_scores_again(run):
    before = (run.folder / "runs/small/results.arrow").read_bytes()
    for name, arguments in commands().items():
        done = run(*arguments)
        assert done.code == 0, (name, done.err)
    assert (run.folder / "runs/small/results.arrow").read_bytes() == before


@pytest.mark.parametrize("way", ["--dataset", "--dataset with its name", "--var", "settings", "remembered"])
def test_a_run_of_another_machine_is_scored_where_it_lies(small, monkeypatch, tmp_path, way):
    """Data and folder lie elsewhere there; the numbers are the same bits."""
    text = (small.folder / "small.yaml").read_text()
    for name in ("annotations.json", "images"):
        text = text.replace(f"coco/{name}", f'"${{DATA}}/{name}"')
    small.write("small.yaml", text)
    assert small("run", "small.yaml", *BOOTSTRAP, "-qq", "--var", f"DATA={small.folder}/coco").code == 0
    before = (small.folder / "runs/small/results.arrow").read_bytes()
    forget(monkeypatch, tmp_path)
    shutil.move(small.folder / "coco", small.folder / "elsewhere")
    shutil.move(small.folder / "runs/small", small.folder / "received")
    received = commands("received")
    for name in ("score", "export-results", "verify"):
        done = small(*received[name])
        assert done.code == 4 and "data set `shapes` (`coco/instances`, digest" in done.err, (name, done.err)
        assert "where it lies on this machine is not known: give --dataset" in done.err
    options = "annotations=elsewhere/annotations.json,images=elsewhere/images"
    if way == "settings":
        assert small("config", "set", "data.DATA", "elsewhere").code == 0
    if way == "remembered":
        assert small(*received["score"], "--dataset", f"shapes={options}").code == 0
    given = {
        "--dataset": ("--dataset", f"shapes={options}"),
        "--dataset with its name": ("--dataset", f"shapes=coco/instances,{options}"),
        "--var": ("--var", "DATA=elsewhere"),
    }.get(way, ())
    for name in ("verify", "score", "export-results"):
        done = small(*received[name], *given)
        assert done.code == 0, (name, done.err)
    for name in ("report", "compare", "status"):
        assert small(*received[name]).code == 0, name
    assert small(*received["verify"]).code == 0  # once said, it is remembered
    assert (small.folder / "received/results.arrow").read_bytes() == before


def test_another_data_set_is_refused(run, monkeypatch, tmp_path, make_coco):
    forget(monkeypatch, tmp_path)
    make_coco("wrong", seed=9)
    for name in ("score", "export-results", "verify"):
        where = f"shapes=annotations={tmp_path}/wrong/annotations.json,images={tmp_path}/wrong/images"
        done = run(*commands()[name], "--dataset", where)
        assert done.code == 4 and "this is not the data set of the run: its digest differs" in done.err, (
            name,
            done.err,
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("shapes", "write shapes=KEY=VALUE"),
        ("shapes=annotations", "write shapes=KEY=VALUE"),
        ("shapes=annotations=coco/annotations.json", "its digest differs; the run also had the option `images`"),
        ("shape=annotations=a.json", "the run has no data set `shape` (did you mean `shapes`?)"),
        ("shapes=annotations=nowhere.json", "no file or folder"),
        ("shapes=annotatoins=coco/annotations.json", "has no option `annotatoins`"),
        ("shapes=toycells/quick,enlarged=2", "`toycells/quick` is not the run's `coco/instances`"),
    ],
)
def test_a_wrong_place_is_one_clear_message(run, given, message):
    done = run("score", "runs/small", "--dataset", given)
    assert done.code == 4 and message in done.err and "Traceback" not in done.err


def test_data_that_moved_or_changed_since_are_said(run):
    shutil.move(run.folder / "coco", run.folder / "elsewhere")
    done = run("score", "runs/small")
    assert done.code == 4 and "coco/" in done.err and "give --dataset" in done.err
    shutil.copytree(run.folder / "elsewhere", run.folder / "coco")
    file = run.folder / "coco/annotations.json"
    file.write_text(file.read_text().replace('"iscrowd": 0', '"iscrowd": 1', 1))
    done = run("score", "runs/small")
    assert done.code == 4 and "is another data set now: its digest differs" in done.err


@pytest.mark.parametrize(
    "path",
    ["/PIPE", "${HOME}/PIPE", "${PWD}/PIPE", "${DATA}/../PIPE", "${DATA}/${HOME}/PIPE", "${DATA:-/}/../PIPE", "PIPE"],
)
def test_no_path_that_a_manifest_names_is_opened(run, monkeypatch, tmp_path, path):
    """Whoever opens the pipe waits for ever."""
    forget(monkeypatch, tmp_path)
    os.mkfifo(run.folder / "pipe")
    (run.folder / "data").mkdir()
    named = path.replace(
        "/PIPE" if path == "/PIPE" else "PIPE", str(run.folder / "pipe") if path == "/PIPE" else "pipe"
    )

    def change(manifest):
        manifest["suite"]["datasets"][0]["options"] = {"annotations": named, "images": named}

    forged_everywhere(run.folder / "runs/small", change)
    for name in ("score", "export-results", "verify"):
        done = run(
            *commands()[name], *(("--var", f"DATA={run.folder}/data") if "DATA" in path else ()),
            timeout=60, env={"HOME": str(run.folder), "PWD": str(run.folder)},
        )  # fmt: skip
        assert done.code == 4 and "give --dataset" in done.err, (name, done.err)


@pytest.mark.parametrize("value", ["../../../etc/passwd", "/etc/passwd", "a/b", "..", "~", "$HOME", ["x"], {"a": 1}])
def test_a_text_of_a_manifest_that_may_be_a_path_is_no_option(value):
    """`split`, which data sets put into paths, is taken from a manifest only if it is a word."""
    from segharness.plugin.host import PluginHost
    from segharness.plugin.options import Option
    from segharness.score.sources import Given, _DatasetFinder

    finder = _DatasetFinder(None, PluginHost.load(), Given())
    assert finder._option(value, Option("the split")) is None
    assert finder._option("val2017", Option("the split")) == "val2017"
    assert finder._option(3, Option("a number")) == 3
    assert finder._option("x:y", Option("code", code=True)) is None


def test_numbers_of_a_manifest_are_held_to_their_option(small):
    """An option that would make a data set of another size or cost is checked as in a suite."""
    from segharness.plugin.host import PluginHost
    from segharness.plugin.specs import DatasetSpec
    from segharness.score.sources import Given, _DatasetFinder

    host = PluginHost.load()
    enlarged = host.get("toycells/quick", DatasetSpec).options["enlarged"]
    finder = _DatasetFinder(None, host, Given())
    assert finder._option(10**9, enlarged) is None and finder._option(2, enlarged) == 2


# ------------------------------------------------------------------------------------------------- stored references


def second_run(run):
    done = run(*commands()["reference"])
    assert done.code == 0, done.err


def cds(folder):
    rows = read_results(folder).to_pylist()
    return {(r["metric"], r["task"], r["condition"]): r["value"] for r in rows if r["reference"] is not None}


def test_a_stored_reference_is_found_again_by_its_numbers(run, monkeypatch, tmp_path):
    second_run(run)
    [reference] = [
        g["reference"] for g in json.loads((run.folder / "second/manifest.json").read_text())["suite"]["groups"]
    ]
    assert reference["results"] == "results.arrow" and reference["model"] == "good" and len(reference["digest"]) == 32
    before = cds(run.folder / "second")
    assert before and run("score", "second", *BOOTSTRAP).code == 0
    assert run("score", "runs/small", "--bootstrap", "200").code == 0  # the same numbers with other intervals
    assert run("score", "second", *BOOTSTRAP).code == 0
    assert cds(run.folder / "second") == before
    shutil.move(run.folder / "runs/small", run.folder / "gone")
    done = run("score", "second", *BOOTSTRAP)
    assert done.code == 4 and "no file" in done.err
    forget(monkeypatch, tmp_path)
    where = ("--dataset", "shapes=annotations=coco/annotations.json,images=coco/images")
    done = run("score", "second", *BOOTSTRAP, *where)
    assert done.code == 4 and "where the stored reference of `models` lies" in done.err and "--reference" in done.err
    shutil.copytree(run.folder / "gone", run.folder / "seed=1")
    assert run("score", "second", *BOOTSTRAP, *where, "--reference", "seed=1/results.arrow").code == 0
    forget(monkeypatch, tmp_path / "again")
    assert run("score", "second", *BOOTSTRAP, *where, "--reference", "gone/results.arrow").code == 0
    assert cds(run.folder / "second") == before
    assert run("verify", "second").code == 0


def test_another_reference_is_refused(run):
    second_run(run)
    done = run("score", "second", "--reference", "runs/small/results.arrow::other")
    assert done.code == 4 and "not the numbers of the reference that the run was made with" in done.err
    done = run("score", "second", "--reference", "nobody=runs/small/results.arrow")
    assert done.code == 4 and "no group of that name has a stored reference" in done.err
    done = run("score", "runs/small", "--reference", "second/results.arrow")
    assert done.code == 4 and "no group of that name has a stored reference" in done.err


def test_no_address_that_a_manifest_names_is_asked(run, monkeypatch, tmp_path):
    second_run(run)
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        ended = threading.Event()

        def listen():
            while not ended.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                asked.append(connection.recv(200))
                connection.close()

        listener = threading.Thread(target=listen)
        listener.start()
        url = f"s3://bucket/run/results.arrow?scheme=http&endpoint_override=127.0.0.1:{port}"

        def change(manifest):
            [group] = manifest["suite"]["groups"]
            group["reference"]["results"] = url
            manifest["suite"]["datasets"][0]["options"]["annotations"] = url

        forged_everywhere(run.folder / "second", change)
        forget(monkeypatch, tmp_path)
        for name, arguments in commands("second").items():
            if name not in ("compare", "reference"):
                run(*arguments, env={"AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": "SECRET"}, timeout=60)
        ended.set()
        listener.join()
    assert asked == []


# ------------------------------------------------------------------------------------------------------------ secrets

SECRET = "hf_0123456789abcdefSECRET"

LEAKY = """
segharness: 1
name: leaky
description: "trained with ${TOKEN} on /home/somebody/data"
models:
  - {id: good, model: "./solver.py:build", options: {mode: "${TOKEN}"}}
  - {id: other, model: "./solver.py:build", options_for: {shapes: {mode: "${PREFIX}${TOKEN}"}}}
  - {id: fails, model: "./tell.py:build", options: {token: "${TOKEN}", nested: {header: ["Bearer ${TOKEN}", /home/ada/x]}}}
  - {id: tells, model: "./tell.py:build", options: {token: "Bearer ${TOKEN}", nested: {header: [../../home/ada/y]}}}
  - {id: stored, model: coco-results, options: {folder: "${STORED}"}}
reference: good
datasets:
  - id: shapes
    dataset: coco/instances
    options: {annotations: "${DATA}/annotations.json", images: coco/images}
conditions: [clean]
"""

TELL = """
class Tell:
    categories = ["disc"]
    def __init__(self, token, nested):
        self.token, self.header = token, nested["header"][0]
    def predict(self, images):
        token = self.token.removeprefix("Bearer ")
        raise RuntimeError(f"401 for {token} ({self.header}), see {__file__} and file:///home/ada/z.json")
def build(token, nested):
    return Tell(token, nested)
"""


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


@pytest.mark.parametrize("given", ["environment", "--var"])
def test_what_may_be_shared_holds_no_secret_no_path_and_no_name(small, given):
    small.write("leaky.yaml", LEAKY)
    small.write("tell.py", TELL)
    (small.folder / "stored").mkdir()
    (small.folder / "stored/clean.segm.json").write_text("[]")
    values = {"TOKEN": SECRET, "DATA": str(small.folder / "coco"), "PREFIX": "p", "STORED": "stored"}
    words = [word for name, value in values.items() for word in ("--var", f"{name}={value}")]
    suite = str(small.folder / "leaky.yaml")
    done = small(
        "run", suite, "-qq", *(words if given == "--var" else ()), env=values if given == "environment" else {}
    )
    assert done.code == 1, done.err
    assert SECRET in done.err  # the user sees what the model said
    folder = small.folder / "runs/leaky"
    shared = [p for p in folder.rglob("*") if p.is_file() and "logs" not in p.parts]
    assert len(shared) > 8
    hidden = [SECRET, str(small.folder), "/home/", "/ada", platform.node(), f'"{getpass.getuser()}']
    for path in shared:
        texts = [path.read_bytes().decode("latin-1")]
        if path.suffix == ".arrow":  # columns are compressed
            texts.append(str(pa.ipc.open_file(path).read_all().to_pylist()))
        for text in texts:
            for secret in hidden:
                assert secret not in text, (path.name, secret, text[max(0, text.find(secret) - 80) :][:200])
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["suite"]["path"] == "leaky.yaml"
    assert manifest["suite"]["models"][0]["model"] == "solver.py:build"
    assert manifest["suite"]["models"][0]["options"] == {"mode": "${TOKEN}"}
    assert manifest["suite"]["models"][1]["options_for"] == {"shapes": {"mode": "${PREFIX}${TOKEN}"}}
    assert manifest["suite"]["models"][2]["options"]["nested"] == {"header": ["Bearer ${TOKEN}", "x"]}
    assert manifest["suite"]["models"][3]["options"]["nested"] == {"header": ["y"]}
    assert manifest["suite"]["datasets"][0]["options"] == {
        "annotations": "${DATA}/annotations.json",
        "images": "images",
    }
    reason = next(r["reason"] for r in small.results("leaky").to_pylist() if r["model"] == "fails")
    assert "401 for ${TOKEN} (Bearer ${TOKEN}), see .../tell.py and .../z.json" in reason
    reason = next(r["reason"] for r in small.results("leaky").to_pylist() if r["model"] == "tells")
    assert "401 for ${TOKEN} (../../home/ada/y)" not in reason and "401 for ${TOKEN}" in reason


def test_a_secret_still_decides_predictions(small):
    """A variable of another value makes other predictions: they are not taken for the same."""
    small.write(
        "leaky.yaml", LEAKY.split("  - {id: fails")[0] + "reference: good\n" + LEAKY.split("reference: good\n")[1]
    )
    words = ("run", "leaky.yaml", "-qq", "--var", "DATA=coco", "--var", "PREFIX=p")
    assert small(*words, "--var", "TOKEN=a").code == 0
    done = small(*words, "--var", "TOKEN=a", "-v")
    assert done.code == 0
    done = small(*words, "--var", "TOKEN=b")
    assert done.code == 4 and "made from other inputs" in done.err


def test_a_default_that_is_also_given_is_the_same(small):
    text = (small.folder / "small.yaml").read_text().replace("{margin: 70}", '{margin: 70, mode: "${MODE:-fast}"}')
    small.write("small.yaml", text)
    assert small("run", "small.yaml", "-qq").code == 0
    done = small("run", "small.yaml", "-qq", "--var", "MODE=fast")
    assert done.code == 0, done.err
    assert small("run", "small.yaml", "-qq", "--var", "MODE=slow").code == 4


def test_a_name_may_come_from_a_variable(small):
    small.write("small.yaml", (small.folder / "small.yaml").read_text().replace("name: small", 'name: "${RUN}"'))
    assert small("run", "small.yaml", "-qq", "--var", "RUN=nightly").code == 0
    assert small("score", "runs/nightly", "-q").code == 0


def test_numbers_and_defaults_of_variables_stay_readable(small):
    text = (small.folder / "small.yaml").read_text().replace("{margin: 70}", '{margin: "${M}", mode: "${MODE:-}"}')
    small.write("small.yaml", text)
    assert small("run", "small.yaml", "-qq", "--var", "M=70").code == 0
    manifest = json.loads((small.folder / "runs/small/manifest.json").read_text())
    assert manifest["suite"]["models"][1]["options"] == {"margin": 70, "mode": None}
    assert manifest["inputs"]["models"]["other"]["shapes"]["options"] == {"margin": 70, "mode": None}


@pytest.mark.parametrize(
    "url",
    ["s3://AKIA:abc/SECRET@bucket/run", "s3://u:p@SECRET@bucket/run", "s3://bucket/run?session_token=SECRET&x=1",
     "https://host/run?X-Amz-Signature=SECRET"],
)  # fmt: skip
def test_no_form_of_credentials_is_shown(url):
    from segharness.texts import visible, without_folders

    for text in (url, f"error: {url}: gone", f"`{url}`"):
        assert "SECRET" not in visible(text) and "SECRET" not in without_folders(text)


def test_a_mistyped_run_makes_no_folder(small):
    assert small("score", "runs/typo/deep").code == 4
    assert not (small.folder / "runs").exists()


def test_credentials_of_an_address_are_not_shown(small):
    done = small("report", "s3://KEY:SECRET@bucket/run?scheme=http&endpoint_override=127.0.0.1:1", timeout=120)
    assert done.code == 4 and "SECRET" not in done.err + done.out and "KEY" not in done.err
    assert "s3://...@bucket/run" in done.err
    done = small("report", "sftp://KEY:SECRET@bucket/run")
    assert done.code == 4 and "SECRET" not in done.err


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
