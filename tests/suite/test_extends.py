"""`extends`: mappings merge, lists and scalars are replaced, null removes; circles and missing files are named."""

from __future__ import annotations

import time

import pytest
from segharness.errors import SuiteError

BASE = """
segharness: 1
name: base
seed: 3
models:
  - {id: a, model: toycells/threshold}
  - {id: b, model: toycells/watershed}
reference: a
datasets: [toycells/quick]
conditions: [clean, fog-3]
scoring: {tasks: [segm], splits: {cells: [cell]}}
"""


def test_mappings_merge_and_lists_are_replaced(suites):
    suites.write(BASE, "base.yaml")
    suite = suites.load("segharness: 1\nextends: base.yaml\nconditions: [clean]\nscoring: {tasks: [bbox]}\n")
    assert suite.seed == 3
    assert [c.name for c in suite.conditions] == ["clean"]
    assert suite.scoring.tasks == ("bbox",)
    assert [split.name for split in suite.scoring.splits] == ["cells"]
    assert suite.name == "s", "the name is not inherited: two suites would write to one folder"


def test_null_removes_a_key(suites):
    suites.write(BASE, "base.yaml")
    suite = suites.load("segharness: 1\nextends: base.yaml\nname: null\nreference: null\n")
    assert suite.name == "s"
    assert suite.groups[0].reference is None


def test_later_bases_win(suites):
    suites.write(BASE, "base.yaml")
    suites.write("segharness: 1\nseed: 9\n", "seed.yaml")
    assert suites.load("segharness: 1\nextends: [base.yaml, seed.yaml]\n").seed == 9
    assert suites.load("segharness: 1\nextends: [seed.yaml, base.yaml]\n").seed == 3


def test_groups_drop_the_models_of_a_base_and_the_other_way_round(suites):
    suites.write(BASE, "base.yaml")
    grouped = """
    segharness: 1
    extends: base.yaml
    groups:
      - {name: one, reference: b, models: [{id: b, model: toycells/watershed}]}
      - {name: two, models: [{id: b, model: toycells/watershed}, toycells/threshold]}
    """
    suite = suites.load(grouped)
    assert [(g.name, g.models, g.reference) for g in suite.groups] == [
        ("one", ("b",), "b"),
        ("two", ("b", "toycells-threshold"), None),
    ]
    assert [m.id for m in suite.models] == ["b", "toycells-threshold"]
    suites.write(grouped, "grouped.yaml")
    ungrouped = suites.load("segharness: 1\nextends: grouped.yaml\nmodels: [toycells/threshold]\n")
    assert [g.models for g in ungrouped.groups] == [("toycells-threshold",)]


def test_only_the_models_and_groups_of_whole_suites_exclude_each_other(suites):
    suites.write(BASE.replace("{cells: [cell]}", "{models: [cell]}"), "base.yaml")
    suite = suites.load("segharness: 1\nextends: base.yaml\nscoring: {splits: {groups: [cell]}}\n")
    assert [split.name for split in suite.scoring.splits] == ["models", "groups"]


def test_a_mistake_in_a_base_is_shown_in_the_base(suites):
    suites.write(BASE.replace("seed: 3", "seed: x"), "base.yaml")
    assert suites.problems("segharness: 1\nextends: base.yaml\n") == [
        "base.yaml:3:7: `seed` must be a whole number, not `x`"
    ]


def test_circles_and_missing_bases_are_named(suites):
    suites.write("segharness: 1\nextends: s.yaml\n", "b.yaml")
    [problem] = [p for p in suites.problems("segharness: 1\nextends: b.yaml\n") if "circle" in p]
    assert problem == "b.yaml:2:10: `extends` runs in a circle: s.yaml -> b.yaml -> s.yaml"
    suites.write(BASE, "base.yaml")
    [problem] = suites.problems(BASE + "extends: bse.yaml\n")
    assert problem == (
        "s.yaml:11:10: no suite `bse.yaml` beside this one, and none of that name (did you mean `base.yaml`?)"
    )
    suites.write(BASE, "suites/robustness.yaml")
    suites.write("repos: []", ".pre-commit-config.yaml")
    [problem] = suites.problems(BASE + "extends: robustness.yaml\n")
    assert problem.endswith(
        "no suite `robustness.yaml` beside this one, and none of that name (did you mean `suites/robustness.yaml`?)"
    )


def test_paths_stay_relative_to_the_file_that_wrote_them(suites, tmp_path):
    (tmp_path / "below").mkdir()
    suites.write("def build():\n    return 1\n", "below/m.py")
    suites.write(BASE.replace("model: toycells/threshold", "model: './m.py:build'"), "below/base.yaml")
    suite = suites.load("segharness: 1\nextends: below/base.yaml\n")
    assert suite.model("a").local_function == (tmp_path / "below/m.py", "build")


def test_bases_that_double_are_read_once_each(suites):
    """Thirty suites of which each extends the next twice are a thousand million readings, or thirty."""
    for number in range(30):
        suites.write(f"segharness: 1\nextends: [b{number + 1}.yaml, b{number + 1}.yaml]\n", f"b{number}.yaml")
    suites.write(BASE, "b30.yaml")
    began = time.process_time()
    assert suites.load("segharness: 1\nextends: b0.yaml\n").seed == 3
    assert time.process_time() - began < 20  # it was hours


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("segharness: 1\nmodels: " + "[" * 100_000, "nested too deeply"),
        ("segharness: 1\nmodels: " + "{a: " * 100_000, "nested too deeply"),
        ("segharness: 1\nmodels:\n" + "".join(" " * n + "a:\n" for n in range(1, 2_000)), "nested too deeply"),
        ("segharness: 1\ndescription: " + "a" * (5 << 20), "a suite has at most 4 MiB"),
        (f"segharness: 1\nextends: [{', '.join(['base.yaml'] * 101)}]\n", "a suite extends at most 100 others"),
    ],
    ids=["brackets", "braces", "indents", "long", "many bases"],
)
def test_what_would_take_for_ever_is_refused(suites, text, message):
    suites.write(BASE, "base.yaml")
    began = time.process_time()
    with pytest.raises(SuiteError, match=message):
        suites.load(text)
    assert time.process_time() - began < 20  # it was minutes


def test_a_long_chain_of_bases_is_refused(suites):
    for number in range(60):
        suites.write(f"segharness: 1\nextends: c{number + 1}.yaml\n", f"c{number}.yaml")
    suites.write(BASE, "c60.yaml")
    with pytest.raises(SuiteError, match="over 50 suites extend one another"):
        suites.load("segharness: 1\nextends: c0.yaml\n")
