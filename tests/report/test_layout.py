"""Results -> the paper's table, and the table as text."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from rich.console import Console
from segharness.report import TableEntry, make_report
from segharness.report.console import show
from segharness.report.formats import csv as report_csv
from segharness.report.formats import latex, markdown, svg
from segharness.store import RESULTS, manifest_of, write_results
from segharness.suite import StoredReference

CONDITIONS = [
    {"name": "clean", "corruption": None, "severity": None, "category": None, "mixture": False, "version": "", "tags": []},
    {"name": "motion_blur-3", "corruption": "motion_blur", "severity": 3, "category": "blur", "mixture": False,
     "version": "1", "tags": []},
    {"name": "fog-3", "corruption": "fog", "severity": 3, "category": "weather", "mixture": False,
     "version": "1", "tags": []},
    {"name": "fog-5", "corruption": "fog", "severity": 5, "category": "weather", "mixture": False,
     "version": "1", "tags": []},
    {"name": "mixed-1", "corruption": "mixed", "severity": 1, "category": None, "mixture": True, "version": "1", "tags": []},
]  # fmt: skip


def results(tmp_path, reference="a", missing=None):
    rows = []

    def add(model, condition, metric, value, reference=None, reason=None):
        rows.append(
            {"model": model, "reference": reference, "dataset": "d", "condition": condition, "evaluation": "coco",
             "task": "segm", "split": "all", "metric": metric, "value": value, "reason": reason}
        )  # fmt: skip

    for model, base in (("a", 0.4), ("b_1", 0.5)):
        for i, condition in enumerate(CONDITIONS):
            gone = missing == (model, condition["name"])
            add(model, condition["name"], "AP", None if gone else base - i / 20, reason="a, b_1" if gone else None)
        add(model, "set", "AP_avg", base - 0.1)
        name = reference if isinstance(reference, str) else "old"
        for metric in ("CD", "rCD", "rCD_pooled"):
            add(model, "set", metric, base * 2, name)
    content = pa.table({f.name: pa.array([r.get(f.name) for r in rows], f.type) for f in RESULTS}, schema=RESULTS)
    suite = {
        "path": "s.yaml", "name": "s", "description": "", "seed": 0,
        "models": [{"id": "a", "model": "x/a"}, {"id": "b_1", "model": "x/b"}],
        "groups": [{"name": "models", "models": ["a", "b_1"], "reference": reference}],
        "datasets": [{"id": "d", "dataset": "x/d"}],
        "conditions": CONDITIONS,
        "condition_groups": [{"name": "set", "conditions": ["motion_blur-3", "fog-3", "fog-5"]}],
        "scoring": {"tasks": ["segm"], "metrics": ["coco"], "splits": []},
    }  # fmt: skip
    return write_results(tmp_path / "results.arrow", content, {"suite": suite})


def test_columns_are_the_papers(tmp_path):
    [table] = make_report(results(tmp_path)).tables
    assert [(c.group, c.heading) for c in table.columns] == [
        ("", "clean"), ("", "MC"), ("", "avg"), ("", "CD"), ("", "rCD"), ("", "pooled"),
        ("blur", "motion"), ("weather", "fog"),
    ]  # fmt: skip
    assert table.title == "mask AP (coco) on d, percent; reference a"


def test_severities_of_a_corruption_are_averaged_in_its_column(tmp_path):
    [table] = make_report(results(tmp_path)).tables
    assert [round(e.number, 6) for e in table.rows[0][1]] == [40.0, 20.0, 30.0, 80.0, 80.0, 80.0, 35.0, 27.5]


def test_a_family_is_named_once_with_its_version(tmp_path, monkeypatch):
    named = [dict(c) for c in CONDITIONS]
    for condition in named[1:4]:
        condition |= {"corruption": f"acme/{condition['corruption']}", "version": "2.1+shim.1"}
    monkeypatch.setitem(globals(), "CONDITIONS", named)
    table = make_report(results(tmp_path)).tables[0]
    assert [c.heading for c in table.columns][-2:] == ["motion", "fog"]
    assert table.notes[-1] == "corruptions of the family acme, version 2.1+shim.1"
    named[1]["corruption"] = "motion_blur"
    table = make_report(results(tmp_path)).tables[0]
    assert [c.heading for c in table.columns][-2:] == ["motion", "acme/fog"]


def test_what_is_missing_is_a_note_with_its_reason(tmp_path):
    [table] = make_report(results(tmp_path, missing=("b_1", "fog-5"))).tables
    assert table.rows[1][1][-1].number is None
    assert table.notes == (
        "b_1: fog (weather): a, b_1",
        "motion_blur at severity 3",
        "fog at severities 3, 5, their means",
    )


def test_a_stored_reference_is_found_under_its_name(tmp_path):
    stored = {"results": "/x/results.arrow", "model": None}
    [table] = make_report(results(tmp_path, reference=stored)).tables
    assert "reference old" in table.title
    assert table.rows[0][1][3].number == pytest.approx(80.0)
    assert StoredReference(**stored).model is None


@pytest.mark.parametrize("width", [200, 60, 30])
def test_every_number_is_shown_at_any_width_without_being_cut(tmp_path, width):
    console = Console(width=width, record=True, file=io.StringIO())
    show(make_report(results(tmp_path)), console)
    shown = console.export_text()
    for number in ("40.0", "20.0", "30.0", "80.0", "35.0", "27.5", "50.0"):
        assert number in shown
    assert "…" not in shown
    tables = [
        line
        for line in shown.splitlines()
        if not line.startswith(("mask AP", "  - ", "95 %", "CD and rCD", "a low clean"))
    ]
    assert all(len(line.rstrip()) <= width for line in tables)


def test_the_picture_is_svg_that_fetches_nothing(tmp_path):
    text = svg.render(make_report(results(tmp_path)))
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "http" not in text.replace("http://www.w3.org", "").replace("https://www.textualize.io", "")
    assert "27.5" in text and "@font-face" not in text


def test_csv_is_read_back(tmp_path):
    rows = list(csv.DictReader(io.StringIO(report_csv.render(make_report(results(tmp_path, missing=("a", "clean")))))))
    assert [r["model"] for r in rows] == ["a", "b_1"]
    assert rows[0]["clean"] == "" and float(rows[1]["clean"]) == 50.0
    assert float(rows[1]["weather: fog"]) == pytest.approx(37.5)


def test_markdown_is_a_table(tmp_path):
    lines = markdown.render(make_report(results(tmp_path))).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert "| b_1 | **50.0** |" in lines[5]


def test_latex_is_escaped_and_has_as_many_cells_as_columns(tmp_path):
    text = latex.render(make_report(results(tmp_path)))
    assert r"b\_1 &" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert {line.count("&") for line in rows} == {8}
    assert r"\multicolumn{6}{c}{} & \multicolumn{1}{c}{blur} & \multicolumn{1}{c}{weather}" in text


@pytest.mark.parametrize(
    ("number", "low", "high", "expected"),
    [
        (16.64, 12.9, 20.6, "17 [13, 21]"),
        (16.64, 16.1, 17.2, "16.6 [16.1, 17.2]"),
        (16.64, None, None, "16.6"),
        (100.0, 100.0, 100.0, "100.0"),
        (-0.04, -0.5, 0.3, "0.0 [-0.5, 0.3]"),
        (None, None, None, "-"),
    ],
)
def test_no_more_digits_than_the_interval_supports(number, low, high, expected):
    assert TableEntry(number, None, low, high).text(brackets=True) == expected
    assert TableEntry(number, None, low, high).text(3) == ("-" if number is None else f"{number:.3f}")


def test_a_number_whose_interval_is_missing_has_the_fewest_digits():
    assert TableEntry(118.94, "no interval: undefined on 65 of 1000 resamples").text() == "119"


def test_the_best_of_a_column_is_bold_in_documents(tmp_path):
    report = make_report(results(tmp_path))
    assert "| **50.0** |" in markdown.render(report) and r"\textbf{50.0}" in latex.render(report)
    assert markdown.render(report).count("**80.0**") == 3  # of CD, rCD and pooled the smaller


def test_speed_is_found_by_its_metric_not_by_its_name(tmp_path):
    content = results(tmp_path)
    manifest = manifest_of(content)
    manifest["suite"]["scoring"]["metrics"].append({"id": "timing", "metric": "speed", "options": {}})
    row = dict.fromkeys(RESULTS.names) | {
        "model": "a", "dataset": "d", "condition": "clean", "evaluation": "timing", "task": "speed", "split": "all",
        "metric": "fps", "value": 12.5, "device": "an abacus",
    }  # fmt: skip
    more = pa.table({name: [row[name]] for name in RESULTS.names}, schema=RESULTS)
    timed = write_results(
        tmp_path / "t.arrow", pa.concat_tables([content.replace_schema_metadata(None), more]), manifest
    )
    [table] = make_report(timed).tables
    position = [c.heading for c in table.columns].index("fps")
    assert table.rows[0][1][position].number == 12.5 and "fps on an abacus" in table.notes
