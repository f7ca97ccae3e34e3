"""Mistakes in a suite: one line each, with the place and what would be right; all mistakes of a file at once."""

from __future__ import annotations

import pytest

GOOD = """
segharness: 1
models: [toycells/threshold]
datasets: [toycells/quick]
conditions: [clean, fog-3]
"""


def test_the_good_suite_is_good(suites):
    suite = suites.load(GOOD)
    assert [m.id for m in suite.models] == ["toycells-threshold"]
    assert [c.name for c in suite.conditions] == ["clean", "fog-3"]


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        ("sead: 1", "5:1", "unknown key `sead` (did you mean `seed`?)"),
        ("seed: one", "5:7", "`seed` must be a whole number, not `one`"),
        ("seed: true", "5:7", "`seed` must be a whole number, not `true`"),
        ("seed: -1", "5:7", "`seed` must be at least 0, not -1"),
        ("limit: 0", "5:8", "`limit` must be at least 1, not 0"),
        ("name: Big Name", "5:7", "`name` `Big Name` must match"),
        ("models: []", "5:1", "duplicate key `models`; first given at s.yaml:2:1"),
        ("scoring: [segm]", "5:10", "`scoring` must be a mapping, not a list"),
        ("scoring: {tasks: segm}", "5:18", "`tasks` must be a list, not `segm`"),
        ("scoring: {tasks: [masks]}", "5:19", "no task `masks`"),
        ("scoring: {metrics: [AP]}", "5:21", "`AP` is one of the numbers of `coco`"),
        ("scoring: {splits: {a: voq}}", "5:23", "no category set `voq` (did you mean `voc`?)"),
        ("seed: !!python/name:os.system 1", "5:7", "YAML tags such as `tag:yaml.org,2002:python/name:os.system`"),
        ("seed: !int 1", "5:7", "YAML tags such as `!int`"),
        ("reference: toycells-treshold", "5:12", "is not among the models (did you mean `toycells-threshold`?)"),
        ("reference: {results: nowhere.arrow}", "5:22", "no file"),
        ("groups: [{name: g, models: [toycells/watershed]}]", "2:9", "`models` stands beside `groups`"),
        ("requires: ['segharness ??']", "5:12", "is not a PEP 508 requirement"),
        ("requires: [no-such-thing>=1]", "5:12", "no-such-thing is not installed: pip install 'no-such-thing>=1'"),
        ("requires: [segharness>=99]", "5:12", "segharness 0.1.0 is installed, not >=99"),
        ("description: ${NOBODY}", "5:14", "variable `NOBODY` has no value; give `--var NOBODY=VALUE`"),
        ("description: ${a b}", "5:14", "is not a variable"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(suites, change, place, message):
    problems = suites.problems(GOOD + change + "\n")
    assert len(problems) == 1
    assert problems[0].startswith(f"s.yaml:{place}: ")
    assert message in problems[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("segharness: 1", "segharness: 2", "s.yaml:1:13: `segharness` is 2; this segharness reads version 1"),
        ("segharness: 1", "seed: 1", "s.yaml:1:1: the key `segharness` is missing"),
        (
            "toycells/threshold",
            "toycells/treshold",
            "no model `toycells/treshold` (did you mean `toycells/threshold`?)",
        ),
        ("toycells/threshold", "{id: a}", "s.yaml:2:10: the key `model` is missing"),
        ("toycells/threshold", "{model: toycells/threshold, optoins: {}}", "did you mean `options`?"),
        (
            "toycells/threshold",
            "{model: toycells/threshold, options: {x: 1}}",
            "s.yaml:2:48: model `toycells/threshold` has no option `x`",
        ),
        ("toycells/threshold", "{model: toycells/threshold, weights: w}", "takes no `weights`"),
        ("toycells/threshold", "{model: yolo/seg}", "model `yolo/seg` needs `weights:`, a file"),
        ("toycells/threshold", "{model: yolo/seg, weights: w.onnx}", "no file"),
        ("toycells/threshold", "{model: yolo/seg, weights: .}", "is a folder, not a file"),
        (
            "toycells/threshold",
            "{model: toycells/threshold, options: {shrink: 0}}",
            "s.yaml:2:56: option `shrink` of model `toycells/threshold` is 0, not a whole number from 1 to 16",
        ),
        (
            "toycells/threshold",
            "{model: toycells/threshold, options_for: {toycells-quick: {shrink: yes please}}}",
            "option `shrink` of model `toycells/threshold` is 'yes please', not a whole number from 1 to 16",
        ),
        (
            "toycells/quick",
            "{dataset: toycells/quick, options: {enlarged: 1.5}}",
            "option `enlarged` of data set `toycells/quick` is 1.5, not a whole number from 1 to 16",
        ),
        ("toycells/threshold", "{model: toycells/threshold, batch_size: many}", "must match ^auto$: auto, or a whole"),
        ("toycells/threshold", "Toycells/Threshold", "(did you mean `toycells/threshold`?)"),
        ("toycells/threshold", "mmdet/nothing-such", "those of mmdet: `segharness models mmdet`"),
        ("toycells/threshold", "toycells/threshold, toycells/threshold", "two models have the id `toycells-threshold`"),
        ("toycells/threshold", "./m.py:build", "needs an `id:`"),
        ("toycells/threshold", "{id: m, model: './m.py:build'}", "no file"),
        ("toycells/threshold", "{model: toycells/threshold, python: ./m.py}", "`python:` needs a model of the form"),
        ("toycells/quick", "toycells/quik", "no dataset `toycells/quik` (did you mean `toycells/quick`?)"),
        ("toycells/quick", "toycells/quick, toycells/quick", "two data sets have the id `toycells-quick`"),
        ("toycells/quick", "coco/instances", "needs the option `annotations`"),
        (
            "toycells/quick",
            "{dataset: coco/instances, options: {annotations: a.json, images: b}}",
            "(option `annotations` of data set `coco/instances`)",
        ),
        ("fog-3", "fogg-3", "no corruption `fogg-3` (did you mean `fog-3`?)"),
        ("fog-3", "fog-9", "`fog` has no severity 9; it has 1, 2, 3, 4, 5"),
        ("fog-3", "clean-1", "`clean` has no severities; write `clean`"),
        ("fog-3", "paper16", "(did you mean `paper15`?)"),
        ("fog-3", "{set: paper15, corruptions: [fog]}", "give either `set` (a named set) or `corruptions` (a list)"),
        ("fog-3", "{set: paper15, severities: []}", "`severities` is empty"),
        ("[clean, fog-3]", "[]", "`conditions` is empty"),
        ("[toycells/quick]", "[]", "`datasets` is empty"),
        ("models: [toycells/threshold]", "seed: 0", "no models: give `models`, `groups`, or --model NAME"),
    ],
)
def test_a_wrong_name_is_met_with_the_nearest_right_one(suites, old, new, message):
    problems = suites.problems(GOOD.replace(old, new))
    assert any(message in problem for problem in problems), problems
    assert all(problem.startswith("s.yaml:") for problem in problems)


