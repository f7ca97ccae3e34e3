"""Packing and checking: what is in a bundle, what is not, and that every rule is named with its file and row."""

from __future__ import annotations

import getpass
import json
import os
import socket
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from segharness import PluginHost, read_results
from segharness.score import ScoreOptions
from segharness.store import IMAGES, PREDICTIONS
from segharness_leaderboard.bundle import BUNDLE, Bundle, ModelCard, merkle_root
from segharness_leaderboard.submit import check_bundle

from tests.bundle_desk import BOOTSTRAP, CARD, PROTOCOL, SAMPLE, blob, column, edited_shard, replaced

CELL = "squares/sample-dim-3"
IMAGES_FILE, PREDICTIONS_FILE = (f"{kind}/{CELL}/00000.arrow" for kind in ("images", "predictions"))


# -------------------------------------------------------------------------------------------------------- the format


def test_a_bundle_is_accepted_with_the_numbers_of_its_run(desk, tmp_path):
    out = tmp_path / "recomputed.arrow"
    done = desk.check("bundle", "-o", str(out))
    assert done.code == 0, done
    assert "accepted, tier 2" in done.out and "does not prove" in done.out
    ours, theirs = (
        {(r["condition"], r["task"], r["metric"], r["category"]): r["value"] for r in read_results(path).to_pylist()}
        for path in (out, desk.folder / "run")
    )
    assert ours == theirs and len(ours) > 50
    assert {key[2] for key in ours} >= {"AP", "CD", "rCD"}


def test_the_root_is_a_merkle_root_over_everything(desk):
    bundle, findings = Bundle.read(desk.folder / "bundle")
    assert not findings
    record = json.loads((desk.folder / "bundle" / BUNDLE).read_text())
    assert record["root"] == bundle.root
    assert [f["path"] for f in record["files"]] == sorted(f["path"] for f in record["files"])
    assert len(record["files"]) == 2 * 2 * 3  # images and predictions of two shards under three conditions
    roots = {bundle.root}
    for key in ("name", "team", "licence", "resize"):
        card = ModelCard.from_json({**record["card"], key: "another"})
        roots.add(Bundle(bundle.protocol, bundle.model, card, bundle.made, bundle.files).root)
    roots.add(Bundle(bundle.protocol, bundle.model, bundle.card, bundle.made, bundle.files[1:]).root)
    assert len(roots) == 6
    assert merkle_root([b"a", b"b", b"c"]) != merkle_root([b"a", b"b", b"c", b"c"])


def test_nothing_private_is_in_it(desk, tmp_path, monkeypatch):
    """Not the user, the host, a folder, a variable's value, nor the environment; the facts of a model lose folders."""
    home = tmp_path / "home-of-ada-lovelace"
    home.mkdir()
    secret = "hunter2-is-the-password"
    text = (desk.folder / "model.py").read_text()
    desk.write(
        "private/model.py",
        text.replace("def build():", "def build(key=''):").replace(
            "class Shaky(Finder):", f"class Shaky(Finder):\n    facts = {{'weights': '{home}/secret/w.pt'}}\n"
        ),
    )
    environment = {"HOME": str(home), "USER": "ada-lovelace", "ACME_TOKEN": secret, "MY_KEY": secret}
    done = desk(
        "run", "--protocol", PROTOCOL, "--model", "private/model.py:build,id=mine,key=${MY_KEY}", "--out", "private/run",
        *SAMPLE, *BOOTSTRAP, env=environment,
    )  # fmt: skip
    assert done.code == 0, done.err
    done = desk.pack("private/run", "private/bundle", env=environment)
    assert done.code == 0, done.err
    content = b"".join(path.read_bytes() for path in (desk.folder / "private/bundle").rglob("*") if path.is_file())
    for shard in (desk.folder / "private/bundle/blobs").iterdir():
        with pa.ipc.open_file(pa.BufferReader(shard.read_bytes())) as reader:
            content += repr((reader.schema.metadata, reader.read_all().to_pylist())).encode()
    assert b"shaky" not in content and b'"mine"' in content  # the search finds what is there
    private = [str(home), "ada-lovelace", secret, str(desk.folder), str(Path.cwd()), socket.gethostname()]
    private += [getpass.getuser()] if len(getpass.getuser()) > 4 else []
    assert [word for word in private if word.encode() in content] == []
    assert desk.check("private/bundle").code == 0


