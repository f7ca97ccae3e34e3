"""Indices: nothing is read twice, and nothing old is believed."""

from __future__ import annotations

import os

import pytest
from segharness import DataError
from segharness.files import AnnotationEntry, LabelMap, Region, Tree, read_index, rereading
from segharness.user.user_dirs import cache_folder


@pytest.fixture
def tree(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(f"{ord(name)}")
    return tmp_path


class Reader:
    """Reads a number from a file, and records which names were read."""

    def __init__(self, folder):
        self.folder, self.read = folder, []

    def __call__(self, name):
        self.read.append(name)
        text = (self.folder / name).read_text()
        if not text.isdigit():
            raise DataError(f"{name}: no number")
        import numpy as np

        mask = LabelMap(np.eye(3, dtype=int)).mask(1)
        return AnnotationEntry(3, 3, [Region(int(text), 5, mask, crowd=text == "98"), Region(0, 0, mask, kind="void")])


def index(folder, version="1"):
    reader = Reader(folder)
    files = {name: (file,) for name, file in Tree(folder).files("").items() if name.endswith(".txt")}
    return read_index("numbers", folder, files, reader, version), sorted(reader.read)


def test_what_was_read_is_kept_and_files_that_changed_are_read_again(tree):
    first, read = index(tree)
    assert read == ["a.txt", "b.txt", "c.txt"]
    second, read = index(tree)
    assert read == [] and second.digest == first.digest and second.sizes == [(3, 3)] * 3
    assert second.annotations("instances", [1, 2, 3]) == first.annotations("instances", [1, 2, 3])
    (tree / "b.txt").write_text("12")
    third, read = index(tree)
    assert read == ["b.txt"] and third.digest != first.digest
    (tree / "b.txt").write_text("98")
    fourth, read = index(tree)
    assert read == ["b.txt"] and fourth.digest == first.digest  # the same content is the same data set


def test_a_touched_file_of_equal_size_is_read_again(tree):
    index(tree)
    stat = (tree / "a.txt").stat()
    (tree / "a.txt").write_text("96")
    os.utime(tree / "a.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert index(tree)[1] == ["a.txt"]


def test_files_come_and_go(tree):
    index(tree)
    (tree / "a.txt").unlink()
    (tree / "d.txt").write_text("4")
    kept_index, read = index(tree)
    assert read == ["d.txt"]
    numbers = [a["category_id"] for a in kept_index.annotations("instances", [1, 2, 3])]
    assert len(numbers) == 3 and index(tree)[1] == []


def test_another_version_of_the_reader_reads_everything_again(tree):
    index(tree)
    assert len(index(tree, "2")[1]) == 3


def test_a_damaged_index_is_made_again(tree):
    first, _ = index(tree)
    [path] = (cache_folder() / "index").iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    second, read = index(tree)
    assert len(read) == 3 and second.digest == first.digest
    path.write_bytes(path.read_bytes()[:100])
    assert len(index(tree)[1]) == 3


def test_annotations_are_cocos_by_kind(tree):
    kept_index, _ = index(tree)
    annotations = kept_index.annotations("instances", [10, 20, 30])
    assert [(a["id"], a["image_id"], a["iscrowd"]) for a in annotations] == [(1, 10, 0), (2, 20, 1), (3, 30, 0)]
    assert annotations[0]["area"] == 3.0 and annotations[0]["bbox"] == [0.0, 0.0, 3.0, 3.0]
    assert annotations[0]["segmentation"]["size"] == [3, 3]
    assert len(kept_index.annotations("void", [10, 20, 30])) == 3


def test_broken_files_are_named_together_and_the_others_are_kept(tree):
    (tree / "a.txt").write_text("x")
    (tree / "c.txt").write_text("y")
    with pytest.raises(DataError) as raised:
        index(tree)
    assert list(raised.value.problems) == ["a.txt: no number", "c.txt: no number"]
    (tree / "a.txt").write_text("1")
    (tree / "c.txt").write_text("2")
    assert index(tree)[1] == ["a.txt", "c.txt"]


def test_everything_is_read_again_when_that_is_asked_for(tree):
    index(tree)
    with rereading():
        assert len(index(tree)[1]) == 3
    assert index(tree)[1] == []


def test_one_file_is_kept_whatever_the_version(tree):
    index(tree)
    index(tree, "2")
    assert len(list((cache_folder() / "index").iterdir())) == 1


def test_a_folder_that_cannot_be_written_costs_only_time(tree, monkeypatch, capsys):
    (tree / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tree / "file"))
    for _ in range(2):
        assert len(index(tree)[1]) == 3
    assert "will be read again next time" in capsys.readouterr().err