def test_a_mistake_in_a_set_is_said_once(suites):
    problems = suites.problems(
        GOOD.replace("toycells/threshold", "{model: mmdet/scnet, weights: random, options: {a: 1}}")
    )
    assert len(problems) == 1
    assert problems[0].startswith("s.yaml:2:58: model `mmdet/scnet` has no option `a` (known: categories, output, ")


def test_all_mistakes_of_a_file_come_at_once(suites):
    text = """
    segharness: 1
    sead: 1
    models: {}
    datasets: [3, {id: A, dataset: toycells/quick}]
    conditions: 7
    limit: many
    """
    problems = suites.problems(text)
    assert [p.split(": ")[0] for p in problems] == [
        "s.yaml:2:1", "s.yaml:3:9", "s.yaml:4:12", "s.yaml:4:20", "s.yaml:5:13", "s.yaml:6:8",
    ]  # fmt: skip


def test_mistakes_of_every_kind_come_at_once(suites):
    text = """
    segharness: 1
    sead: 1
    seed: !!int 3
    models: [toycells/threshold, {id: w, model: toycells/watershed, options: {x: "${NOBODY}"}}]
    models: []
    reference: nobody
    datasets: [toycells/quik]
    conditions: [clean, fgo-3, {set: paper15, severities: [9]}]
    limit: many
    """
    problems = suites.problems(text)
    for part in (
        "unknown key `sead`",
        "YAML tags",
        "variable `NOBODY` has no value",
        "duplicate key `models`",
        "no dataset `toycells/quik`",
        "no corruption `fgo-3`",
        "has no severity 9",
        "`limit` must be",
    ):
        assert any(part in problem for problem in problems), part
    assert not any("missing" in p or "empty" in p or "among" in p for p in problems), (
        "consequences of a mistake must not be reported"
    )


def test_a_misspelt_base_is_the_only_mistake(suites):
    assert suites.problems("segharness: 1\nextends: nowhere.yaml\n") == [
        "s.yaml:2:10: no suite `nowhere.yaml` beside this one, and none of that name"
    ]


def test_what_is_replaced_needs_no_variables(suites):
    text = GOOD.replace("[toycells/threshold]", "[{model: yolo/seg, id: y, weights: '${NOBODY}'}]")
    assert suites.load(text, models=["toycells/watershed"]).models[0].id == "toycells-watershed"
    assert "variable `NOBODY` has no value" in suites.problems(text)[0]


def test_all_unknown_names_come_at_once(suites):
    text = GOOD.replace("toycells/threshold", "a/b").replace("toycells/quick", "c/d").replace("fog-3", "gof-3")
    assert len(suites.problems(text)) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("[1, 2]", "a suite is a mapping"),
        ("a: [", "not YAML"),
        ("a:\n\tb: 1", "not YAML"),
        ("a: &x [*x]\nsegharness: 1", "an alias contains itself"),
        ("? [a]\n: b\nsegharness: 1", "a key must be a plain word"),
        ("\x00", "not YAML"),
    ],
)
def test_what_is_no_suite_at_all(suites, text, message):
    assert any(message in problem for problem in suites.problems(text))


def test_aliases_without_end_are_refused(suites):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert any("aliases expand to over 100000 nodes" in problem for problem in suites.problems("\n".join(lines)))


def test_a_file_that_is_not_utf8(suites, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"segharness: 1\nname: \xff\n")
    assert "not UTF-8" in suites.problems(GOOD + "extends: bad.yaml\n")[0]
