"""The training loop: what decides the weights, what a kill leaves, what a user may get wrong."""

from __future__ import annotations

import csv
import hashlib
import io
import json

import numpy as np
import pytest
import torch
from segharness import Instances, UsageError
from segharness_toycells.dataset import TRAIN_SEED, validation
from segharness_toycells.scene import make_scene
from segharness_toycells.training import Recipe, TrainingImages, checkpoint, main, train
from segharness_toycells.training.validation import average_precision
from torch import nn

RECIPE = Recipe(steps=6, batch=2, learning_rate=1e-2, warmup=2, validate_every=3, validation_images=2, save_every=2)


class Brightness:
    """Learns the mean of the images, plus a draw: as much of a network as a loop needs."""

    name = "brightness"

    def __init__(self, stop_at=None):
        self.stop_at, self.calls = stop_at, 0

    def network(self, seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    def loss(self, network, scenes, rng):
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        means = torch.tensor(np.stack([s.pixels.mean(axis=(0, 1)) for s in scenes])).float() / 255
        return {"error": ((network(means) - means.mean() - float(rng.random())) ** 2).mean()}

    def model(self, network):
        return Nothing()


class Nothing:
    categories = ("cell",)

    def predict(self, images, prompts=None):
        none = np.zeros((0, 96, 96), bool)
        return [
            Instances(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, int), none) for _ in images
        ]


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "checkpoint.pt"}


def quiet(done, line):
    pass


def test_the_same_recipe_gives_the_same_files_and_another_seed_others(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(Brightness(), Recipe(**{**vars(RECIPE), "seed": seed}), tmp_path / name, quiet)
    a, b, c = (files(tmp_path / name) for name in "abc")
    assert set(a) == {"recipe.json", "log.csv", "weights.safetensors"}
    assert a == b
    assert all(a[name] != c[name] for name in a)


@pytest.mark.parametrize("stop_at", [1, 2, 4, 6])
def test_a_training_that_was_stopped_goes_on_exactly(tmp_path, stop_at):
    train(Brightness(), RECIPE, tmp_path / "whole", quiet)
    with pytest.raises(KeyboardInterrupt):
        train(Brightness(stop_at), RECIPE, tmp_path / "stopped", quiet)
    rest = Brightness()
    train(rest, RECIPE, tmp_path / "stopped", quiet)
    assert rest.calls == RECIPE.steps - (stop_at - 1) // RECIPE.save_every * RECIPE.save_every
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_training_touches_no_random_state_but_its_own(tmp_path):
    torch.manual_seed(5)
    expected = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].tolist()
    train(Brightness(), RECIPE, tmp_path / "a", quiet)
    assert torch.equal(torch.get_rng_state(), expected) and np.random.get_state()[1].tolist() == numpy_state


