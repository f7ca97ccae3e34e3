"""Every rule that a bundle breaks is named, with its file and row, all at once."""

from __future__ import annotations

import json
import os

import numpy as np
import pyarrow.compute as pc
import pytest
from segharness.store import IMAGES, PREDICTIONS
from segharness_leaderboard.bundle import BUNDLE, Bundle

from tests.bundle_desk import SAMPLE, blob, column, edited_shard

CELL = "squares/sample-dim-3"
IMAGES_FILE, PREDICTIONS_FILE = (f"{kind}/{CELL}/00000.arrow" for kind in ("images", "predictions"))

SHARDS = {
    "a score that is no number": (
        lambda s: {"predictions": column(s.predictions, PREDICTIONS, "score", [np.nan] * len(s.predictions))},
        (PREDICTIONS_FILE, 0, "a score is not finite (and 2 more rows)"),
    ),
    "a category that there is not": (
        lambda s: {
            "predictions": column(
                s.predictions, PREDICTIONS, "category_id", [*s.predictions.column("category_id").to_pylist()[:-1], 9]
            )
        },
        (PREDICTIONS_FILE, 2, "it has a category that is not one of the data set's"),
    ),
    "a box with a negative side": (
        lambda s: {"predictions": column(s.predictions, PREDICTIONS, "bbox", [[1.0, 1.0, -1.0, 1.0]] * 3)},
        (PREDICTIONS_FILE, 0, "a box has a negative side (and 2 more rows)"),
    ),
    "a mask that does not cover its image": (
        lambda s: {
            "predictions": column(
                s.predictions, PREDICTIONS, "mask", [*s.predictions.column("mask").to_pylist()[:1], b"5", b"5"]
            )
        },
        (PREDICTIONS_FILE, 1, "mask 1: the counts cover 5 pixels"),
    ),
    "an image that is not in the shard": (
        lambda s: {"predictions": column(s.predictions, PREDICTIONS, "image_id", [1, 99, 2])},
        (PREDICTIONS_FILE, 1, "it has predictions of images that are not in its shard"),
    ),
    "images in another order": (
        lambda s: {"images": s.images.take([1, 0])},
        (IMAGES_FILE, 0, "its images are not those of the data set's shard"),
    ),
    "dropped images": (
        lambda s: {
            "images": s.images.slice(0, 1),
            "predictions": s.predictions.filter(pc.equal(s.predictions.column("image_id"), 1)),
        },
        (IMAGES_FILE, 1, "its images are not those of the data set's shard"),
    ),
    "other pixels": (
        lambda s: {"images": column(s.images, IMAGES, "pixels", [s.images.column("pixels")[0].as_py(), 7])},
        (IMAGES_FILE, 1, "its pixels were not those of the protocol"),
    ),
    "no digest of pixels": (
        lambda s: {"images": column(s.images, IMAGES, "pixels", [None, None])},
        (BUNDLE, None, "says that pixels are known, and 2 images have no digest of theirs"),
    ),
    "an image that failed": (
        lambda s: {"images": column(s.images, IMAGES, "error", [None, "out of memory in /home/ada/x.py"])},
        (IMAGES_FILE, 1, "the model failed on this image: out of memory in .../x.py"),
    ),
    "another seed": (
        lambda s: {"inputs": {**s.inputs, "condition": {**s.inputs["condition"], "seed": 4}}},
        (IMAGES_FILE, None, "it was made from other inputs than the protocol's and the model's"),
    ),
}


@pytest.mark.parametrize("name", SHARDS)
def test_every_rule_of_predictions_is_named_with_file_and_row(desk, name):
    change, wanted = SHARDS[name]
    edited_shard(desk.copy("bundle", "edited"), change, CELL)
    report = desk.report("edited")
    assert not report["accepted"] and report["numbers"] == []
    found = [(f["file"], f["row"], f["rule"]) for f in report["findings"]]
    assert any(f[:2] == wanted[:2] and wanted[2] in f[2] for f in found), found
    assert len(found) == 1, found


def test_all_that_is_wrong_is_named_at_once(desk):
    folder = desk.copy("bundle", "edited")
    for name, cell in (("a score that is no number", "squares/clean"), ("other pixels", CELL)):
        edited_shard(folder, SHARDS[name][0], cell)
    blob(folder, "predictions/squares/sample-dim-1/00001.arrow").unlink()
    (folder / "notes.txt").write_text("read me")
    (folder / "blobs" / ("0" * 64)).write_text("more")
    done = desk.check("edited")
    assert done.code == 1
    for words in (
        "predictions/squares/clean/00000.arrow, row 0: a score is not finite",
        f"{IMAGES_FILE}, row 1: squares-2: its pixels were not those of the protocol",
        "predictions/squares/sample-dim-1/00001.arrow: its blob",
        "notes.txt: does not belong to the bundle",
        "is listed by no entry of `files`",
        "NOT accepted: 5 findings",
    ):
        assert words in done.out, done.out


def record(folder, change):
    """Change a bundle.json, with its root left as it is."""
    content = json.loads((folder / BUNDLE).read_text())
    changed = change(content)
    (folder / BUNDLE).write_text(json.dumps(content if changed is None else changed))


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


