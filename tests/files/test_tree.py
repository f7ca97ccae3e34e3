"""Trees: folders and zip archives give the same files."""

from __future__ import annotations

import os
import unicodedata
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
        contents = list(pool.map(lambda file: set(file.read()), [*files.values()] * 5))
    assert contents == [{number} for number in range(40)] * 5


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(DataError, match="no such folder or zip archive"):
        Tree(tmp_path / "none")
    (tmp_path / "bad.zip").write_bytes(b"PK no")
    for ask in (lambda tree: tree.files("x"), lambda tree: tree.find("x")):
        with pytest.raises(DataError, match=r"bad\.zip: not a zip archive that can be read"):
            ask(Tree(tmp_path))
    (tmp_path / "x").write_bytes(b"there")
    assert Tree(tmp_path).find("x").read() == b"there"  # nothing is missing, so nothing is asked of the archive


def test_damage_anywhere_in_a_member_is_named_or_does_no_harm(tmp_path):
    path = tmp_path / "all.zip"
    content = bytes(range(256)) * 4
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a", content)
    intact = path.read_bytes()
    named = 0
    for position in range(30, len(intact) - 80):
        path.write_bytes(intact[:position] + bytes([intact[position] ^ 255]) + intact[position + 1 :])
        try:
            assert Tree(path).find("a").read() == content
        except DataError as error:
            assert "a" in str(error) and "all.zip" in str(error)
            named += 1
    assert named > 50


def test_what_is_half_unpacked_is_completed_from_the_archives(folder, tmp_path):
    archive(folder / "one.zip")
    (folder / "images/val/a/1.png").unlink()
    assert list(Tree(folder).files("images/val")) == ["images/val/a/1.png", "images/val/b/2.png"]
    for name in ("x/1", "x/2"):
        with zipfile.ZipFile(tmp_path / f"{name[-1]}.zip", "w") as opened:
            opened.writestr(name, name)
    assert list(Tree(tmp_path).files("x")) == ["x/1", "x/2"]


def test_names_that_are_not_utf_8_and_links_in_a_circle_are_named(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DataError, match="loop: cannot be read"):
        Tree(tmp_path).files("")
    (tmp_path / "loop").unlink()
    open(os.fsencode(tmp_path) + b"/bad\xff", "wb").close()  # noqa: PTH123
    with pytest.raises(DataError, match="is not UTF-8"):
        Tree(tmp_path).files("")


class Unmarked(zipfile.ZipInfo):
    """A member whose name is UTF-8 and does not say so."""

    def _encodeFilenameFlags(self):  # noqa: N802
        return self.filename.encode(), self.flag_bits & ~0x800


def macos_zip(path, names):
    """A zip as macOS' Finder makes it: one folder, AppleDouble files, and names in UTF-8 that are not marked as such."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in names:
            folder, _, file = name.rpartition("/")
            opened.writestr(Unmarked(name), name.encode())
            opened.writestr(Unmarked(f"__MACOSX/{folder}/._{file}"), b"Mac OS X")
        opened.writestr("data/.DS_Store", b"Bud1")
    with zipfile.ZipFile(path) as opened:
        assert not any(info.flag_bits & 0x800 for info in opened.infolist())
    return path


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_zip_of_macos_has_the_names_that_were_zipped(tmp_path, form):
    names = [unicodedata.normalize(form, name) for name in ("data/Übung 1.png", "data/画像/二.png", "data/plain.png")]
    tree = Tree(macos_zip(tmp_path / "data.zip", names))
    assert sorted(tree.files("")) == sorted(name.removeprefix("data/") for name in names)
    assert tree.find(names[0].removeprefix("data/")).read() == names[0].encode()


def test_a_name_of_another_code_page_stays_as_it_is(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        info = Unmarked("top/x.png")
        opened.writestr(info, b"1")
    data = (tmp_path / "a.zip").read_bytes().replace(b"top/x.png", b"top/\x81.png")  # an u with two dots, in cp437
    (tmp_path / "a.zip").write_bytes(data)
    assert list(Tree(tmp_path / "a.zip").files("")) == ["ü.png"]
