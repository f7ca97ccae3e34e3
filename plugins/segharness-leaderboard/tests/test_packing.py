"""What is in a bundle and what is not, and what packing refuses."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path

import pyarrow as pa
import pytest
from segharness import read_results
from segharness_leaderboard.bundle import BUNDLE, Bundle, ModelCard, merkle_root

from tests.bundle_desk import BOOTSTRAP, CARD, PROTOCOL, SAMPLE


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
