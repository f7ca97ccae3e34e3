"""CD and rCD: the paper's printed tables, hand-made cases, and the laws."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segharness.score.degradation import AGAINST_REFERENCE, Curve, against_reference, cd, own_metrics, rcd

CORRUPTIONS = {"table_Ia": 15, "table_Id": 15, "table_III": 15, "table_IIa": 3, "table_IV": 3}


@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_the_papers_tables(shared, name):
    """The APs are printed to one decimal, so a printed CD is met within 1.0 and an rCD within 1.5."""
    with (shared / f"data/published/{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0])
    clean = columns[1]
    conditions = [c for c in columns[2:] if not c.startswith("published") and c != "mixed"]
    assert len(conditions) == CORRUPTIONS[name]
    curves = [Curve({c: [float(r[c]) / 100] for c in conditions}, float(r[clean]) / 100) for r in rows]
    for row, curve in zip(rows, curves, strict=True):
        values = against_reference(curve, curves[0])
        assert 100 * values["CD"].value == pytest.approx(float(row["published_cd"]), abs=1.0), row["model"]
        assert 100 * values["rCD"].value == pytest.approx(float(row["published_rcd"]), abs=1.5), row["model"]
        if "published_avg" in row:
            average = own_metrics(curve)["avg"].value
            assert 100 * average == pytest.approx(float(row["published_avg"]), abs=0.1), row["model"]


def test_by_hand():
    reference = Curve({"fog": [0.3], "snow": [0.2]}, 0.4)
    model = Curve({"fog": [0.4], "snow": [0.1]}, 0.5)
    values = against_reference(model, reference)
    assert values["CD"].value == pytest.approx((0.6 / 0.7 + 0.9 / 0.8) / 2)
    assert values["rCD"].value == pytest.approx((0.1 / 0.1 + 0.4 / 0.2) / 2)
    assert values["rCD_pooled"].value == pytest.approx(0.5 / 0.3)
    own = own_metrics(model)
    assert own["avg"].value == pytest.approx(0.25) and own["mPC"].value == pytest.approx(0.25)
    assert own["rPC"].value == pytest.approx(0.5)


def test_severities_are_averaged_first():
    reference = Curve({"fog": [0.4, 0.2], "snow": [0.2]}, 0.5)
    model = Curve({"fog": [0.3, 0.1], "snow": [0.2]}, 0.5)
    assert cd(model, reference).value == pytest.approx((0.8 / 0.7 + 1) / 2)
    own = own_metrics(model)
    assert own["avg"].value == pytest.approx(0.2) and own["mPC"].value == pytest.approx(0.2)
    assert own_metrics(reference)["avg"].value == pytest.approx(0.8 / 3)
    assert own_metrics(reference)["mPC"].value == pytest.approx(0.25)


def test_a_reference_that_does_not_degrade_gives_null_and_names_the_corruption():
    reference = Curve({"fog": [0.4], "saturate": [0.51]}, 0.5)
    model = Curve({"fog": [0.3], "saturate": [0.4]}, 0.5)
    values = against_reference(model, reference)
    assert values["rCD"].value is None and values["rCD"].reason == "the reference does not degrade under saturate"
    assert values["rCD_pooled"].value == pytest.approx(0.3 / 0.09)
    assert values["CD"].value is not None
    flat = Curve({"fog": [0.5]}, 0.5)
    assert rcd(model, flat)[1].value is None or "saturate" in str(rcd(model, flat)[1].reason)


def test_never_over_missing_conditions():
    complete = Curve({"fog": [0.4]}, 0.5)
    broken = Curve({}, 0.5, missing="1 of 1 conditions are missing, first fog-3: not run")
    for values in (against_reference(broken, complete), against_reference(complete, broken), own_metrics(broken)):
        assert all(v.value is None and "not run" in v.reason for v in values.values())
    assert against_reference(complete, broken)["CD"].reason.startswith("reference: ")


def test_without_clean_there_is_cd_but_no_rcd():
    curve = Curve({"fog": [0.4]}, None, "`clean` is not among the conditions")
    values = against_reference(curve, curve)
    assert values["CD"].value == 1.0
    assert values["rCD"].value is None and "clean" in values["rCD"].reason
    assert own_metrics(curve)["rPC"].value is None


def test_a_model_that_finds_nothing_has_no_rcd():
    """It loses nothing, and would be the most robust of all."""
    values = against_reference(Curve({"fog": [0.0]}, clean=0.0), Curve({"fog": [0.2]}, clean=0.4))
    assert values["CD"].value == pytest.approx(1 / 0.8)
    for name in ("rCD", "rCD_pooled"):
        assert values[name].value is None and values[name].reason == "the model's clean AP is 0: it has nothing to lose"


def test_a_perfect_reference_has_no_cd():
    assert "degradation is 0" in cd(Curve({"fog": [0.4]}, 0.5), Curve({"fog": [1.0]}, 1.0)).reason


names = ["fog", "snow", "frost"]
aps = st.floats(0.0, 0.5)


@given(st.tuples(aps, aps, aps), st.tuples(aps, aps, aps), st.floats(0.55, 0.9), st.floats(0.55, 0.9))
def test_laws(first, second, clean_first, clean_second):
    a = Curve({n: [v] for n, v in zip(names, first, strict=True)}, clean_first)
    b = Curve({n: [v] for n, v in zip(names, second, strict=True)}, clean_second)
    own_values = against_reference(a, a)
    assert all(own_values[m].value == pytest.approx(1.0) for m in AGAINST_REFERENCE)
    values = against_reference(a, b)
    assert all(values[m].value is not None and values[m].value > 0 for m in AGAINST_REFERENCE)
    ratios = [(clean_first - x) / (clean_second - y) for x, y in zip(first, second, strict=True)]
    assert min(ratios) - 1e-9 <= values["rCD"].value <= max(ratios) + 1e-9
    assert min(ratios) - 1e-9 <= values["rCD_pooled"].value <= max(ratios) + 1e-9
    if all(x >= y for x, y in zip(first, second, strict=True)):
        assert values["CD"].value <= 1 + 1e-12


def test_a_denominator_that_is_nothing_but_rounding_is_zero():
    perfect = Curve({"fog": [0.9999999999999998]}, 1.0)
    assert against_reference(Curve({"fog": [0.5]}, 0.6), perfect)["CD"].value is None
    steady = Curve({"fog": [0.7, 0.7, 0.7]}, 0.7)
    found = against_reference(Curve({"fog": [0.3, 0.3, 0.3]}, 0.5), steady)
    assert found["rCD"].value is None and found["rCD_pooled"].value is None and found["CD"].value is not None
