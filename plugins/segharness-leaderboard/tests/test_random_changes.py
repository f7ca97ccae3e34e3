"""Random changes of a bundle are found, or change no number."""

from __future__ import annotations

import numpy as np
from segharness import PluginHost
from segharness.score import ScoreOptions
from segharness.store import IMAGES, PREDICTIONS
from segharness_leaderboard.bundle import BUNDLE, Bundle, ModelCard
from segharness_leaderboard.submit import check_bundle

from tests.bundle_desk import PROTOCOL, blob, column, edited_shard, replaced


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
