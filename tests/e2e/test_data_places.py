"""Where the data of a stored run lie is what this machine knows: digests find them, and nothing that a manifest names."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading

import pytest
from segharness.store import read_results

from tests.e2e.forging import BOOTSTRAP, commands, forged_everywhere, forget

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
    from segharness.score.data_sources import GivenPlaces, _DatasetFinder

    finder = _DatasetFinder(None, PluginHost.load(), GivenPlaces())
    assert finder._option(value, Option("the split")) is None
    assert finder._option("val2017", Option("the split")) == "val2017"
    assert finder._option(3, Option("a number")) == 3
    assert finder._option("x:y", Option("code", code=True)) is None


def test_numbers_of_a_manifest_are_held_to_their_option(small):
    """An option that would make a data set of another size or cost is checked as in a suite."""
    from segharness.plugin.host import PluginHost
    from segharness.plugin.specs import DatasetSpec
    from segharness.score.data_sources import GivenPlaces, _DatasetFinder

    host = PluginHost.load()
    enlarged = host.get("toycells/quick", DatasetSpec).options["enlarged"]
    finder = _DatasetFinder(None, host, GivenPlaces())
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


def test_a_mistyped_run_makes_no_folder(small):
    assert small("score", "runs/typo/deep").code == 4
    assert not (small.folder / "runs").exists()
