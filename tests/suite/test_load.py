"""Overrides from the command line, local models, stored references, and the resolved suite."""

from __future__ import annotations

import codecs
import json

import pytest
from segharness.errors import SuiteError
from segharness.suite import Overrides, StoredReference, Suite, Variables, load_suite

GOOD = """
segharness: 1
models: [{id: a, model: toycells/threshold}, {id: b, model: toycells/watershed}]
reference: a
datasets: [toycells/quick]
conditions: [clean, paper15, mixed]
scoring: {splits: {cells: [cell], rest: {not: [cell]}}}
"""


def test_models_data_sets_and_references_are_replaced(suites):
    suite = suites.load(
        GOOD, models=["toycells/watershed,id=w"], datasets=["toycells/test,limit=8,id=t"], references=["w"]
    )
    assert [m.id for m in suite.models] == ["w"]
    assert [(d.id, d.limit) for d in suite.datasets] == [("t", 8)]
    assert suite.groups[0].reference == "w"


def test_a_reference_that_went_with_the_models_is_said(suites, host):
    path = suites.write(GOOD)
    loaded = load_suite(path, host, variables=Variables(), overrides=Overrides(models=["toycells/watershed"]))
    assert loaded.suite.groups[0].reference is None
    assert "no reference among the models given" in loaded.notes[0]


def test_mistakes_in_overrides_name_the_flag(suites):
    problems = suites.problems(GOOD, models=["toycells/wateshed"], datasets=["toycells/quick,limit=x", "nope,y"])
    assert any(p.startswith("--model: no model `toycells/wateshed`") or "KEY=VALUE" in p for p in problems)
    assert any("--dataset nope,y: `y` is not KEY=VALUE" in p for p in problems)


def test_a_stored_reference_may_be_given(suites, tmp_path):
    stored = tmp_path / "results.arrow"
    stored.write_bytes(b"")
    suite = suites.load(GOOD, references=[f"{stored}::old"])
    assert suite.groups[0].reference == StoredReference(str(stored), "old")


def test_references_of_groups_are_named(suites):
    text = (
        GOOD.replace("reference: a\n", "").replace("models: [", "groups: [{name: g, models: [").replace("}]", "}]}]", 1)
    )
    assert suites.load(text, references=["g=b"]).groups[0].reference == "b"
    assert suites.load(text, references=["g=b", "g=b"]).groups[0].reference == "b"
    assert "the suite has groups; write GROUP=b" in suites.problems(text, references=["b"])[0]


def test_limit_is_for_every_data_set_that_has_none(suites):
    text = GOOD.replace("[toycells/quick]", "[toycells/quick, {dataset: toycells/test, limit: 3}]")
    assert [d.limit for d in suites.load(text + "limit: 5\n").datasets] == [5, 3]
    assert [d.limit for d in suites.load(text, limit=2).datasets] == [2, 2]


def test_local_models_are_parsed_but_not_run(suites, tmp_path):
    file = tmp_path / "m.py"
    local = GOOD.replace("{id: a, model: toycells/threshold}", "{id: a, model: './m.py:build', options: {depth: 3}}")
    file.write_text("raise SystemExit('this file was run')\n\ndef build(depth, device='cpu'):\n    pass\n")
    assert suites.load(local).model("a").options == {"depth": 3}
    file.write_text("def build(deep):\n    pass\n")
    assert "has no parameter `depth` (did you mean `deep`?)" in suites.problems(local)[0]
    file.write_text("def biuld():\n    pass\n")
    assert "defines no `build` (did you mean `biuld`?)" in suites.problems(local)[0]
    file.write_text("def build(:\n")
    assert "m.py:1: not Python" in suites.problems(local)[0]


def test_options_for_a_data_set_win(suites, tmp_path):
    (tmp_path / "m.py").write_text("def build(x=1, y=2):\n    pass\n")
    model = "{id: a, model: './m.py:build', options: {x: 5, y: 6}, options_for: {toycells-quick: {x: 7}}}"
    suite = suites.load(GOOD.replace("{id: a, model: toycells/threshold}", model))
    assert suite.model("a").options_on("toycells-quick") == {"x": 7, "y": 6}
    assert suite.model("a").options_on("other") == {"x": 5, "y": 6}
    wrong = GOOD.replace("{id: a, model: toycells/threshold}", model.replace("toycells-quick", "toycell-quick"))
    assert "no data set `toycell-quick` in this suite (did you mean `toycells-quick`?)" in suites.problems(wrong)[0]


def test_a_suite_survives_json(suites):
    suite = suites.load(GOOD)
    assert Suite.from_json(json.loads(json.dumps(suite.to_json()))) == suite


# --------------------------------------------------------------------------- what editors write, and what YAML 1.1 reads

PLAIN = "segharness: 1\nmodels: [toycells/threshold]\ndatasets: [toycells/quick]\nconditions: [clean]\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode("utf-8-sig"), PLAIN.encode("utf-16"), codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-16-le"), PLAIN.encode("utf-16-be"), PLAIN.replace("\n", "\r\n").encode("utf-8-sig"),
        PLAIN.replace("\n", "\r").encode(), (PLAIN + "description: Übung\n").encode("utf-16"),
    ],
    ids=["BOM", "UTF-16", "UTF-16 BE", "LE without BOM", "BE without BOM", "BOM and CRLF", "CR", "letters"],
)  # fmt: skip
def test_suites_of_windows_editors_are_read(suites, data):
    file = suites.write("", "windows.yaml")
    file.write_bytes(data)
    suites.write(PLAIN, "s.yaml")
    found = suites.load("segharness: 1\nextends: windows.yaml\n")
    assert [model.id for model in found.models] == ["toycells-threshold"]


def test_other_bytes_are_refused(suites):
    suites.write("", "latin.yaml").write_bytes("segharness: 1 # Übung".encode("latin-1"))
    with pytest.raises(SuiteError, match=r"latin\.yaml: not UTF-8 or UTF-16 text \(byte 16\)"):
        suites.load("segharness: 1\nextends: latin.yaml\n")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("010", "is an octal number"), ("1:30", "of base 60"), ("-012", "is an octal number"), ("190:20:30", "of base 60"),
        ("0x10", "another base"), ("0b11", "another base"), ("1_000", "with `_` in it"), ("08_1", "not a"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("written", ["limit: {}\n", "seed: {}\n"])
def test_numbers_that_yaml_reads_in_its_own_way_are_refused(suites, number, message, written):
    with pytest.raises(SuiteError, match=f"{message}|must be"):
        suites.load(PLAIN + written.format(number))


def test_numbers_in_quotes_are_texts_and_usual_numbers_numbers(suites):
    assert suites.load(PLAIN + "limit: 90\nseed: 0\n").seed == 0
    assert suites.load(PLAIN + 'description: "010"\n').description == "010"
    with pytest.raises(SuiteError, match="octal"):
        suites.load(PLAIN + "limit: ${LIMIT:-010}\n")
