"""`${NAME}` and `${NAME:-default}`: values come from --var first, then from the environment."""

from __future__ import annotations

from segharness.suite import Variables, load_suite

TEXT = """
segharness: 1
description: ${what:-nothing} and $${what}
models: [toycells/threshold]
datasets: [{dataset: toycells/quick, limit: "${n:-4}"}]
conditions: [clean]
seed: ${n:-4}
"""


def test_defaults_and_escapes(suites):
    suite = suites.load(TEXT)
    assert suite.description == "nothing and ${what}"
    assert (suite.seed, suite.datasets[0].limit) == (4, 4)


def test_given_values_come_before_the_environment(suites):
    assert suites.load(TEXT, environment={"n": "5"}).seed == 5
    assert suites.load(TEXT, variables={"n": "6"}, environment={"n": "5"}).seed == 6


def test_a_variable_alone_is_what_it_looks_like_and_in_quoted_text_it_is_text(suites):
    assert suites.problems(TEXT.replace('"${n:-4}"', '"1${n:-4}"')) == [
        "s.yaml:4:45: `limit` must be a whole number, not `14`"
    ]
    assert suites.load(TEXT.replace("${what:-nothing} and $${what}", "${n:-12}")).description == "12"


def test_given_paths_are_the_users_and_written_ones_the_files(suites, tmp_path, monkeypatch, host):
    working_folder, suite_folder = tmp_path / "working", tmp_path / "suite"
    for folder in (working_folder, suite_folder):
        folder.mkdir()
        (folder / "m.py").write_text("def build():\n    pass\n")
    text = """
    segharness: 1
    models: [{id: m, model: "${file:-./m.py}:build"}]
    datasets: [toycells/quick]
    conditions: [clean]
    """
    path = suites.write(text, "suite/s.yaml")
    monkeypatch.chdir(working_folder)
    by_default = load_suite(path, host, variables=Variables()).suite
    by_variable = load_suite(path, host, variables=Variables({"file": "m.py"})).suite
    assert by_default.model("m").local_function == (suite_folder / "m.py", "build")
    assert by_variable.model("m").local_function == (working_folder / "m.py", "build")
