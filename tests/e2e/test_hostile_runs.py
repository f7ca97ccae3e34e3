"""Run folders, results and manifests that strangers made: refused with the place, or right; never believed, never run."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
from segharness.store import read_results, write_results

from tests.e2e.forging import (
    COMMANDS,
    SAMPLE,
    changed_shard,
    edited,
    every_command,
    rewritten,
)

# ---------------------------------------------------------------------------------------------------- the manifest


def iou(manifest):
    options = {"iou_thresholds": [0.4]}
    manifest["suite"]["scoring"]["metrics"] = [{"id": "coco", "metric": "coco", "options": options}]


def severity(manifest):
    manifest["suite"]["conditions"][2]["severity"] = 1


def seed_of_a_condition(manifest):
    manifest["inputs"]["conditions"]["sample-dim-3"]["seed"] = 7


def another_corruption(manifest):
    manifest["suite"]["conditions"][2]["corruption"] = "fog"


@pytest.mark.parametrize("change", [iou, severity, seed_of_a_condition, another_corruption])
def test_a_manifest_that_is_not_that_of_its_protocol_is_refused(hostile, change):
    before = (hostile.folder / "runs/s/results.arrow").read_bytes()
    edited(hostile.folder / "runs/s", change)
    for name, done in every_command(hostile, "score", "export-results").items():
        assert done.code == 4 and "runs/s/manifest.json" in done.err, (name, done.err)
    assert (hostile.folder / "runs/s/results.arrow").read_bytes() == before
    results = read_results(hostile.folder / "runs/s")
    forged = json.loads(json.dumps(json.loads(results.schema.metadata[b"segharness"])["manifest"]))
    change(forged)
    write_results(hostile.folder / "runs/s/results.arrow", results, forged)  # with a fresh checksum
    for name, done in every_command(hostile, "compare", "reference").items():
        assert done.code == 4 and "results.arrow" in done.err, (name, done.err)


@pytest.mark.parametrize("bit", [3, 40, 400, 1500, 2500])
def test_one_bit_of_the_manifest_is_found(hostile, bit):
    file = hostile.folder / "runs/s/manifest.json"
    data = bytearray(file.read_bytes())
    data[bit] ^= 1
    file.write_bytes(data)
    for name, done in every_command(hostile, "score", "export-results").items():
        assert done.code == 4 and "manifest.json" in done.err, (name, done.err)


def test_a_seed_that_the_pixels_do_not_have_is_refused(hostile):
    """The id is that of an honest run with the seed 0, and the pixels were made with another one."""
    from segharness.digests import digest
    from segharness.identity import Inputs, protocol_inputs
    from segharness.suite import Suite

    def change(manifest):
        manifest["suite"]["seed"] = 5
        suite, inputs = Suite.from_json(manifest["suite"]), Inputs(**manifest["inputs"])
        manifest["protocol"] = digest(protocol_inputs(suite, inputs))

    edited(hostile.folder / "runs/s", change)
    for name, done in every_command(hostile, "score", "export-results").items():
        assert done.code == 4 and "says two things of the condition" in done.err, (name, done.err)
    done = every_command(hostile, "verify")["verify"]
    assert done.code == 1 and "says two things of the condition" in done.out


def many(kind, count):
    """A change that gives a suite many of something; the protocol id is no longer that of the suite, and comes later."""

    def change(manifest):
        suite = manifest["suite"]
        if kind == "cells":
            suite["models"] = [{**suite["models"][0], "id": f"m{n}"} for n in range(count)]
            suite["conditions"] = [{**suite["conditions"][1], "name": f"c{n}"} for n in range(count)]
            suite["groups"], suite["condition_groups"] = [], []
        elif kind == "splits":
            suite["scoring"]["splits"] = [
                {"name": f"s{n}", "categories": ["red"], "complement": False} for n in range(count)
            ]
        else:
            suite["scoring"]["metrics"] = [{"id": f"e{n}", "metric": "coco", "options": {}} for n in range(count)]

    return change


BAD_SUITES = {
    "many cells": many("cells", 300),
    "many splits": many("splits", 3000),
    "many evaluations": many("evaluations", 500),
    "half a character": lambda m: m["suite"]["condition_groups"][0].update(name="\ud800"),
    "half a character in what is shown": lambda m: m["suite"].update(description="\udc00"),
    "unknown key": lambda m: m["suite"]["models"][0].update(evil=1),
    "a number for a text": lambda m: m["suite"]["models"][0].update(model=3),
    "a text for a list": lambda m: m["suite"].update(models="abc"),
    "ids that leave the folder": lambda m: m["suite"]["models"][0].update(id="a/../../x"),
    "an id of dots": lambda m: m["suite"]["datasets"][0].update(id=".."),
    "a condition that leaves it": lambda m: m["suite"]["conditions"][0].update(name="../../clean"),
    "two of one id": lambda m: m["suite"]["models"].append(dict(m["suite"]["models"][0])),
    "no models": lambda m: m["suite"].pop("models"),
    "null": lambda m: m.update(suite=None),
    "inputs of nothing": lambda m: m["inputs"].update(models={}),
    "inputs that are a list": lambda m: m["inputs"].update(datasets=[]),
    "a group of strangers": lambda m: m["suite"]["groups"][0].update(models=["nobody"]),
    "a negative limit": lambda m: m["suite"]["datasets"][0].update(limit=-5),
    "1e300 as seed": lambda m: m["suite"].update(seed=1e300),
}


@pytest.mark.parametrize("name", BAD_SUITES)
def test_a_suite_that_no_file_could_say_is_refused(hostile, name):
    edited(hostile.folder / "runs/s", BAD_SUITES[name])
    for command, done in every_command(hostile, "score", "export-results").items():
        assert done.code == 4 and "manifest" in done.err, (command, done.err)
    results = read_results(hostile.folder / "runs/s")
    forged = json.loads(results.schema.metadata[b"segharness"])["manifest"]
    BAD_SUITES[name](forged)
    write_results(hostile.folder / "runs/s/results.arrow", results, forged)
    for command, done in every_command(hostile, "compare", "reference").items():
        assert done.code == 4 and "results.arrow" in done.err, (command, done.err)
    every_command(hostile, "report")


@pytest.mark.parametrize("value", [[], 1, "x", {"a": 1}, {"squares": []}, None], ids=str)
@pytest.mark.parametrize(
    "key", ["environments", "origins", "devices", "plugins", "packages", "git", "plugin_arguments"]
)
def test_a_run_is_continued_whatever_its_manifest_says_of_itself(hostile, key, value):
    """What is for readers alone: it decides no number, and is written anew."""
    edited(hostile.folder / "runs/s", lambda manifest: manifest.update({key: value}))
    done = hostile("run", "s.yaml", *SAMPLE, "--bootstrap", "100", "-qq", "--executor", "inline", timeout=60)
    assert done.code == 0 and "Traceback" not in done.err, done
    assert json.loads((hostile.folder / "runs/s/manifest.json").read_text())[key] != value or value in ([], None)


@pytest.mark.parametrize("file", ["manifest.json", "status.json", "failures.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"process": 1e300, "workers": {}}',
        b'[{"cell": ["sample-finder", "squares", "clean"], "error": {"a": 1}}]',
    ],
)
def test_json_of_any_shape_is_no_traceback(hostile, file, content):
    (hostile.folder / "runs/s" / file).write_bytes(content)
    every_command(hostile, "score", "status", "export-results")


def test_a_text_without_end_is_refused(hostile):
    rewritten(hostile.folder / "runs/s", lambda rows: rows[0].update(reason="x" * 1_000_000))
    for name, done in every_command(hostile, "report", "compare", "reference").items():
        assert done.code == 4 and "a `reason` has more than 20000 bytes" in done.err, (name, done.err)


def test_rows_of_any_kind_are_no_traceback(hostile):
    def change(rows):
        for number, row in enumerate(rows):
            row["reference"] = "x"
            row["reason"] = "a\nruns/s: verified; 6 cells" if number == 0 else None

    rewritten(hostile.folder / "runs/s", change)
    for form in ("csv", "latex", "markdown", "svg", "table"):
        done = hostile("report", "runs/s", "--format", form, "--classes", "--parts", "--ratios")
        assert done.code in (0, 1, 4) and "bug" not in done.err, (form, done.err)
    done = every_command(hostile, "compare", "verify")["verify"]
    assert done.code == 1 and not any(line.startswith("runs/s: verified") for line in done.out.splitlines())


def test_scoring_on_a_full_disk_is_one_line(hostile):
    """A limit on the size of files has the same error as a disk without space."""
    before = (hostile.folder / "runs/s/results.arrow").read_bytes()
    words = shlex.join(hostile.arguments(*COMMANDS["score"], "-q"))
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 4; {words}"], cwd=hostile.folder, env=hostile.environment(), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4 and "results.arrow: cannot be written: File too large" in done.stderr, done
    assert "Traceback" not in done.stderr and (hostile.folder / "runs/s/results.arrow").read_bytes() == before


def test_a_folder_in_the_place_of_a_temporary_file_is_left(hostile):
    (hostile.folder / "runs/s/x.part").mkdir()
    assert hostile("run", "s.yaml", *SAMPLE, "--bootstrap", "100", "-qq").code == 0


# ---------------------------------------------------------------------------------------------- stored predictions


def counts(data):
    return lambda p, i: p["mask"].__setitem__(0, data)


HOSTILE_SHARDS = {
    "counts that cover too little": (counts(b"1"), "the counts cover"),
    "counts that cover too much": (counts(b"`fPG0000"), "counts"),
    "counts that go backwards": (counts(b"o4O1N1N_c"), "counts"),
    "counts of other characters": (counts(b"\xff\x00"), "counts"),
    "no counts": (counts(b""), "the counts cover 0 pixels"),
    "an infinite score": (lambda p, i: p["score"].__setitem__(0, float("inf")), "a score is not finite"),
    "a score that is not a number": (lambda p, i: p["score"].__setitem__(0, float("nan")), "a score is not finite"),
    "no score": (lambda p, i: p["score"].__setitem__(0, None), "has no score"),
    "a box of nan": (lambda p, i: p["bbox"].__setitem__(0, [float("nan")] * 4), "a box is not finite"),
    "a box of 1e308": (lambda p, i: p["bbox"].__setitem__(0, [0.0, 0.0, 1e308, 1e308]), "a coordinate over"),
    "a negative side": (lambda p, i: p["bbox"].__setitem__(0, [5.0, 5.0, -1.0, 4.0]), "a negative side"),
    "an image that does not exist": (lambda p, i: p["image_id"].__setitem__(0, 99), "images that are not in its shard"),
    "an image of another shard": (lambda p, i: p["image_id"].__setitem__(0, 3), "images that are not in its shard"),
    "a category that does not exist": (lambda p, i: p["category_id"].__setitem__(0, 77), "a category that is not one"),
    "an annotation that does not exist": (lambda p, i: p["annotation_id"].__setitem__(0, 5), "an annotation that"),
    "other numbers of instances": (lambda p, i: i["n_instances"].__setitem__(0, 9), "other numbers of instances"),
    "images of another size": (lambda p, i: i["height"].__setitem__(0, 9), "another height"),
    "negative seconds": (lambda p, i: i["seconds"].__setitem__(0, -1.0), "`seconds` is no time"),
}


def no_images(predictions, images):
    for column in (*predictions.values(), *images.values()):
        column.clear()


HOSTILE_SHARDS["no images"] = (no_images, "its images are not those")


@pytest.mark.parametrize("name", HOSTILE_SHARDS)
def test_stored_predictions_are_held_to_the_rules_of_answers(hostile, name):
    change, message = HOSTILE_SHARDS[name]
    changed_shard(hostile.folder / "runs/s", change)
    done = hostile("score", "runs/s", "-q", "--bootstrap", "100", *SAMPLE, timeout=60)
    assert done.code == 1 and message in done.err and "00000.arrow" in done.err and "Traceback" not in done.err, done
    rows = {
        (r["model"], r["condition"], r["metric"]): r for r in hostile.results("s").to_pylist() if r["category"] is None
    }
    assert rows["sample-finder", "clean", "AP"]["value"] is None
    assert message in rows["sample-finder", "clean", "AP"]["reason"]
    assert rows["sample-finder", "sample-dim-1", "AP"]["value"] is not None
    assert rows["sample-finder", "listed", "rCD"]["value"] is None  # not over missing cells
    done = hostile(*COMMANDS["export-results"])
    assert done.code == 1 and "not written: sample-finder::squares::clean" in done.err


@pytest.mark.parametrize("predictable", [[], [9], ["x"], 3, {"1": 2}])
def test_a_shard_says_rightly_what_its_model_can_predict(hostile, predictable):
    """Otherwise a model that finds no stuff would have no PQ of stuff, in place of 0."""
    from segharness.store import RunFolder, read_shard, write_shard

    files = RunFolder(hostile.folder / "runs/s").shard_files("sample-finder", "squares", "clean", 0)
    stored = read_shard(files)
    if isinstance(predictable, list) and all(isinstance(id, int) for id in predictable):
        write_shard(files, stored.predictions, stored.images, stored.inputs, predictable)
        told = "for which its model has no label"
    else:
        forged = _with_metadata(files.images.read_bytes(), predictable)
        files.images.write_bytes(forged)
        told = "`predictable` is no list of ids"
    for name, done in every_command(hostile, "score", "verify").items():
        assert done.code == 1 and told in done.out + done.err, (name, done)


def _with_metadata(data, predictable):
    import pyarrow as pa

    content = pa.ipc.open_file(pa.BufferReader(data)).read_all()
    metadata = json.loads(content.schema.metadata[b"segharness"])
    metadata["predictable"] = predictable
    sink = pa.BufferOutputStream()
    schema = content.schema.with_metadata({"segharness": json.dumps(metadata)})
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(content.replace_schema_metadata(schema.metadata))
    return sink.getvalue().to_pybytes()
