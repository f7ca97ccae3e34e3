"""Paths, folders and node ids -> suite files."""

from __future__ import annotations

import pytest
from segharness.errors import UsageError
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import SuiteSpec
from segharness.suite import find_suites as module

HOST = PluginHost.load()


def find_suites(arguments):
    return module.find_suites(arguments, HOST)


@pytest.fixture(autouse=True)
def suite_folder(tmp_path, monkeypatch):
    (tmp_path / "suites/deep").mkdir(parents=True)
    (tmp_path / "suites/a.yaml").write_text("segharness: 1\n")
    (tmp_path / "suites/deep/b.yml").write_text("# comment\nsegharness: 1\n")
    (tmp_path / "suites/other.yaml").write_text("name: not a suite\n")
    monkeypatch.chdir(tmp_path)


def test_folders_are_searched_for_files_with_the_key():
    assert [f.shown for f in find_suites(["suites"])] == ["suites/a.yaml", "suites/deep/b.yml"]


def test_no_argument_means_suites():
    assert find_suites([]) == find_suites(["suites"])


def test_node_ids_are_gathered_by_file():
    [argument] = find_suites(["suites/a.yaml::m", "suites/a.yaml::n::d::c"])
    assert argument.parts == (("m",), ("n", "d", "c"))


def test_a_whole_file_wins_over_its_parts():
    [argument] = find_suites(["suites/a.yaml::m", "suites/a.yaml"])
    assert argument.parts == ()


def test_what_is_not_there_is_met_with_what_is():
    with pytest.raises(UsageError) as caught:
        find_suites(["suites/aa.yaml", "suites/other.yaml"])
    assert caught.value.problems == (
        "no suite suites/aa.yaml (did you mean `suites/a.yaml`?)",
        "suites/other.yaml: not a suite: it has no top-level key `segharness:`",
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_suites_of_windows_editors_are_found(tmp_path, encoding):
    file = tmp_path / "s.yaml"
    file.write_text("segharness: 1\n", encoding=encoding)
    assert [found.file for found in find_suites([str(file)])] == [file]
    assert file in [found.file for found in find_suites([str(tmp_path)])]


def test_a_name_is_found_where_there_is_no_such_path(tmp_path):
    [argument] = find_suites(["paper/table1a::fpn::coco"])
    assert argument.file == HOST.get("paper/table1a", SuiteSpec).path()
    assert (argument.shown, argument.parts) == ("paper/table1a", (("fpn", "coco"),))
    (tmp_path / "robustness").write_text("segharness: 1\n")
    [argument] = find_suites(["robustness"])
    assert argument.file.read_text() == "segharness: 1\n"


def test_a_folder_without_suites_does_not_hide_a_name(tmp_path):
    (tmp_path / "robustness").mkdir()
    [argument] = find_suites(["robustness"])
    assert argument.file == HOST.get("robustness", SuiteSpec).path()


def test_a_misspelt_name_is_met_with_the_right_one():
    with pytest.raises(UsageError, match=r"no suite robustnes \(did you mean `robustness`\?\)"):
        find_suites(["robustnes"])
