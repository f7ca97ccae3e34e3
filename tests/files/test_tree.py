"""Trees: folders and zip archives give the same files."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from segharness import DataError
from segharness.files import Tree

FILES = {"images/val/b/2.png": b"two", "images/val/a/1.png": b"one", "images/train/c.png": b"three", "list.json": b"{}"}


@pytest.fixture
def folder(tmp_path):
    for name, data in {**FILES, "images/val/.DS_Store": b"x", ".hidden/y": b"x"}.items():
        path = tmp_path / "plain" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "plain"


def archive(path, wrap=""):
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in {**FILES, "images/val/.DS_Store": b"x", "__MACOSX/z": b"x"}.items():
            opened.writestr(f"{wrap}{name}", data)
    return path


@pytest.fixture(params=["folder", "zip in a folder", "zip", "wrapped zip", "wrapped folder"])
def tree(request, folder, tmp_path):
    if request.param == "folder":
        return Tree(folder)
    if request.param == "zip in a folder":
        return Tree(archive(tmp_path / "zips/all.zip").parent)
    if request.param == "zip":
        return Tree(archive(tmp_path / "all.zip"))
    if request.param == "wrapped zip":
        return Tree(archive(tmp_path / "zips/all.zip", "top/").parent, within="top")
    folder.rename(tmp_path / "top")
    return Tree(tmp_path, within="top")


def test_files_are_found_by_name_and_read(tree):
    assert list(tree.files("images/val")) == ["images/val/a/1.png", "images/val/b/2.png"]
    assert {name: file.read() for name, file in tree.files("images").items()} == {
        name: data for name, data in FILES.items() if name.startswith("images")
    }
    assert tree.find("list.json").read() == b"{}" and tree.find("list.json").size == 2
    assert tree.find("none.json") is None and tree.files("nowhere") == {}
    assert tree.has("images/train") and not tree.has("images/tr")
    assert tree.folders("images") == ["train", "val"]


def test_a_member_changes_its_stamp_with_its_content(tmp_path):
    path = archive(tmp_path / "all.zip")
    before = Tree(path).find("list.json").stamp
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("list.json", b"[]")
    assert Tree(path).find("list.json").stamp != before


def test_members_are_read_from_many_threads(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        for number in range(40):
            opened.writestr(f"x/{number:02d}", bytes([number]) * 50_000)
    files = Tree(tmp_path / "all.zip").files("")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda file: set(file.read()), [*files.values()] * 5))
    assert found == [{number} for number in range(40)] * 5


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(DataError, match="no such folder or zip archive"):
        Tree(tmp_path / "none")
    (tmp_path / "bad.zip").write_bytes(b"PK no")
    with pytest.raises(DataError, match=r"bad\.zip: not a zip archive that can be read"):
        Tree(tmp_path).files("x")
    path = archive(tmp_path / "all.zip")
    data = bytearray(path.read_bytes())
    data[45] ^= 255  # in the first member
    path.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read"):
        [file.read() for file in Tree(path).files("").values()]
