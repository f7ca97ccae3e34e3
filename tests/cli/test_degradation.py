"""`segharness degradation`: the paper's tables, every format, and every mistake."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pytest

TABLE = """model,clean,mixed,fog,snow,note
a,40,10,30,20,1
b,50,12,40,10,2
"""

PUBLISHED = {
    "table_Ia": ("R50-FPN", "clean", "mixed,published_avg,published_cd,published_rcd"),
    "table_Id": ("base108", "clean", "mixed,published_avg,published_cd,published_rcd"),
    "table_III": ("w/o", "clean", "mixed,published_avg,published_cd,published_rcd"),
    "table_IIa": ("R50", "coco_val", "published_cd,published_rcd"),
    "table_IV": ("w/o", "coco_val", "published_cd,published_rcd"),
}


@pytest.fixture
def table(harness):
    harness.write("table.csv", TABLE)
    return harness


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_papers_tables(harness, shared, name):
    """The APs are printed to one decimal, so a printed CD is met within 1.0 and an rCD within 1.5."""
    file = shared / f"data/published/{name}.csv"
    reference, clean, ignore = PUBLISHED[name]
    done = harness(
        "degradation", str(file), "--reference", reference, "--clean", clean, "--ignore", ignore, "--percent",
        "--format", "csv",
    )  # fmt: skip
    assert done.code == 0, done.err
    printed = rows(file.read_text())
    computed = rows(done.out)
    assert [r["model"] for r in computed] == [r["model"] for r in printed]
    for row, published in zip(computed, printed, strict=True):
        assert float(row["cd"]) == pytest.approx(float(published["published_cd"]), abs=1.0)
        assert float(row["rcd"]) == pytest.approx(float(published["published_rcd"]), abs=1.5)
        if "published_avg" in published:
            assert float(row["average"]) == pytest.approx(float(published["published_avg"]), abs=0.1)


def test_by_hand_in_every_format(table):
    command = [
        "degradation",
        "table.csv",
        "--reference",
        "a",
        "--clean",
        "clean",
        "--conditions",
        "fog, snow",
        "--percent",
    ]
    cd, rcd = 100 * (60 / 70 + 90 / 80) / 2, 100 * (10 / 10 + 40 / 20) / 2
    [a, b] = rows(table(*command, "--format", "csv").out)
    assert (float(a["cd"]), float(a["rcd"]), float(a["average"])) == (100, 100, 25)
    assert float(b["cd"]) == pytest.approx(cd, abs=1e-4) and float(b["rcd"]) == pytest.approx(rcd, abs=1e-4)
    [_, b] = json.loads(table(*command, "--format", "json").out)
    assert b["cd"] == pytest.approx(cd) and b["rcd_pooled"] == pytest.approx(100 * 50 / 30)
    assert f"{cd:.1f}" in table(*command).out and f"{rcd:.1f}" in table(*command).out


def test_fractions_and_percent_are_the_same_table(table):
    table.write("fractions.csv", "model,clean,fog,snow\na,.4,.3,.2\nb,.5,.4,.1\n")
    common = ["--reference", "a", "--clean", "clean", "--conditions", "fog,snow", "--format", "csv"]
    assert table("degradation", "fractions.csv", *common, "--fraction").out == table(
        "degradation", "table.csv", *common, "--percent"
    ).out  # fmt: skip


def test_arrow_tables_are_read(table):
    content = pa.table({"model": ["a", "b"], "clean": [40.0, 50.0], "fog": [30.0, 40.0], "snow": [20.0, 10.0]})
    with pa.OSFile(str(table.folder / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, content.schema) as writer:
        writer.write_table(content)
    common = ["--reference", "a", "--clean", "clean", "--percent", "--format", "csv"]
    expected = table("degradation", "table.csv", *common, "--ignore", "mixed,note")
    assert table("degradation", "t.arrow", *common).out == expected.out


def test_the_file_that_is_written_is_in_the_format_of_its_ending(table):
    command = [
        "degradation",
        "table.csv",
        "--reference",
        "a",
        "--clean",
        "clean",
        "--ignore",
        "mixed,note",
        "--percent",
    ]
    assert table(*command, "-o", "out.json").code == 0
    assert json.loads((table.folder / "out.json").read_text())[0]["cd"] == pytest.approx(100)
    assert table(*command, "-o", "out.csv").code == 0
    assert rows((table.folder / "out.csv").read_text())[1]["model"] == "b"


def test_ratios_are_what_the_means_are_of(table):
    common = ["--reference", "a", "--clean", "clean", "--ignore", "mixed,note", "--percent", "--ratios"]
    [_, b] = rows(table("degradation", "table.csv", *common, "--format", "csv").out)
    assert float(b["rcd"]) == pytest.approx((float(b["rcd:fog"]) + float(b["rcd:snow"])) / 2, abs=1e-3)
    assert float(b["cd:snow"]) == pytest.approx(112.5)
    [_, b] = json.loads(table("degradation", "table.csv", *common, "--format", "json").out)
    assert b["ratios"]["rcd"] == {"fog": pytest.approx(100), "snow": pytest.approx(200)}
    assert "ratios behind rCD" in table("degradation", "table.csv", *common).out


def test_a_reference_that_does_not_degrade_is_said(table):
    table.write("flat.csv", "model,clean,fog,snow\na,40,41,20\nb,50,40,10\n")
    common = ["degradation", "flat.csv", "--reference", "a", "--clean", "clean", "--percent"]
    done = table(*common, "--format", "csv")
    assert [r["rcd"] for r in rows(done.out)] == ["", ""]
    assert "rcd: the reference does not degrade under fog" in done.err
    assert all(r["rcd_pooled"] for r in rows(done.out))
    [a, _] = json.loads(table(*common, "--format", "json").out)
    assert a["rcd"] is None and a["reasons"]["rcd"] == "the reference does not degrade under fog"
    assert "the reference does not degrade under fog" in table(*common).out


def test_a_loss_within_the_tables_rounding_is_said(table):
    table.write("small.csv", "model,clean,fog,snow\na,40.0,39.9,20.0\nb,50.0,40.0,10.0\n")
    done = table("degradation", "small.csv", "--reference", "a", "--clean", "clean", "--percent")
    assert "under fog the reference loses 0.1, no more than the table's rounding: its ratio says nothing" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reference", "A"], "--reference A: no such row (did you mean `a`?)"),
        (["--clean", "klean"], "--clean klean: table.csv has no such column (did you mean `clean`?)"),
        (["--ignore", "mixd"], "--ignore mixd: table.csv has no such column (did you mean `mixed`?)"),
        (["--conditions", "fog,clean"], "`clean` is the clean column"),
        (["--conditions", "fog", "--ignore", "snow"], "not allowed with argument"),
        (
            ["--fraction"],
            "table.csv:2: a, clean: `40` is not a fraction from 0 to 1; are these percent? give --percent",
        ),
    ],
)
def test_mistakes_of_arguments(table, arguments, message):
    default = {"--reference": "a", "--clean": "clean"}
    unit = [] if "--fraction" in arguments else ["--percent"]
    rest = [word for key, value in default.items() if key not in arguments for word in (key, value)]
    done = table("degradation", "table.csv", *rest, *unit, *arguments)
    assert done.code == 4 and message in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no table"),
        ("model\na\n", "no table"),
        ("model,clean,fog\n", "has no rows"),
        ("model,clean\na,40\n", "no column is left to average over"),
        ("model,clean,fog\na,40,\n", "t.csv:2: a, fog: `` is not a percentage from 0 to 100"),
        ("model,clean,fog\na,40,x\nb,1,nan\n", "t.csv:3: b, fog: `nan` is not a percentage"),
        ("model,clean,fog\na,40\n", "t.csv:2: has 2 cells, the header 3"),
        ("model,clean,fog\na,40,30\na,41,30\n", "t.csv:3: a second row of `a`"),
        ("model,clean,fog,fog\na,40,30,30\n", "two columns have the name `fog`"),
        ("model,clean,fog\na,0.004,0.003\n", "are these fractions? give --fraction"),
        ("model,clean,fog\na,140,30\n", "`140` is not a percentage from 0 to 100"),
        ("model,clean,fog\na,40,130\n", "not a percentage from 0 to 100; is it a condition? --ignore fog"),
    ],
)
def test_mistakes_of_tables(harness, text, message):
    harness.write("t.csv", text)
    done = harness("degradation", "t.csv", "--reference", "a", "--clean", "clean", "--percent")
    assert done.code == 4 and message in done.err and "Traceback" not in done.err


def test_the_unit_is_stated(table):
    done = table("degradation", "table.csv", "--reference", "a", "--clean", "clean")
    assert done.code == 4 and "--percent" in done.err


def test_results_are_pointed_to_the_report(small):
    small("run", "small.yaml", "--no-bootstrap")
    done = small("degradation", "runs/small/results.arrow", "--reference", "a", "--clean", "clean", "--percent")
    assert done.code == 4 and "segharness report runs/small/results.arrow" in done.err
