"""The story of a submission to toy-1.0, from wheels: a stranger's model, what strangers forge, and what becomes of it.

The submitter's environment has the stranger's plugin; the board's never had it.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from segharness import read_results
from segharness.store import (
    IMAGES,
    PREDICTIONS,
    RunFolder,
    manifest_of,
    read_shard,
    table,
    write_results,
)
from segharness_leaderboard.bundle import BUNDLE, Bundle
from segharness_leaderboard.reproduction.container import check_container

from tests.bundle_desk import CARD, blob, column, edited_shard, replaced
from tests.stranger import https_server, write_plugin, write_weights

CELLS = ("segharness", "segharness-toycells", "segharness-corruptions", "segharness-leaderboard")
POWER = "5"
"""The gain in points that the board wants to see: a large one needs few draws."""


@functools.cache
def annotations():
    from segharness_toycells.dataset import test

    return test().ground_truth("instances")["annotations"]


def ground_truth(stored, share: float):
    """Replace the predictions of a share of a shard's images by the ground truth, with the highest scores."""
    ids = stored.images.column("image_id").to_pylist()
    forged = set(ids[: round(share * len(ids))])
    rows = [annotation for annotation in annotations() if annotation["image_id"] in forged]
    truth = table(
        PREDICTIONS,
        {
            "image_id": [a["image_id"] for a in rows],
            "category_id": [a["category_id"] for a in rows],
            "score": [1.0] * len(rows),
            "bbox": [[float(value) for value in a["bbox"]] for a in rows],
            "mask": [a["segmentation"]["counts"] for a in rows],
            "annotation_id": [None] * len(rows),
        },
    )
    kept = stored.predictions.filter([id not in forged for id in stored.predictions.column("image_id").to_pylist()])
    return counted(stored, pa.concat_tables([kept, truth]))


def counted(stored, predictions):
    """Return the two tables of a shard with other predictions: sorted by image, and the images' counts right."""
    order = {id: number for number, id in enumerate(stored.images.column("image_id").to_pylist())}
    places = [order[id] for id in predictions.column("image_id").to_pylist()]
    predictions = predictions.take(np.argsort(places, kind="stable"))
    counts = np.bincount(places, minlength=len(order)).tolist() if places else [0] * len(order)
    return {"predictions": predictions, "images": column(stored.images, IMAGES, "n_instances", counts)}


def without_images(stored):
    """Drop the last of a shard's images, as one does whose model fails on them."""
    kept = stored.images.slice(0, len(stored.images) - 3)
    known = pc.is_in(stored.predictions.column("image_id"), kept.column("image_id").combine_chunks())
    return {"images": kept, "predictions": stored.predictions.filter(known)}


def nearly(stored):
    """Change scores a little, and drop one instance in thirty."""
    rng = np.random.default_rng(7)
    scores = np.asarray(stored.predictions.column("score"))
    changed = column(stored.predictions, PREDICTIONS, "score", scores * rng.uniform(0.98, 1, len(scores)))
    return counted(stored, changed.filter(rng.random(len(scores)) > 1 / 30))


