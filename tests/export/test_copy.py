"""A corrupted copy of a data set: what it holds, that it continues, and what it refuses."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from segharness import Category, Sample
from segharness.data.open_dataset import OpenDataset
from segharness.errors import DataError, StoreError
from segharness.execution.monitor.progress import Silent
from segharness.export import Copy, copy_dataset
from segharness.export import copy_index as index_module
from segharness.plugin.host import PluginHost
from segharness.records import CLEAN, Condition
from segharness.store import Lock, RunFolder
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
    paths = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def index(folder, name):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_the_images_are_those_of_a_run_with_that_key(tmp_path, host, kind):
    from segharness_corruptions import corrupt

    copy = request(tmp_path / "copy", kind=kind)
    outcome = copy_dataset(copy, host, Silent())
    assert (outcome.made, outcome.kept, outcome.errors) == (18, 0, [])
    for entry in index(tmp_path / "copy", NOISE.name):
        stored = np.asarray(Image.open(tmp_path / "copy" / NOISE.name / entry["file"]))
        clean = copy.opened.dataset.pixels[entry["image_id"]]
        expected = corrupt(clean, "gaussian_noise", 2, seed=4, dataset="pictures", image_id=entry["image_id"])
        assert np.array_equal(stored, expected)
    for entry in index(tmp_path / "copy", "clean"):
        stored = np.asarray(Image.open(tmp_path / "copy" / "clean" / entry["file"]))
        assert np.array_equal(stored, copy.opened.dataset.pixels[entry["image_id"]])
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
    written = index_module.write_atomic
    count = iter(range(100))

    def interrupted(file, data, durable=True):
        if not durable and next(count) == 7:
            raise KeyboardInterrupt
        written(file, data, durable)

    monkeypatch.setattr(index_module, "write_atomic", interrupted)
    with pytest.raises(KeyboardInterrupt):
        copy_dataset(request(tmp_path / "part"), host, Silent(), workers=1)
    assert not json.loads((tmp_path / "part/manifest.json").read_text())["complete"]
    monkeypatch.setattr(index_module, "write_atomic", written)
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
    changed = tmp_path / "copy/clean/sub/b.png"
    changed.write_bytes(bytes(changed.stat().st_size))
    with (tmp_path / "copy/clean.jsonl").open("ab") as lines:
        lines.write(b"\xff\n[]\n")
    outcome = copy_dataset(request(tmp_path / "copy"), host, Silent())
    assert (outcome.made, outcome.kept) == (3, 15)
    assert files(tmp_path / "copy") == before


def test_conditions_can_be_added(tmp_path, host):
    copy_dataset(request(tmp_path / "copy", [NOISE]), host, Silent())
    outcome = copy_dataset(request(tmp_path / "copy", [CLEAN]), host, Silent())
    assert outcome.made == 6
    manifest = json.loads((tmp_path / "copy/manifest.json").read_text())
    assert set(manifest["conditions"]) == {NOISE.name, "clean"} and manifest["complete"]


@pytest.mark.parametrize(
    ("inputs", "changed"),
    [
        ({"seed": 5}, "seed"),
        ({"kind": "webp"}, "format"),
        ({"dataset": Pictures(("x.jpg",))}, "images of the data set"),
        (
            {"conditions": [Condition("gaussian_noise-2", "gaussian_noise", 2, version="3")]},
            "version of gaussian_noise-2",
        ),
    ],
)
def test_another_copy_is_not_mixed_in(tmp_path, host, inputs, changed):
    copy_dataset(request(tmp_path / "copy"), host, Silent())
    before = files(tmp_path / "copy")
    with pytest.raises(StoreError, match=rf"holds an export of other inputs \({changed}\)"):
        copy_dataset(request(tmp_path / "copy", **inputs), host, Silent())
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


def test_an_image_that_the_format_cannot_hold_costs_itself(tmp_path, host):
    dataset = Pictures()
    wide = np.zeros((32, 17000, 3), np.uint8)
    dataset._samples[1] = Sample(1, lambda: wide, 32, 17000, "wide.png")
    outcome = copy_dataset(request(tmp_path / "copy", [CLEAN], dataset=dataset, kind="webp"), host, Silent())
    assert outcome.made == 5
    assert len(outcome.errors) == 1 and "wide.webp: cannot be stored as webp" in outcome.errors[0]


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[" * 100_000,
        '{"schema_version": Infinity, "conditions": {}}',
        '{"schema_version": 1, "dataset": {}, "conditions": {"clean": 5}}',
    ],
    ids=["cut", "deep", "endless", "typed"],
)
def test_a_damaged_manifest_is_named(tmp_path, host, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match="manifest.json: damaged"):
        copy_dataset(request(tmp_path), host, Silent())


def test_no_instances_no_copy(tmp_path, host):
    dataset = Pictures()
    dataset.ground_truth = {}.__getitem__
    with pytest.raises(DataError, match="has no instances"):
        copy_dataset(request(tmp_path / "copy", dataset=dataset), host, Silent())


def test_workers_do_not_change_the_copy(tmp_path, host):
    for workers in (1, 5):
        copy_dataset(request(tmp_path / str(workers)), host, Silent(), workers=workers)
    assert files(tmp_path / "1") == files(tmp_path / "5")


def test_numbers_that_stand_for_names_are_free(tmp_path, host):
    dataset = Pictures(("image-3.jpg", "a.jpg", "b.jpg", "../c.jpg", "A.png"))
    copy_dataset(request(tmp_path / "copy", dataset=dataset), host, Silent())
    names = [entry["file"] for entry in index(tmp_path / "copy", "clean")]
    assert names == ["image-3.png", "a.png", "b.png", "image-3-.png", "image-4.png"]


def test_a_second_copy_into_one_folder_waits_its_turn(tmp_path, host):
    with Lock(RunFolder(tmp_path)), pytest.raises(StoreError, match="is writing here"):
        copy_dataset(request(tmp_path), host, Silent())


def test_a_full_disk_is_said_and_the_rest_is_kept(tmp_path, host, monkeypatch):
    written = index_module.write_atomic
    count = iter(range(100))

    def full(file, data, durable=True):
        if not durable and next(count) >= 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        written(file, data, durable)

    monkeypatch.setattr(index_module, "write_atomic", full)
    with pytest.raises(StoreError, match="No space left on device; the same command continues"):
        copy_dataset(request(tmp_path / "copy"), host, Silent(), workers=1)
    monkeypatch.setattr(index_module, "write_atomic", written)
    outcome = copy_dataset(request(tmp_path / "copy"), host, Silent())
    assert (outcome.kept, outcome.made) == (5, 13)


def test_annotations_of_numpy_and_without_masks_become_json(tmp_path, host):
    dataset = Pictures()
    truth = dataset.ground_truth("instances")
    truth["annotations"] = [{"id": np.int64(1), "image_id": 0, "category_id": 1, "bbox": np.array([0, 0, 1.5, 1])}]
    dataset.ground_truth = {"instances": truth}.__getitem__
    copy_dataset(request(tmp_path / "copy", dataset=dataset), host, Silent())
    stored = json.loads((tmp_path / "copy/annotations.json").read_text())
    assert stored["annotations"] == [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 1.5, 1]}]
