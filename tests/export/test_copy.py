"""A corrupted copy of a data set: what it holds, that it continues, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from segharness import Category, Sample, generator
from segharness.data import OpenDataset
from segharness.errors import DataError, StoreError
from segharness.export import Copy, copy_dataset
from segharness.export import copy as copy_module
from segharness.plugins import PluginHost
from segharness.records import CLEAN, Condition
from segharness.runner.progress import Silent
from segharness.suite import DatasetEntry


class Pictures:
    """Six small images whose names are awkward, with an RLE each."""

    digest = "six"
    categories = (Category(1, "thing"),)

    def __init__(self, names=("a.jpg", "a.png", "sub/b.jpg", "../c.jpg", "", "d.JPG")):
        rng = np.random.default_rng(0)
        self.pixels = [rng.integers(0, 256, (40, 50, 3), dtype=np.uint8) for _ in names]
        self._samples = [
            Sample(i, lambda p=p: p, 40, 50, name) for i, (p, name) in enumerate(zip(self.pixels, names, strict=True))
        ]

    def samples(self):
        return self._samples

    def ground_truth(self, kind):
        shape = {"size": [40, 50], "counts": b"0d>"}
        return {"instances": {
            "images": [{"id": s.image_id, "file_name": s.name, "height": 40, "width": 50} for s in self._samples],
            "annotations": [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 1, 1], "area": 1.0,
                             "iscrowd": 0, "segmentation": shape}],
            "categories": [{"id": 1, "name": "thing"}],
        }}[kind]  # fmt: skip


@pytest.fixture(scope="module")
def host():
    return PluginHost.load()


NOISE = Condition("gaussian_noise-2", "gaussian_noise", 2, "noise", version="2")
MIXED = Condition("mixed-1", "mixed", 1, mixture=True, version="1")


def request(folder, conditions=(NOISE, MIXED, CLEAN), seed=4, dataset=None, kind="png"):
    dataset = dataset or Pictures()
    return Copy(
        OpenDataset(DatasetEntry("six", "pictures"), dataset, dataset.samples()), conditions, seed, folder, kind
    )


def files(folder: Path):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def index(folder, name):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_the_images_are_those_of_a_run_with_that_key(tmp_path, host, kind):
    from segharness_corruptions import corrupt

    wanted = request(tmp_path / "copy", kind=kind)
    outcome = copy_dataset(wanted, host, Silent())
    assert (outcome.made, outcome.kept, outcome.errors) == (18, 0, [])
    for entry in index(tmp_path / "copy", NOISE.name):
        stored = np.asarray(Image.open(tmp_path / "copy" / NOISE.name / entry["file"]))
        clean = wanted.opened.dataset.pixels[entry["image_id"]]
        expected = corrupt(clean, "gaussian_noise", 2, seed=4, dataset="pictures", image_id=entry["image_id"])
        assert np.array_equal(stored, expected)
    for entry in index(tmp_path / "copy", "clean"):
        stored = np.asarray(Image.open(tmp_path / "copy" / "clean" / entry["file"]))
        assert np.array_equal(stored, wanted.opened.dataset.pixels[entry["image_id"]])
    assert all(len(entry["drawn"]) == 4 for entry in index(tmp_path / "copy", MIXED.name))


def test_names_stay_inside_and_apart(tmp_path, host):
    copy_dataset(request(tmp_path / "copy"), host, Silent())
    names = [entry["file"] for entry in index(tmp_path / "copy", "clean")]
    assert names == ["a.png", "image-1.png", "sub/b.png", "image-3.png", "image 4.png", "d.png"]
    truth = json.loads((tmp_path / "copy/annotations.json").read_text())
    assert [image["file_name"] for image in truth["images"]] == names
    assert truth["annotations"][0]["segmentation"]["counts"] == "0d>"


def test_it_continues_where_it_was_and_ends_as_if_undisturbed(tmp_path, host, monkeypatch):
    copy_dataset(request(tmp_path / "whole"), host, Silent())
    written = copy_module.write_image
    count = iter(range(100))

    def interrupted(file, data):
        if next(count) == 7:
            raise KeyboardInterrupt
        written(file, data)

    monkeypatch.setattr(copy_module, "write_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        copy_dataset(request(tmp_path / "part"), host, Silent(), workers=1)
    assert not json.loads((tmp_path / "part/manifest.json").read_text())["complete"]
    monkeypatch.setattr(copy_module, "write_image", written)
    with (tmp_path / "part" / f"{NOISE.name}.jsonl").open("a") as lines:
        lines.write('{"image_id": 3, "fi')  # as a crash would leave it
    outcome = copy_dataset(request(tmp_path / "part"), host, Silent())
    assert 0 < outcome.kept < 18 and outcome.made == 18 - outcome.kept
    assert files(tmp_path / "part") == files(tmp_path / "whole")
    assert json.loads((tmp_path / "part/manifest.json").read_text())["complete"]


def test_images_that_are_gone_or_cut_are_made_again(tmp_path, host):
    copy_dataset(request(tmp_path / "copy"), host, Silent())
    before = files(tmp_path / "copy")
    (tmp_path / "copy/clean/a.png").unlink()
    (tmp_path / "copy/clean/d.png").write_bytes(b"cut")
    outcome = copy_dataset(request(tmp_path / "copy"), host, Silent())
    assert (outcome.made, outcome.kept) == (2, 16)
    assert files(tmp_path / "copy") == before


def test_conditions_can_be_added(tmp_path, host):
    copy_dataset(request(tmp_path / "copy", [NOISE]), host, Silent())
    outcome = copy_dataset(request(tmp_path / "copy", [CLEAN]), host, Silent())
    assert outcome.made == 6
    manifest = json.loads((tmp_path / "copy/manifest.json").read_text())
    assert set(manifest["conditions"]) == {NOISE.name, "clean"} and manifest["complete"]


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"seed": 5}, "seed"),
        ({"kind": "webp"}, "format"),
        ({"dataset": Pictures(("x.jpg",))}, "dataset"),
        (
            {"conditions": [Condition("gaussian_noise-2", "gaussian_noise", 2, version="3")]},
            "version of gaussian_noise-2",
        ),
    ],
)
def test_another_copy_is_not_mixed_in(tmp_path, host, other, what):
    copy_dataset(request(tmp_path / "copy"), host, Silent())
    before = files(tmp_path / "copy")
    with pytest.raises(StoreError, match=rf"holds an export of other inputs \({what}\)"):
        copy_dataset(request(tmp_path / "copy", **other), host, Silent())
    assert files(tmp_path / "copy") == before


def test_a_folder_of_something_else_is_refused(tmp_path, host):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not empty and holds no export"):
        copy_dataset(request(tmp_path), host, Silent())
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        copy_dataset(request(tmp_path), host, Silent())


def test_a_broken_image_costs_itself(tmp_path, host):
    dataset = Pictures()
    dataset._samples[2] = Sample(2, tmp_path / "gone.jpg", 40, 50, "gone.jpg")
    outcome = copy_dataset(request(tmp_path / "copy", dataset=dataset), host, Silent())
    assert outcome.made == 15
    assert len(outcome.errors) == 1 and "gone.jpg: missing" in outcome.errors[0]
    assert not json.loads((tmp_path / "copy/manifest.json").read_text())["complete"]


def test_no_instances_no_copy(tmp_path, host):
    dataset = Pictures()
    dataset.ground_truth = {}.__getitem__
    with pytest.raises(DataError, match="has no instances"):
        copy_dataset(request(tmp_path / "copy", dataset=dataset), host, Silent())


def test_workers_do_not_change_the_copy(tmp_path, host):
    for workers in (1, 5):
        copy_dataset(request(tmp_path / str(workers)), host, Silent(), workers=workers)
    assert files(tmp_path / "1") == files(tmp_path / "5")


def test_generator_is_the_one_of_runs():
    first, again, other = (generator(1, "d", image_id, "fog", 3).random() for image_id in (5, 5, 6))
    assert first == again != other
