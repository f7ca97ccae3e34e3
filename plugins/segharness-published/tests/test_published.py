"""Printed tables: every number as printed, CD and rCD as the papers print them, and never against another protocol."""

from __future__ import annotations

import csv
import json

import pytest
from segharness.errors import PluginError, UsageError
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.specs import PublishedSpec
from segharness.score.published import conditions_of, published_degradation, read_published

HOST = PluginHost.load(PluginArguments())
TABLES = {spec.name: spec for spec in HOST.all(PublishedSpec)}
OF_PAPER = [name for name in TABLES if name.startswith("robustness/")]


def test_the_paper_has_its_62_rows():
    assert len(OF_PAPER) == 10 and sum(len(read_published(TABLES[name])) for name in OF_PAPER) == 62


@pytest.mark.parametrize("name", OF_PAPER)
def test_cd_and_rcd_of_every_row_are_as_printed(name):
    rows = read_published(TABLES[name])
    for found in published_degradation(rows, None):
        assert 100 * found.cd.value == pytest.approx(100 * found.printed["cd"], abs=1.0), found.row.name
        assert 100 * found.rcd.value == pytest.approx(100 * found.printed["rcd"], abs=1.5), found.row.name
        if "average" in found.printed:
            assert 100 * found.mpc.value == pytest.approx(100 * found.printed["average"], abs=0.1), found.row.name


@pytest.mark.parametrize(
    ("model", "mpc", "rpc"),
    [
        ("mask_rcnn_r50_fpn_1x", 16.8, 49.1),
        ("cascade_mask_rcnn_r50_fpn_1x", 17.6, 49.3),
        ("mask_rcnn_dconv_c3-c5_r50_fpn_1x", 20.7, 55.7),
        ("htc_dconv_c3-c5_mstrain_400_1400_x101_64x4d_fpn_20e", 28.1, 64.0),
    ],
)
def test_mpc_and_rpc_are_those_of_mmdetections_documentation(model, mpc, rpc):
    rows = read_published(TABLES["robust-detection/coco-segm"])
    [found] = [each for each in published_degradation(rows, None) if each.row.model == model]
    assert round(100 * found.mpc.value, 1) == mpc and round(100 * found.rpc.value, 1) == rpc


def test_any_severity_and_set_can_be_chosen():
    rows = read_published(TABLES["robust-detection/coco-segm"])
    found = {each.row.model: each for each in published_degradation(rows, None, "paper15", 3)}
    cascade = found["cascade_mask_rcnn_r50_fpn_1x"]
    assert 100 * cascade.cd.value == pytest.approx(98.69, abs=0.005)
    assert 100 * cascade.rcd.value == pytest.approx(103.92, abs=0.005)
    assert conditions_of(rows[0].spec, rows, "fog", 2) == {"fog": ("fog-2",)}
    assert conditions_of(rows[0].spec, rows, "fog,snow")["snow"] == tuple(f"snow-{n}" for n in range(1, 6))
    with pytest.raises(UsageError, match="no set or condition `fogg`.*did you mean `fog`"):
        conditions_of(rows[0].spec, rows, "fogg")
    with pytest.raises(UsageError, match="has no severity 9"):
        conditions_of(rows[0].spec, rows, "fog", 9)


def test_any_row_can_be_the_reference_and_what_is_printed_stands_beside_its_own_only():
    rows = read_published(TABLES["robustness/ic"])
    reference = next(row for row in read_published(TABLES["robustness/ib"]) if row.model == "C4")
    own, others = published_degradation(rows[:1], None)[0], published_degradation(rows[:1], reference)[0]
    assert own.cd.value == 1.0 and own.printed and others.cd.value < 1.0 and not others.printed
    shifted = next(row for row in read_published(TABLES["robustness/iib"]) if row.model == "C4")
    with pytest.raises(UsageError, match="`robustness/iib` has no set or condition `motion_blur`"):
        published_degradation(rows[:1], shifted)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_says_where_its_numbers_are_from(name):
    spec = TABLES[name]
    assert spec.source and spec.where and spec.protocol and spec.description
    for metric in spec.tables:
        rows = read_published(spec, metric)
        assert rows and all(row.values for row in rows) and len({row.model for row in rows}) == len(rows)
    if spec.clean:
        assert all(spec.clean in row.values for row in read_published(spec))
        assert spec.reference in [row.model for row in read_published(spec)]