RECORDS = {
    "`root` is not that of its content": lambda c: c["card"].update(name="Another"),
    "`schema_version` is 0": lambda c: c.update(schema_version=0),
    "has the version 2, and this one reads 1": lambda c: c.update(schema_version=2),
    "`card.consent` is missing": lambda c: c["card"].pop("consent") and None,
    "`card.consent` is to no version of the terms": lambda c: c["card"].update(consent={"terms": "1", "sha256": "x"}),
    "`card.code` is not a key that there is": lambda c: c["card"].update(code="import os"),
    "`model.id` is not one of lower-case letters": lambda c: c["model"].update(id="../../etc"),
    "`model.inputs` are on elsewhere": lambda c: c["model"].update(inputs={"elsewhere": {}}),
    "`card.paper` has a user name": lambda c: c["card"].update(paper="https://a:b@c.example/"),
    "`card.name` has a character that is not shown": lambda c: c["card"].update(name="a\x1b[2Jb"),
    "`card.licence` has a character that is not shown": lambda c: c["card"].update(licence="\u3164"),
    "`card.resize` has a character with many marks": lambda c: c["card"].update(resize="a" + "\u0301" * 90),
    "it is nested more than 50 levels deep": lambda c: c["model"]["inputs"]["squares"].update(x=nested(900)),
    "`card.team` has a character that is not shown": lambda c: c["card"].update(team="a\u202eb"),
    "`files[0].sha256` is no SHA-256": lambda c: c["files"][0].update(sha256="../../../etc/passwd"),
    "`files[0].size` is 1099511627776": lambda c: c["files"][0].update(size=1 << 40),
    "`files` are not in the order of their paths": lambda c: c["files"].reverse(),
    "`files[0]` is 3, not an object": lambda c: c["files"].__setitem__(0, 3),
    "is [], not an object": lambda c: [],
    "`suite` is not a key that there is": lambda c: c.update(suite="./evil.py:build"),
    "../../evil.arrow: is not a file of the protocol": lambda c: c["files"].insert(
        0, {"path": "../../evil.arrow", "size": 1, "sha256": "0" * 64}
    ),
}


@pytest.mark.parametrize("words", RECORDS)
def test_every_rule_of_the_record_is_named(desk, words):
    record(desk.copy("bundle", "edited"), RECORDS[words])
    done = desk.check("edited")
    assert done.code == 1 and words in done.out and "Traceback" not in done.err, done


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": NaN}', '{"a": 1, "a": 2}', '"\\ud800"', "\xff"])
def test_a_record_that_is_no_json_is_named(desk, text):
    folder = desk.copy("bundle", "edited")
    (folder / BUNDLE).write_text(text, encoding="latin-1")
    done = desk.check("edited")
    assert done.code == 1 and "bundle.json: cannot be read" in done.out, done


@pytest.mark.parametrize("what", ["bundle.json", "blobs", "blob"])
def test_links_and_pipes_are_not_followed(desk, what, tmp_path):
    folder = desk.copy("bundle", "edited")
    if what == "blob":
        path = blob(folder, PREDICTIONS_FILE)
        target = tmp_path / "elsewhere"
        target.write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(target)
        other = blob(folder, IMAGES_FILE)
        other.unlink()
        os.mkfifo(other)
    else:
        target = (folder / what).rename(tmp_path / "elsewhere")
        (folder / what).symlink_to(target)
    done = desk.check("edited")
    assert done.code == 1 and "not a regular file" in done.out.replace(
        "blobs: is not a folder", "not a regular file"
    ), done


def test_another_protocol_and_no_bundle_are_undecided(desk):
    folder = desk.copy("bundle", "edited")
    bundle, _ = Bundle.read(folder)
    Bundle({"name": "x", "id": "0" * 32}, bundle.model, bundle.card, bundle.made, bundle.files).write(folder)
    done = desk("submit", "check", "edited", *SAMPLE)
    assert done.code == 4 and "is not any of those on this machine: toy-1.0" in done.err, done
    done = desk("submit", "check", "run/predictions", *SAMPLE)
    assert done.code == 1 and "bundle.json: cannot be read: No such file" in done.out, done
    done = desk("submit", "check", "run", *SAMPLE)
    assert done.code == 4 and "run: is a run; make a bundle of it first" in done.err
    done = desk.pack("bundle", "again")
    assert done.code == 4 and "bundle: is a bundle already" in done.err
    done = desk("submit", "check", "gone", *SAMPLE)
    assert done.code == 4 and "gone: is no folder of a bundle" in done.err


def test_the_name_of_a_protocol_is_not_believed(desk):
    """It is looked up by its id, and a board publishes its own name for it."""
    from segharness_leaderboard.plugin import segharness_protocols

    folder = desk.copy("bundle", "edited")
    bundle, _ = Bundle.read(folder)
    toy = next(spec for spec in segharness_protocols() if spec.name == "toy-1.0")
    id = json.loads((toy.path() / "seal.json").read_text())["id"]
    Bundle({"name": "robustness-1.0", "id": id}, bundle.model, bundle.card, bundle.made, bundle.files).write(folder)
    done = desk("submit", "check", "edited", *SAMPLE)
    assert done.code == 1 and "`protocol.name` is not that of its id, which is toy-1.0" in done.out, done
    assert "`model.inputs` are on squares, and the data are toycells" in done.out


def test_markup_is_shown_and_not_obeyed(desk):
    markup = "<script>alert(1)</script> [red]x[/red] =1+1 [a](javascript:x)"
    done = desk.pack("run", "markup", "--name", markup[:100], "--team", "$(touch pwned) `id`")
    assert done.code == 0, done.err
    report = desk.report("markup")
    assert report["accepted"] and report["card"]["name"] == markup[:100]
    assert not (desk.folder / "pwned").exists()