def bomb() -> bytes:
    """Return an Arrow file of few bytes that inflates to 1.5 GB."""
    sink = pa.BufferOutputStream()
    zeros = pa.table({name: np.zeros(40_000_000) for name in "abcde"})
    with pa.ipc.new_file(sink, zeros.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(zeros)
    return sink.getvalue().to_pybytes()


def everywhere(folder: Path, change) -> None:
    """Change every shard of a bundle."""
    bundle, _ = Bundle.read(folder)
    assert bundle is not None
    for file in bundle.files:
        kind, dataset, condition, shard = file.path.split("/")
        if kind == "images":
            edited_shard(folder, change, f"{dataset}/{condition}", shard[:5])


@pytest.mark.slow
def test_a_story(make_environment, tmp_path, wheels):
    wheel, weights = write_plugin(tmp_path / "plugin"), write_weights(tmp_path / "cells.safetensors", 0.45, 12)
    served = tmp_path / "served"
    served.mkdir()
    for file in (wheel, weights):
        shutil.copy(file, served)
    submitter, board = make_environment(*CELLS), make_environment(*CELLS)
    submitter.install(str(wheel))
    desk, home, board_home = tmp_path / "desk", tmp_path / "home", tmp_path / "board-home"
    desk.mkdir()

    def submit(*words):
        done = submitter(*words, folder=desk, home=home)
        assert done.returncode == 0, done.stderr
        return done

    def check(bundle, *more, code):
        done = board("submit", "check", bundle, "--no-bootstrap", "--json", *more, folder=desk, home=board_home)
        assert done.returncode == code, (done.stdout[-3000:], done.stderr[-3000:])
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout)

    # ------------------------------------------------------------------------------------------------- an honest run
    submit(
        "run", "--protocol", "toy-1.0", "--model", f"stranger/cells,weights={weights},id=cells", "--out", "run", "-qq"
    )
    with https_server(served, tmp_path / "certificates") as (url, certificates):
        of_card = (
            "--plugin", str(wheel), "--plugin-url", f"{url}/{wheel.name}",
            "--weights", str(weights), "--weights-url", f"{url}/{weights.name}",
        )  # fmt: skip
        packed = submit("submit", "pack", "run", "-o", "honest", *CARD, *of_card)
        assert "note:" not in packed.stdout
        honest = check("honest", code=0)
        ours = {(r["task"], r["condition"], r["metric"]): r["value"] for r in honest["numbers"]}
        results = read_results(desk / "run")
        rows = [r for r in results.to_pylist() if r["category"] is None]
        theirs = {(r["task"], r["condition"], r["metric"]): r["value"] for r in rows}
        assert len(ours) > 8 and all(theirs[key] == value for key, value in ours.items())
        assert honest["tier"] == 2 and honest["images"] == 500 * 17

        # ------------------------------------------------------------------- forged numbers: they are never read
        values = [1.0 if value is not None else None for value in results.column("value").to_pylist()]
        place = results.schema.get_field_index("value")
        forged = results.set_column(place, results.schema.field(place), pa.array(values, pa.float64()))
        write_results(desk / "run/results.arrow", forged.replace_schema_metadata(None), manifest_of(results))
        submit("submit", "pack", "run", "-o", "numbers", *CARD, *of_card)
        assert Bundle.read(desk / "numbers")[0].root == honest["root"]  # the same bundle, so the same numbers
        write_results(desk / "run/results.arrow", results.replace_schema_metadata(None), manifest_of(results))

        # ------------------------------------ predictions forged from ground truth: tier 2 cannot tell, tier 3 does
        shutil.copytree(desk / "honest", desk / "truth")
        everywhere(desk / "truth", lambda stored: ground_truth(stored, 0.3))
        record(desk / "truth", model={"name": "./evil.py:build"})  # and its manifest names code, which nobody loads
        (desk / "evil.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\ndef build(): pass\n")
        truth = check("truth", code=0)
        gained = {
            r["condition"]: r["value"] for r in truth["numbers"] if (r["task"], r["metric"]) == ("segm", "AP_avg")
        }
        assert gained["paper15"] > ours["segm", "paper15", "AP_avg"] + 0.1
        record(desk / "truth", model={"name": "stranger/cells"})

        # ---------------------------------------------------------------------------- copied, with small changes
        shutil.copytree(desk / "honest", desk / "copied")
        everywhere(desk / "copied", nearly)
        copied = check("copied", "--against", "honest", code=0)
        assert any("FLAGGED for moderation: near-equal to honest" in note for note in copied["notes"]), copied["notes"]

        # ------------------------------- another seed, 5 % of the images, a bomb, and paths: all named, all refused
        suite = json.loads((desk / "run/manifest.json").read_text())["suite"]
        assert suite["seed"] == 0
        models = f"[{{id: cells, model: stranger/cells, weights: {weights}}}]"
        datasets = "[{id: toycells, dataset: toycells/test, sample: 500}]"
        (desk / "seed.yaml").write_text(
            f"{{segharness: 1, name: seed, seed: 1, datasets: {datasets}, conditions: [fog-3], models: {models}}}"
        )
        submit("run", "seed.yaml", "--out", "seed", "--no-bootstrap", "-qq")
        refused = submitter("submit", "pack", "seed", "-o", "x", "--protocol", "toy-1.0", *CARD, folder=desk, home=home)
        assert refused.returncode == 4 and "was not made under toy-1.0" in refused.stderr
        shutil.copytree(desk / "honest", desk / "bad")
        other = read_shard(RunFolder(desk / "seed").shard_files("cells", "toycells", "fog-3", 0))
        edited_shard(
            desk / "bad", lambda s: {"images": other.images, "predictions": other.predictions}, "toycells/fog-3"
        )
        edited_shard(desk / "bad", without_images, "toycells/snow-3")
        replaced(desk / "bad", "images/toycells/frost-3/00001.arrow", bomb())
        outside = blob(desk / "bad", "predictions/toycells/contrast-3/00002.arrow")
        outside.rename(tmp_path / "elsewhere")
        outside.symlink_to(tmp_path / "elsewhere")
        content = json.loads((desk / "bad" / BUNDLE).read_text())
        content["files"][0]["path"] = "../../written/outside"
        content["card"]["name"] = "<script>alert(1)</script>"
        (desk / "bad" / BUNDLE).write_text(json.dumps(content))
        before = sorted(path.name for path in tmp_path.iterdir())
        bad = check("bad", code=1)
        found = {(f["file"], f["rule"]) for f in bad["findings"]}
        for file, rule in (
            ("images/toycells/fog-3/00000.arrow", "its pixels were not those of the protocol"),
            ("images/toycells/snow-3/00000.arrow", "its images are not those of the data set's shard"),
            ("images/toycells/frost-3/00001.arrow", "would inflate from "),
            ("predictions/toycells/contrast-3/00002.arrow", "is not a regular file"),
            ("../../written/outside", "is not a file of the protocol"),
            (BUNDLE, "`root` is not that of its content"),
        ):
            assert any(f == file and rule in r for f, r in found), (file, rule, sorted(found)[:40])
        assert bad["numbers"] == [] and bad["tier"] is None
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        shown = board("submit", "check", "bad", "--no-bootstrap", "--memory", "2", folder=desk, home=board_home)
        assert shown.returncode == 1 and "NOT accepted" in shown.stdout

        # -------------------------------------------------------------------------------------------- made again
        environment = {**certificates, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
        confined = container_flags()
        verdicts = {}
        for name, more in (("honest", ["--fresh-seed"]), ("truth", [])):
            words = ["reproduce", name, "--power", POWER, "--seed", "ab" * 16, "--private-addresses", "--packages"]
            words += [str(board.folder / "base"), "-o", f"{name}.json", *confined, *more]
            done = reproduced(board, words, desk, board_home, environment)
            assert done.returncode == (0 if name == "honest" else 1), (done.stdout, done.stderr)
            verdicts[name] = json.loads((desk / f"{name}.json").read_text())
            assert ("with 95 %" in done.stdout) and ("tier 3+ fresh" in done.stdout) == (name == "honest")
        assert verdicts["honest"]["tier"] == "3+ fresh" and verdicts["honest"]["mismatches"] == 0
        assert {n["task"] for n in verdicts["honest"]["numbers"]} == {"segm", "bbox"}
        assert all(n["stored"] == n["again"] for n in verdicts["honest"]["numbers"])
        assert any(n["stored"] != n["again"] for n in verdicts["honest"]["fresh"]["numbers"])
        assert verdicts["truth"]["tier"] is None and verdicts["truth"]["mismatches"] > verdicts["truth"]["allowed"]
        assert verdicts["honest"]["packages"]["segharness"]["version"] and verdicts["honest"]["plugin"]["sha256"]
        assert verdicts["honest"]["confined"] == (not confined)
    assert not (tmp_path / "executed").exists()
    assert subprocess.run([str(board.python), "-c", "import segharness_stranger"], capture_output=True).returncode == 1


def record(folder: Path, **changes) -> None:
    """Change entries of a bundle as its author would, with the root made again."""
    bundle, _ = Bundle.read(folder)
    assert bundle is not None
    model = {**bundle.model, **changes.get("model", {})}
    Bundle(bundle.protocol, model, bundle.card, bundle.made, bundle.files).write(folder)


def container_flags() -> list[str]:
    """Return ``--unconfined`` where no container can be made; test_reproduction.py then says so in a skip."""
    from segharness import UsageError

    try:
        check_container(True)
    except UsageError:
        return ["--unconfined"]
    return []


def reproduced(board, words, folder, home, environment):
    """Run a command of the board's environment with further variables."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return board(*words, folder=folder, home=home)