# ----------------------------------------------------------------------------------------------------------- packing


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--plugin-url", "https://a.example/x.whl"), "give the file, too, --plugin FILE.whl"),
        (("--paper", "http://a.example"), "`paper` is not an https address"),
        (("--embargo", "tomorrow"), "`embargo` is not a date"),
        (("--name", "two\nlines"), "`name` has a character that is not shown"),
        (("--name", "x" * 101), "`name` has 101 characters"),
        (("--plugin", "model.py"), "--plugin model.py: is no .whl file"),
        (("--training-corruptions", "fog"), "--training-corruptions: says none, fog: `none` and `nothing` stand alone"),
        (("--weights", "weights.pkl"), "--weights weights.pkl: is no .safetensors file"),
        (("--plugin", "gone.whl"), "--plugin gone.whl: No such file"),
        (("--model", "other"), "has no model `other` (it has shaky)"),
    ],
)
def test_mistakes_of_a_card_are_named_and_nothing_is_written(desk, more, words):
    done = desk.pack("run", "mistaken", *more)
    assert done.code == 4 and words in done.err, done
    assert not (desk.folder / "mistaken" / BUNDLE).exists()


def test_what_a_card_must_have_is_asked_for_or_named(desk):
    done = desk("submit", "pack", "run", "-o", "nothing", "--protocol", PROTOCOL, *SAMPLE)
    assert done.code == 4
    for flag in ("--name", "--team", "--licence", "--trained-on", "--training-corruptions", "--resize"):
        assert f"error: {flag}: is missing" in done.err
    done = desk("submit", "pack", "run", "-o", "nothing", "--protocol", PROTOCOL, *CARD[:-1], *SAMPLE)
    assert done.code == 4 and "--yes: is missing: it says that you agree to the terms" in done.err
    assert "CC BY 4.0" in desk("submit", "terms").out


def test_a_run_of_no_protocol_and_an_incomplete_one_are_refused(desk):
    desk.write(
        "other.yaml", desk.folder.joinpath("drafts/squares-1.0/suite.yaml").read_text().replace("seed: 3", "seed: 4")
    )
    assert desk("run", "other.yaml", "--out", "other", *SAMPLE, *BOOTSTRAP).code == 0
    done = desk.pack("other", "refused")
    assert done.code == 4 and "was not made under squares-1.0" in done.err and "seed: 3 -> 4" in done.err, done.err
    partly = ("--model", "sample/blind", "--out", "partly", "-k", "clean", *SAMPLE, *BOOTSTRAP)
    assert desk("run", "--protocol", PROTOCOL, *partly).code == 0
    done = desk.pack("partly", "refused")
    assert done.code == 4 and "partly: sample-blind::squares::sample-dim-1 and 1 more cells did not run" in done.err
    failing = ("--model", "sample/failing", "--out", "failing", *SAMPLE, *BOOTSTRAP)
    assert desk("run", "--protocol", PROTOCOL, *failing).code == 1
    done = desk.pack("failing", "refused")
    assert (
        done.code == 4 and "sample-failing::squares::sample-dim-1: the model failed on 2 images of shard 0" in done.err
    )
    done = desk("submit", "pack", "run", "-o", "sealed", "--protocol", PROTOCOL, *CARD, *SAMPLE)
    assert done.code == 4 and "sealed: is there already; a bundle is never replaced" in done.err


def test_result_files_become_a_bundle_of_unknown_pixels(desk):
    assert desk("export-results", "run", "-o", "exported", *SAMPLE).code == 0
    done = desk.pack("exported/shaky/squares", "from-coco", "--model", "theirs")
    assert done.code == 0 and "what pixels the model saw is not known" in done.out, done
    ours, theirs = desk.report("bundle"), desk.report("from-coco")
    assert theirs["accepted"] and "pixels" in theirs["notes"][0] and "tier 2 at most" in theirs["notes"][0]
    assert [row["value"] for row in theirs["numbers"]] == [row["value"] for row in ours["numbers"]]
    for kind in ("segm", "bbox"):
        (desk.folder / f"exported/shaky/squares/sample-dim-3.{kind}.json").write_text("[{}]")
    done = desk.pack("exported/shaky/squares", "from-coco", "--model", "theirs")
    assert done.code == 4 and "sample-dim-3.segm.json: result 0" in done.err, done.err
    (desk.folder / "exported/shaky/squares/sample-dim-3.bbox.json").unlink()
    (desk.folder / "exported/shaky/squares/clean.segm.json").rename(
        desk.folder / "exported/shaky/squares/claen.segm.json"
    )
    done = desk.pack("exported/shaky/squares", "from-coco", "--model", "theirs")
    assert (
        done.code == 4
        and "claen.segm.json: is no condition of squares-1.0 (did you mean `clean.segm.json`?)" in done.err
    )
    assert "clean.segm.json: is missing" in done.err and "sample-dim-3.bbox.json: is missing" in done.err
    done = desk.pack("exported", "from-coco", "--model", "theirs")
    assert done.code == 4 and "has no result files; it has the folders shaky" in done.err, done.err
    done = desk("submit", "pack", "exported/shaky/squares", "-o", "x", *CARD, *SAMPLE)
    assert done.code == 4 and "say --protocol NAME and --model ID" in done.err


