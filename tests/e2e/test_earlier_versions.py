"""Runs that earlier versions wrote (`tests/corpus`): scored, reported, compared and continued, the numbers are the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from segharness.store import RunFolder, read_results

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
WRITTEN_IN = "/corpus"
BOOTSTRAP = ("--bootstrap", "100")

RUNS = {
    "version-1/small": ("small-of-version-1.yaml", "version-1/small-scored-by-version-2.arrow", 84),
    "version-2/small": ("small.yaml", "version-2/small/results.arrow", 84),
    "version-2/prompted": ("prompted.yaml", "version-2/prompted/results.arrow", 24),
    "version-2/shifted": ("shifted.yaml", "version-2/shifted/results.arrow", 20),
    "version-3/small": ("small.yaml", "version-3/small/results.arrow", 84),
    "version-3/prompted": ("prompted.yaml", "version-3/prompted/results.arrow", 24),
    "version-3/shifted": ("shifted.yaml", "version-3/shifted/results.arrow", 20),
}
"""The suite of each run, the results that are expected of it, and how many predictions it has."""


def test_every_run_is_listed():
    assert sorted(RUNS) == sorted(str(p.parent.relative_to(CORPUS)) for p in CORPUS.rglob("manifest.json"))


@pytest.fixture
def corpus(harness):
    """The command line in a copy of the corpus, whose manifests say where the copy is."""
    shutil.copytree(CORPUS, harness.folder, dirs_exist_ok=True)
    for manifest in harness.folder.rglob("manifest.json"):
        manifest.write_text(manifest.read_text().replace(f'"{WRITTEN_IN}', f'"{harness.folder}'))
    return harness


def where(corpus, run):
    """The arguments that say where the data sets of a run lie. Its manifest says so, and is not believed."""
    datasets = RunFolder(corpus.folder / run).read_manifest()["suite"]["datasets"]
    settings = {d["id"]: ",".join(f"{key}={value}" for key, value in d["options"].items()) for d in datasets}
    return [word for id, text in settings.items() for word in ("--dataset", f"{id}={text}")]


def rows(path):
    """The numbers of a results file as today's code reads it."""
    return read_results(path).replace_schema_metadata(None)


@pytest.mark.parametrize("run", RUNS)
def test_scored_again_it_has_the_same_numbers(corpus, run):
    expected = rows(CORPUS / RUNS[run][1])
    refused = corpus("score", run, *BOOTSTRAP)
    assert refused.code == 4 and "where it lies on this machine is not known: give --dataset" in refused.err
    done = corpus("score", run, *BOOTSTRAP, *where(corpus, run))
    assert done.code == 0, done.err
    assert rows(corpus.folder / run).equals(expected)
    done = corpus("score", run, *BOOTSTRAP)  # this machine remembers
    assert done.code == 0, done.err
    assert rows(corpus.folder / run).equals(expected)


@pytest.mark.parametrize("run", RUNS)
def test_continued_nothing_is_predicted_again(corpus, run):
    suite, results, predictions = RUNS[run]
    protocol = RunFolder(CORPUS / run).read_manifest()["protocol"]
    done = corpus("run", suite, "--out", run, *BOOTSTRAP)
    assert done.code == 0, done.err
    assert RunFolder(corpus.folder / run).read_manifest()["protocol"] == protocol
    assert f"0 predictions made, {predictions} reused" in done.out + done.err
    assert rows(corpus.folder / run).equals(rows(CORPUS / results))


@pytest.mark.parametrize("run", RUNS)
def test_its_report_is_that_of_the_run_scored_again(corpus, run):
    shutil.copy(CORPUS / RUNS[run][1], corpus.folder / run / "results.arrow")
    before = corpus("report", run)
    assert before.code == 0 and "percent" in before.out, before.err
    assert corpus("score", run, *BOOTSTRAP, "-q", *where(corpus, run)).code == 0
    assert corpus("report", run).out == before.out


def test_it_is_compared_with_its_own_other_model(corpus):
    done = corpus("compare", "version-2/small", "--format", "json")
    assert done.code == 0 and '"verdict": "worse"' in done.out, done.err


def test_its_status_is_read(corpus):
    done = corpus("status", "version-2/small")
    assert done.code == 0 and "84 of 84 predictions" in done.out, done.err


def test_it_serves_as_a_stored_reference(corpus):
    done = corpus(
        "run", "small.yaml", *BOOTSTRAP, "--model", "segmenter.py:build,id=sharp",
        "--reference", "version-2/small/results.arrow::sharp", "--out", "again",
    )  # fmt: skip
    assert done.code == 0, done.err
    cd = {
        row["value"]
        for row in rows(corpus.folder / "again").to_pylist()
        if row["metric"] == "CD" and row["condition"] == "listed" and row["split"] == "all" and row["value"] is not None
    }
    assert cd == {1.0}


def test_speed_says_what_would_measure_it(corpus):
    text = (corpus.folder / "small-of-version-1.yaml").read_text()
    corpus.write("small-of-version-1.yaml", text + "scoring: {metrics: [coco, speed]}\n")
    assert corpus("run", "small-of-version-1.yaml", "--out", "version-1/small", "-qq").code == 0
    reasons = {r["reason"] for r in rows(corpus.folder / "version-1/small").to_pylist() if r["metric"] == "fps"}
    assert reasons == {"the predictions are of a version that did not count calls; --fresh makes them again"}


@pytest.mark.parametrize("run", RUNS)
def test_it_is_verified(corpus, run):
    places = where(corpus, run)
    shutil.copytree(CORPUS / run, corpus.folder / run, dirs_exist_ok=True)  # as it was written
    done = corpus("verify", run, *places)
    if run.startswith("version-1"):
        assert done.code == 1 and "`segharness score` makes it again" in done.out
        assert corpus("score", run, *BOOTSTRAP, "-q", *places).code == 0
        done = corpus("verify", run)
    assert done.code == 0 and "verified; " in done.out, done