def test_the_log_has_loss_and_validation_ap(tmp_path):
    train(Brightness(), RECIPE, tmp_path / "a", quiet)
    rows = list(csv.DictReader((tmp_path / "a/log.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["3", "6"] and [row["images"] for row in rows] == ["6", "12"]
    assert all(float(row["error"]) == float(row["loss"]) > 0 for row in rows)
    assert [rows[-1][name] for name in ("AP50", "AP70", "AP80", "AP90")] == ["0.0000"] * 4
    assert json.loads((tmp_path / "a/recipe.json").read_text())["learning_rate"] == 1e-2


def test_a_folder_keeps_to_its_recipe(tmp_path):
    train(Brightness(), RECIPE, tmp_path / "a", quiet)
    with pytest.raises(UsageError, match="a training with batch 2, not 3: give another --out"):
        train(Brightness(), Recipe(**{**vars(RECIPE), "batch": 3}), tmp_path / "a", quiet)


def flipped(data):
    place = len(data) // 8
    return data[:place] + bytes([data[place] ^ 64]) + data[place + 1 :]


@pytest.mark.parametrize("change", [lambda b: b"", lambda b: b"nonsense", lambda b: b[:-1], flipped])
def test_a_damaged_checkpoint_is_named(tmp_path, change):
    train(Brightness(), RECIPE, tmp_path / "a", quiet)
    path = tmp_path / "a/checkpoint.pt"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UsageError, match=r"checkpoint.pt: damaged; delete it to begin again"):
        train(Brightness(), RECIPE, tmp_path / "a", quiet)
    path.unlink()
    train(Brightness(), RECIPE, tmp_path / "a", quiet)
    train(Brightness(), RECIPE, tmp_path / "b", quiet)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def rewrite(path, content):
    file = io.BytesIO()
    torch.save(content, file)
    path.write_bytes(hashlib.sha256(file.getvalue()).digest() + file.getvalue())


def test_a_checkpoint_is_not_unpickled(tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    train(Brightness(), RECIPE, tmp_path / "a", quiet)
    rewrite(tmp_path / "a/checkpoint.pt", {"network": Evil()})
    with pytest.raises(UsageError, match=r"not a checkpoint of this training \(UnpicklingError\)"):
        train(Brightness(), RECIPE, tmp_path / "a", quiet)
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [{}, 3, [], {"made_with": {}}])
def test_what_is_no_checkpoint_is_named(tmp_path, content):
    train(Brightness(), RECIPE, tmp_path / "a", quiet)
    rewrite(tmp_path / "a/checkpoint.pt", content)
    with pytest.raises(UsageError, match=r"checkpoint.pt: (not a checkpoint of this|of another) training"):
        train(Brightness(), RECIPE, tmp_path / "a", quiet)


def test_a_checkpoint_knows_its_recipe(tmp_path):
    """Though the recipe beside it was deleted."""
    with pytest.raises(KeyboardInterrupt):
        train(Brightness(stop_at=5), RECIPE, tmp_path / "a", quiet)
    (tmp_path / "a/recipe.json").unlink()
    with pytest.raises(UsageError, match=r"checkpoint.pt: of another training"):
        train(Brightness(), Recipe(**{**vars(RECIPE), "seed": 7}), tmp_path / "a", quiet)


def test_how_often_it_is_saved_may_change(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(Brightness(stop_at=5), RECIPE, tmp_path / "a", quiet)
    train(Brightness(), Recipe(**{**vars(RECIPE), "save_every": 1}), tmp_path / "a", quiet)
    train(Brightness(), RECIPE, tmp_path / "b", quiet)
    assert (tmp_path / "a/weights.safetensors").read_bytes() == (tmp_path / "b/weights.safetensors").read_bytes()


def test_a_log_that_was_deleted_is_written_again(tmp_path):
    train(Brightness(), RECIPE, tmp_path / "a", quiet)
    expected = files(tmp_path / "a")
    (tmp_path / "a/log.csv").unlink()
    train(Brightness(), RECIPE, tmp_path / "a", quiet)
    assert files(tmp_path / "a") == expected


@pytest.mark.parametrize("name", ["checkpoint.pt", "log.csv", "weights.safetensors"])
def test_what_cannot_be_written_is_found_before_the_first_step(tmp_path, name):
    (tmp_path / name).mkdir()
    task = Brightness()
    with pytest.raises(UsageError, match=f"{name} is a folder"):
        train(task, RECIPE, tmp_path, quiet)
    assert task.calls == 0


def test_a_start_that_fails_claims_no_folder(tmp_path):
    with pytest.raises(UsageError, match="--device nonsense"):
        train(Brightness(), Recipe(**{**vars(RECIPE), "device": "nonsense"}), tmp_path / "a", quiet)
    train(Brightness(), RECIPE, tmp_path / "a", quiet)


def test_a_kill_between_the_log_and_the_last_checkpoint_leaves_both_right(tmp_path, monkeypatch):
    train(Brightness(), RECIPE, tmp_path / "whole", quiet)
    real, written = checkpoint.write_atomic, []

    def dies(path, data):
        written.append(path.name)
        if len(written) == 3:
            raise KeyboardInterrupt
        real(path, data)

    monkeypatch.setattr(checkpoint, "write_atomic", dies)
    with pytest.raises(KeyboardInterrupt):
        train(Brightness(), RECIPE, tmp_path / "killed", quiet)
    monkeypatch.undo()
    train(Brightness(), RECIPE, tmp_path / "killed", quiet)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_other_versions_and_a_damaged_recipe_are_named(tmp_path):
    train(Brightness(), RECIPE, tmp_path / "a", quiet)
    path = tmp_path / "a/recipe.json"
    recipe = json.loads(path.read_text())
    path.write_text(json.dumps({**recipe, "software": {**recipe["software"], "torch": "1.0"}}))
    with pytest.raises(UsageError, match=r"a training with software .*'torch': '1.0'"):
        train(Brightness(), RECIPE, tmp_path / "a", quiet)
    for text in ("{", "3"):
        path.write_text(text)
        with pytest.raises(UsageError, match=r"recipe.json: not a recipe"):
            train(Brightness(), RECIPE, tmp_path / "a", quiet)


def test_a_gradient_that_is_not_finite_ends_the_training(tmp_path):
    class Root(Brightness):
        def loss(self, network, scenes, rng):
            return {"error": (super().loss(network, scenes, rng)["error"] * 0).sqrt()}

    with pytest.raises(UsageError, match="the gradient is not finite at step 1"):
        train(Root(), RECIPE, tmp_path / "a", quiet)


def test_the_number_of_threads_is_the_recipes_for_the_while(tmp_path):
    seen, before = [], torch.get_num_threads()

    class Watched(Brightness):
        def loss(self, network, scenes, rng):
            seen.append(torch.get_num_threads())
            return super().loss(network, scenes, rng)

    train(Watched(), Recipe(**{**vars(RECIPE), "threads": before + 1}), tmp_path / "a", quiet)
    assert set(seen) == {before + 1} and torch.get_num_threads() == before


def test_the_rate_rises_and_falls():
    recipe = Recipe(steps=1000, batch=1, learning_rate=2.0, warmup=100)
    rates = [recipe.rate(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.02) and rates[99] == 2.0 == rates[100] == max(rates)
    assert rates[550] == pytest.approx(1.0) and 0 < rates[-1] < 1e-4


def test_an_epoch_shows_every_image_once_turned_in_eight_ways():
    images = TrainingImages(seed=3, count=5, batch=2)
    plain = [make_scene(TRAIN_SEED, i) for i in range(5)]
    seen, ways = [], set()
    for step in range(50):
        for scene in images.batch(step):
            for index, original in enumerate(plain):
                for way in range(8):
                    pixels = np.rot90(original.pixels, way % 4)
                    masks = np.rot90(original.masks, way % 4, axes=(1, 2))
                    if way >= 4:
                        pixels, masks = pixels[:, ::-1], masks[:, :, ::-1]
                    if np.array_equal(pixels, scene.pixels):
                        assert np.array_equal(masks, scene.masks), "masks are turned with their image"
                        seen.append(index)
                        ways.add(way)
    assert len(seen) == 100 and ways == set(range(8))
    epochs = [seen[i : i + 5] for i in range(0, 100, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 10
    assert np.array_equal(images.batch(7)[0].pixels, TrainingImages(3, 5, 2).batch(7)[0].pixels)


def test_validation_ap_of_a_model_that_knows_and_of_one_that_shifts():
    dataset = validation(3)
    truth = {dataset.samples()[i].source().tobytes(): dataset.scene(i + 1).masks for i in range(3)}

    class Oracle(Nothing):
        def __init__(self, shift):
            self.shift = shift

        def predict(self, images, prompts=None):
            masks = np.roll(truth[images[0].tobytes()], self.shift, axis=2)
            count = len(masks)
            return [
                Instances(
                    np.zeros((count, 4), np.float32),
                    np.linspace(1, 0.5, count, dtype=np.float32),
                    np.zeros(count, int),
                    masks,
                )
            ]

    assert average_precision(Oracle(0), 3) == {"AP50": 1.0, "AP70": 1.0, "AP80": 1.0, "AP90": 1.0}
    moved = average_precision(Oracle(1), 3)
    assert moved["AP50"] > 0.9 > moved["AP70"] > moved["AP80"] > moved["AP90"]


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tasks = {"one": (Brightness(), RECIPE), "two": (Brightness(), RECIPE)}
    assert main("train", tasks, ["one", "--steps", "4", "--seed", "7"]) == 0
    assert capsys.readouterr().out.strip() == "trained/brightness/weights.safetensors"
    assert json.loads((tmp_path / "trained/brightness/recipe.json").read_text())["seed"] == 7
    assert main("train", tasks, ["one", "--out", "trained/brightness"]) == 4
    assert capsys.readouterr().err.startswith("error: trained/brightness has a training with steps 4, not 6")
    assert main("train", tasks, ["one", "--out", "y", "--device", "nonsense"]) == 4
    assert capsys.readouterr().err.startswith("error: --device nonsense: ")
    wrong = (
        [],
        ["three"],
        ["one", "--steps", "0"],
        ["one", "--learning-rate", "-1"],
        ["one", "--learning-rate", "nan"],
    )
    for arguments in wrong:
        assert main("train", tasks, arguments) == 4
        assert capsys.readouterr().err.startswith("error: ")
    (tmp_path / "file").write_text("")
    assert main("train", tasks, ["one", "--out", "file"]) == 4
    assert capsys.readouterr().err.startswith("error: --out file: cannot be written: ")
    assert main("train", {"one": (Brightness(stop_at=1), RECIPE)}, ["one", "--out", "z"]) == 2
    assert "begins again: there was no checkpoint yet" in capsys.readouterr().err
    assert main("train", {"one": (Brightness(stop_at=3), RECIPE)}, ["one", "--out", "x"]) == 2
    assert "goes on from the last checkpoint in x" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path):
    class Broken(Brightness):
        def loss(self, network, scenes, rng):
            return {"error": super().loss(network, scenes, rng)["error"] * np.nan}

    with pytest.raises(UsageError, match="not finite at step 1"):
        train(Broken(), RECIPE, tmp_path / "a", quiet)