# ---------------------------------------------------------------------------------------------------------- checking


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


# ------------------------------------------------------------------------------------------------------------ changes


def numbers(table):
    keys = ("condition", "task", "split", "category", "metric", "value", "ci_low", "ci_high", "reason")
    return [tuple(row[key] for key in keys) for row in table.to_pylist()]


def test_300_random_changes_are_found_or_change_no_number(desk, tmp_path, monkeypatch):
    """Bytes of any file, with digests left or made again, files swapped, removed, cut, and values of the record."""
    monkeypatch.chdir(desk.folder)
    from segharness.plugin.host import PluginArguments

    host = PluginHost.load(PluginArguments(("segharness.testing.sample",)))

    def checked(folder, name):
        options = ScoreOptions(bootstrap=100)
        return check_bundle(folder, host, tmp_path / name, options=options, protocol=PROTOCOL)

    right = numbers(checked(desk.folder / "bundle", "right").results)
    rng = np.random.default_rng(24)
    ends = {"found": 0, "without effect": 0}
    for number in range(300):
        folder = desk.copy("bundle", "changed")
        change(folder, rng)
        found = checked(folder, f"changed-{number}")
        if found.findings:
            ends["found"] += 1
            assert all(f.file and f.rule for f in found.findings) and found.results is None
        else:
            ends["without effect"] += 1
            assert numbers(found.results) == right, number
    assert min(ends.values()) > 10, ends


def change(folder, rng):
    """Change something of a bundle at random."""
    bundle, _ = Bundle.read(folder)
    paths = [file.path for file in bundle.files]
    path = paths[int(rng.integers(len(paths)))]
    kind = int(rng.integers(8))
    if kind == 0:  # a byte of the record
        flip(folder / BUNDLE, rng)
    elif kind == 1:  # a byte of a file, and nothing else
        flip(blob(folder, path), rng)
    elif kind == 2:  # a byte of a file, with all digests made again
        data = bytearray(blob(folder, path).read_bytes())
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        replaced(folder, path, bytes(data))
    elif kind == 3:  # one file in the place of another
        replaced(folder, path, blob(folder, paths[int(rng.integers(len(paths)))]).read_bytes())
    elif kind == 4:
        blob(folder, path).unlink()
    elif kind == 5:  # the end of a file is lost
        data = blob(folder, path).read_bytes()
        replaced(folder, path, data[: int(rng.integers(len(data)))])
    elif kind == 6:  # something else of the card
        key = ("name", "team", "licence", "resize")[int(rng.integers(4))]
        card = ModelCard.from_json({**bundle.card.to_json(), key: f"changed {int(rng.integers(1000))}"})
        Bundle(bundle.protocol, bundle.model, card, bundle.made, bundle.files).write(folder)
    else:  # a value of a table, written by its author
        columns = (("image_id", 2), ("seconds", 5.0), ("pixels", 3), ("batch", 8), ("n_instances", 1), ("height", 5))
        name, value = columns[int(rng.integers(len(columns)))]
        part, schema = ("predictions", PREDICTIONS) if name == "image_id" else ("images", IMAGES)

        def edit(stored):
            values = getattr(stored, part).column(name).to_pylist()
            values[int(rng.integers(len(values)))] = value
            return {part: column(getattr(stored, part), schema, name, values)}

        _, dataset, condition, shard = path.split("/")
        edited_shard(folder, edit, f"{dataset}/{condition}", shard[:5])


def flip(file, rng):
    data = bytearray(file.read_bytes())
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    file.write_bytes(data)
