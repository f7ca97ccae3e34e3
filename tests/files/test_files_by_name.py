"""Files that annotations name as exporters do: the only file that a name can mean, or none."""

from __future__ import annotations

import unicodedata
import zipfile

import pytest
from segharness.files import FilesByName, Tree

FORMS = {
    "as it is": ("1.png", "1.png"),
    "a dot": ("./1.png", "1.png"),
    "the folder above": ("../images/1.png", "1.png"),
    "two folders above": ("../../data/images/1.png", "1.png"),
    "backslashes": ("sub\\1.png", "sub/1.png"),
    "backslashes and above": ("..\\images\\1.png", "1.png"),
    "a path of Windows": ("C:\\Users\\ada\\images\\1.png", "1.png"),
    "percent-encoded": ("my%20image.png", "my image.png"),
    "percent-encoded letters": ("%C3%9Cbung.png", "Übung.png"),
    "composed letters": (unicodedata.normalize("NFC", "Übung.png"), unicodedata.normalize("NFD", "Übung.png")),
    "decomposed letters": (unicodedata.normalize("NFD", "Übung.png"), unicodedata.normalize("NFC", "Übung.png")),
    "letter case of the ending": ("1.JPG", "1.jpg"),
    "letter case of the name": ("IMG_1.png", "img_1.png"),
    "a doubled folder": ("images/1.png", "1.png"),
    "a missing folder": ("1.png", "train/1.png"),
    "another folder": ("train2017/1.png", "val/1.png"),
    "a leading slash": ("/1.png", "1.png"),
    "an absolute path of elsewhere": ("/content/drive/images/1.png", "1.png"),
    "doubled slashes": ("sub//1.png", "sub/1.png"),
    "a percent sign that is one": ("100%.png", "100%.png"),
}


def make(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


@pytest.mark.parametrize("kind", ["folder", "zip", "folder in a tree"])
@pytest.mark.parametrize("form", FORMS)
def test_a_name_means_the_only_file_that_it_can(tmp_path, form, kind):
    written, file = FORMS[form]
    make(tmp_path / "images", [file, "other.txt", "another/2.png"])
    root, folder = tmp_path / "images", ""
    if kind == "zip":
        root = tmp_path / "images.zip"
        with zipfile.ZipFile(root, "w") as archive:
            for path in sorted((tmp_path / "images").rglob("*")):
                archive.write(path, path.relative_to(tmp_path / "images"))
    if kind == "folder in a tree":
        root, folder = tmp_path, "images"
    found = FilesByName(Tree(root), folder).find(written)
    assert found is not None and found.read() == file.encode()


def test_a_name_that_may_mean_several_files_means_none(tmp_path):
    files = FilesByName(Tree(make(tmp_path, ["a/1.png", "b/1.png", "c/X.png", "c/x.PNG"])))
    assert files.find("1.png") is None and files.find("z/1.png") is None
    assert files.find("b/1.png").name == "b/1.png" and files.find("images/a/1.png").name == "a/1.png"
    assert files.find("C/X.png") is None and files.find("2.png") is None


def test_two_names_never_mean_one_file(tmp_path):
    files = FilesByName(Tree(make(tmp_path, ["1.png", "2.png"])))
    assert list(files.find_all(["a/1.png", "b/1.png", "2.png"])) == ["2.png"]
    assert list(files.find_all(["1.png", "a/1.png"])) == ["1.png"]
    assert list(files.find_all(["./1.png", "./2.png"])) == ["./1.png", "./2.png"]


def test_the_nearest_file_is_named(tmp_path):
    files = FilesByName(Tree(make(tmp_path, ["images/frame_0001.png", "images/frame_0002.png"])), "images")
    assert files.nearest("frame_0001.jpg") == "frame_0001.png"
    assert files.nearest("quite something else") is None


@pytest.mark.parametrize(
    "name",
    ["/" * 100_000, "../" * 100_000 + "else", "\\" * 100_000, "%2F" * 100_000, "a" * 100_000, "." * 100_000, "\0" * 9],
    ids=["slashes", "folders above", "backslashes", "coded slashes", "letters", "dots", "zeros"],
)
def test_a_name_that_no_file_can_have_means_none(tmp_path, name):
    files = FilesByName(Tree(make(tmp_path, ["1.png", "2.png"])))
    assert files.find(name) is None and files.find_all([name, "1.png"]).keys() == {"1.png"}
    assert files.nearest(name) is None