def test_every_number_is_that_of_the_papers(shared):
    """The tables that were typed from the papers, number by number."""
    folder = shared / "data/published"
    for file in folder.glob("table_*.csv"):
        spec = TABLES[f"robustness/{file.stem.removeprefix('table_').lower()}"]
        printed = {row.model: row.values for row in read_published(spec)}
        for row in csv.DictReader(file.open()):
            values = {key: float(value) / 100 for key, value in row.items() if key != "model" and value}
            assert printed[row["model"]] == values
    count = 0
    for row in csv.DictReader((folder / "robust_detection_benchmark.csv").open()):
        spec = TABLES[f"robust-detection/{row['dataset']}-{row['task']}"]
        column = "clean" if row["corruption"] == "clean" else f"{row['corruption']}-{row['severity']}"
        for metric in spec.tables:
            values = _cached(spec, metric)[row["model"]]
            assert values[column] == float(row[metric])
            count += 1
    assert count == 6 * 3264
    others = list(csv.DictReader((folder / "other_papers.csv").open()))
    names = {"SCNet": "scnet", "AdaptIS": "adaptis", "Deep-MAC": "deepmac", "COCO to Cityscapes": "coco-to-cityscapes"}
    for row in others:
        values = _cached(TABLES[f"{names[row['paper']]}/{row['table'].lower()}"], "AP")[row["row"]]
        assert values[f"{row['protocol']}: {row['metric']}"] == pytest.approx(float(row["value"]) / 100)
    assert len(others) == 556


_READ = {}


def _cached(spec, metric):
    if (spec.name, metric) not in _READ:
        _READ[spec.name, metric] = {row.model: row.values for row in read_published(spec, metric)}
    return _READ[spec.name, metric]


def test_the_command_lists_computes_and_says_the_source(harness):
    listed = harness("published")
    assert listed.code == 0 and "robustness/ib" in listed.out and "robust-detection/coco-segm" in listed.out
    assert len(json.loads(harness("published", "--json").out)) == len(TABLES)
    done = harness("published", "robustness/ib")
    assert done.code == 0 and "YOLACT++" in done.out and "Altindis" in done.out and "Table Ib" in done.out
    done = harness("published", "robustness/ic::S49", "--reference", "robustness/ib::C4", "--json")
    [row] = json.loads(done.out)
    assert row["row"] == "robustness/ic::S49" and row["printed"] == {} and 0.9 < row["CD"] < 0.95
    assert "SCNet R50" in harness("published", "scnet/1").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["robustness/ig"], "no published table `robustness/ig` (did you mean"),
        (["robustness/ib::C5"], "`robustness/ib` has no row `C5` (did you mean `DC5`?)"),
        (["robustness/ib", "--metric", "AP60"], "`robustness/ib` has no metric `AP60`"),
        (["robustness/ib", "--reference", "robustness/ic"], "name one row, TABLE::ROW"),
        (["robustness/ib", "--severity", "2"], "`robustness/ib` has no severity 2"),
    ],
)
def test_mistakes_are_one_message(harness, words, told):
    done = harness("published", *words)
    assert done.code == 4 and told in done.err and len(done.err.strip().splitlines()) == 1, done.err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tables": {}}, "has no tables"),
        ({"tables": {"AP": "nowhere"}}, "not 'package:path"),
        ({"source": ""}, "has no source"),
        ({"scale": 7}, "not 1 or 100"),
    ],
)
def test_a_spec_checks_itself(change, told):
    values = {"tables": {"AP": "segharness_published:tables/scnet_1.csv"}, "source": "x", **change}
    with pytest.raises(PluginError, match=told):
        PublishedSpec("acme/table", **values)
