"""`segharness compare`: in words, only what can be compared, against stored references too."""

from __future__ import annotations

import json

import pytest

COMPARED = ("better", "worse", "not distinguishable")


def test_two_models_are_compared_in_words(small):
    assert small("run", "small.yaml").code == 0
    done = small("compare", "runs/small")
    assert done.code == 0, done.err
    assert "other (second) against good (first)" in done.out and any(word in done.out for word in COMPARED)
    found = json.loads(small("compare", "runs/small::good", "runs/small::other", "--format", "json").out)
    rows = {(r["condition"], r["task"], r["metric"]): r for r in found}
    clean = rows["clean", "segm", "AP"]
    assert clean["difference"] == pytest.approx(clean["values"][1] - clean["values"][0])
    assert clean["verdict"] in COMPARED
    back = json.loads(small("compare", "runs/small::other", "runs/small::good", "--format", "json").out)
    mirrored = next(r for r in back if (r["condition"], r["task"], r["metric"]) == ("clean", "segm", "AP"))
    assert mirrored["difference"] == pytest.approx(-clean["difference"])
    opposite = {"better": "worse", "worse": "better"}
    assert mirrored["verdict"] == opposite.get(clean["verdict"], clean["verdict"])


def test_two_runs_are_compared_model_by_model(small):
    assert small("run", "small.yaml", "--out", "a").code == 0
    assert small("run", "small.yaml", "--out", "b").code == 0
    done = small("compare", "a", "b", "--format", "json")
    found = json.loads(done.out)
    assert {(r["first"], r["second"]) for r in found} == {("a::good", "b::good"), ("a::other", "b::other")}
    assert {r["difference"] for r in found if r["difference"] is not None} == {0.0}
    assert {r["verdict"] for r in found if r["difference"] is not None} == {"not distinguishable"}


MISTAKES = (
    (["runs/small::good"], "name two models"),
    (["runs/small::god", "runs/small::other"], "no model `god` (did you mean `good`?)"),
    (["runs/small::good", "runs/small::good"], "is compared with itself"),
    (["runs/small", "nowhere"], "no file nowhere"),
    (["runs/small", "seeded"], "under protocol"),
    (["runs/small", "fewer"], "were scored on different resamples"),
    (["a", "b", "c"], "one run or two"),
)


def test_what_cannot_be_compared_is_said(small):
    assert small("run", "small.yaml", "-qq").code == 0
    text = (small.folder / "small.yaml").read_text()
    small.write("seeded.yaml", text.replace("seed: 5", "seed: 6"))
    assert small("run", "seeded.yaml", "--out", "seeded", "-qq").code == 0
    assert small("run", "small.yaml", "--out", "fewer", "--bootstrap", "120", "-qq").code == 0
    for arguments, message in MISTAKES:
        done = small("compare", *arguments)
        assert done.code == 4 and message in done.err and "Traceback" not in done.err, arguments


STORED = """
segharness: 1
name: {name}
extends: small.yaml
models: [{{id: mine, model: "./solver.py:build", options: {{margin: 60}}}}]
reference: {{results: {results}, model: good}}
"""


def test_a_run_is_compared_with_the_run_of_its_stored_reference(small):
    assert small("run", "small.yaml", "-qq").code == 0
    small.write("mine.yaml", STORED.format(name="mine", results="runs/small/results.arrow"))
    assert small("run", "mine.yaml", "-qq").code == 0
    done = small("compare", "runs/small::other", "runs/mine::mine", "--format", "json")
    assert done.code == 0, done.err
    cd = [r for r in json.loads(done.out) if r["metric"] == "CD" and not r["reason"]]
    assert cd and all(r["verdict"] in COMPARED for r in cd)


def test_degradation_against_two_references_of_one_name_is_not_compared(small):
    assert small("run", "small.yaml", "-qq").code == 0
    worse = 'models: [{id: good, model: "./solver.py:build", options: {margin: 100}}]'
    small.write("worse.yaml", "segharness: 1\nname: worse\nextends: small.yaml\n" + worse + "\nreference: good\n")
    assert small("run", "worse.yaml", "-qq").code == 0
    for name in ("small", "worse"):
        small.write(f"vs-{name}.yaml", STORED.format(name=f"vs-{name}", results=f"runs/{name}/results.arrow"))
        assert small("run", f"vs-{name}.yaml", "-qq").code == 0
    found = json.loads(small("compare", "runs/vs-small", "runs/vs-worse", "--format", "json").out)
    for row in found:
        if row["metric"] in ("CD", "rCD", "rCD_pooled"):
            assert row["difference"] is None and "the reference `good` has other APs" in row["reason"]
        elif row["metric"] == "AP":
            assert row["difference"] == 0.0


def test_sets_of_one_name_and_other_members_are_not_compared(small):
    text = (small.folder / "small.yaml").read_text()
    listed = "conditions: [clean, gaussian_noise-5, fog-3, mixed]"
    for name, first, second in (("one", "fog", "snow"), ("two", "snow", "fog")):
        small.write(
            f"{name}.yaml",
            text.replace("name: small", f"name: {name}").replace(
                listed,
                f"conditions: [clean, {{name: mine, corruptions: [{first}], severities: [3]}}, "
                f"{{name: rest, corruptions: [{second}], severities: [3]}}]",
            ),
        )
        assert small("run", f"{name}.yaml", "-qq").code == 0
    found = json.loads(small("compare", "runs/one::good", "runs/two::good", "--format", "json").out)
    sets = [r for r in found if r["condition"] in ("mine", "rest")]
    assert sets and all("are other conditions in the two runs" in r["reason"] for r in sets)
    assert {r["difference"] for r in found if r["metric"] == "AP"} == {0.0}


def test_a_damaged_file_of_resamples_is_found_before_the_run(small):
    assert small("run", "small.yaml", "-qq").code == 0
    path = small.folder / "runs/small/resamples.arrow"
    path.write_bytes(path.read_bytes()[:200])
    small.write("mine.yaml", STORED.format(name="mine", results="runs/small/results.arrow"))
    done = small("run", "mine.yaml")
    assert done.code == 4 and "`segharness score RUN` makes it again" in done.err
    assert not (small.folder / "runs/mine").exists()
    assert small("run", "mine.yaml", "--no-bootstrap", "-qq").code == 0
