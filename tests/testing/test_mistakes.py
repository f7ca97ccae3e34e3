"""Every mistake in every good part is named by its cause, first; good parts and near misses pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch  # noqa: F401  the check of threads changes its number
from hypothesis import given
from hypothesis import strategies as st
from segharness import PluginError, SegharnessError
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.specs import CorruptionSpec, DatasetSpec, MetricSpec, ModelSpec, ReporterSpec
from segharness.testing import (
    check_metric,
    check_reporter,
    corruption_findings,
    dataset_findings,
    labelled_images,
    model_findings,
    photographs,
)
from segharness.testing.box_forms import _FORMS, RIGHT, BoxEvidence, as_corners, guessed_form
from segharness.testing.plugin_checks import CheckArguments, check_plugin
from segharness.testing.sample import Finder, Squares
from segharness.testing.state_checks import device_finding

FILE = Path(__file__).with_name("mistakes_plugin.py")
HOST = PluginHost.load(PluginArguments((str(FILE), "segharness.testing.sample")))
OWN = next(plugin for plugin in HOST.plugins if plugin.name == str(FILE))


def own(kind):
    return [spec for spec in HOST.all(kind) if HOST.owner(spec) is OWN]


def first(findings):
    return next((finding for finding in findings if finding.problem is not None), None)


CAUSES = {
    "channels": ("channels", "expects BGR"),
    "memory": ("memory", "memory grows by"),
    "input": ("input", "modified the image"),
    "batch": ("batch", "beside other images"),
    "order": ("order", "those of other images"),
    "xywh": ("boxes", "given as x, y, width, height"),
    "normalised": ("boxes", "given as fractions of the image (x1, y1, x2, y2)"),
    "small": ("masks", "the size of the network"),
    "transposed": ("masks", "masks are transposed"),
    "labels": ("labels", "labels are off by one"),
    "labels-below": ("labels", "labels are off by one"),
    "repeat": ("repeat", "the same image gave another answer"),
    "threads": ("threads", "with one thread"),
    "exchanged": ("labels", "the order of `categories`"),
    "half": ("boxes", "in pixels of the network's input"),
    "shifted": ("boxes", "different instances, or masks that are shifted"),
    "nan": ("form", "not finite"),
    "channel": ("form", "squeeze"),
    "last": ("form", "move the last axis"),
    "none": ("form", "returned None"),
    "later": ("repeat", "RuntimeError: not again"),
    "mixed": ("batch", "beside other images"),
}


@pytest.fixture(scope="module")
def labelled():
    return labelled_images(Squares())


@pytest.mark.parametrize("spec", own(ModelSpec), ids=lambda spec: spec.name)
def test_models(spec, labelled):
    problem = first(model_findings(spec.factory(), photographs(2), labelled=labelled))
    _, _, mistake = spec.name.partition(".")
    if "near." in spec.name or not mistake:
        assert problem is None, problem
    else:
        rule, words = CAUSES[mistake]
        assert problem is not None and problem.rule == rule, problem
        assert words in problem.text()


def test_there_are_three_good_models_and_five_near_misses():
    names = [spec.name for spec in own(ModelSpec)]
    assert sum("." not in name for name in names) == 3 and sum("near." in name for name in names) >= 5
    assert {name.partition(".")[2] for name in names if "." in name and "near." not in name} == CAUSES.keys()


def test_without_labelled_images_what_cannot_be_known_is_said():
    findings = {finding.rule: finding for finding in model_findings(Finder(), photographs(2))}
    assert "give a data set" in findings["labels"].skipped and "give a data set" in findings["channels"].skipped
    assert first(findings.values()) is None


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_answers_on_another_device_are_compared(labelled, factor):
    class Other(Finder):
        def _find(self, image):
            found = super()._find(image)
            object.__setattr__(found, "scores", found.scores * factor)
            return found

    finding = device_finding(Finder(), Other(), [item.pixels for item in labelled], "cuda:0")
    assert (finding.problem is None) == (factor == 1.0)
    if factor != 1.0:
        assert finding.rule == "device" and "cuda:0" in finding.problem


DATA_CAUSES = {
    "xyxy": ("shapes", "given as x1, y1, x2, y2 in pixels"),
    "normalised": ("shapes", "given as fractions of the image (x, y, width, height)"),
    "shifted": ("shapes", "do not lie around their mask"),
    "masks": ("shapes", "masks are transposed"),
    "size": ("images", "height and width are exchanged"),
    "order": ("samples", "another order"),
    "digest": ("digest", "another one each time"),
    "ids": ("categories", "off by one"),
    "area": ("shapes", "area is the number of pixels"),
    "names": ("categories", "the same ids and names"),
    "kinds": ("kinds", "must raise KeyError"),
    "boxareas": ("shapes", "areas are those of the boxes"),
    "yx": ("shapes", "x and y are exchanged"),
    "nan": ("shapes", "not finite"),
    "short": ("shapes", "a polygon of 4 numbers"),
    "pixels": ("images", "other pixels the second time"),
}


@pytest.mark.parametrize("spec", own(DatasetSpec), ids=lambda spec: spec.name)
def test_datasets(spec):
    problem = first(dataset_findings(spec.factory()))
    mistake = spec.name.partition(".")[2]
    if not mistake:
        assert problem is None, problem
    else:
        rule, words = DATA_CAUSES[mistake]
        assert problem is not None and problem.rule == rule and words in problem.text(), problem


CORRUPTION_CAUSES = {
    "input": ("input", "the input was modified"),
    "float": ("pixels", "not uint8"),
    "size": ("pixels", "shape"),
    "global": ("randomness", "take every random number from `rng`"),
    "legacy": ("randomness", "RandomState"),
    "fixed": ("randomness", "default_rng"),
    "fresh": ("randomness", "the same generator gave other pixels"),
    "nothing": ("severity", "severity 1 leaves every pixel"),
    "one-strength": ("severity", "give the same pixels"),
    "backwards": ("severity", "1 is the mildest"),
    "bound": ("randomness", "the same noise from any generator"),
    "grey": ("pixels", "the channels"),
    "raises": ("runs", "the code of the corruption"),
}


@pytest.mark.parametrize("spec", own(CorruptionSpec), ids=lambda spec: spec.name)
def test_corruptions(spec):
    problem = first(corruption_findings(spec.apply))
    mistake = spec.name.partition(".")[2]
    if not mistake:
        assert problem is None, problem
    else:
        rule, words = CORRUPTION_CAUSES[mistake]
        assert problem is not None and problem.rule == rule and words in problem.text(), problem


SIDES = st.tuples(st.floats(5, 200), st.floats(5, 200), st.floats(20, 90), st.floats(20, 90))


@given(st.lists(SIDES, min_size=4, max_size=12), st.sampled_from(sorted(_FORMS)))
def test_boxes_in_any_form_agree_with_what_they_lie_around(boxes, form):
    """Of boxes of any places and sizes, the form that is guessed puts most of them where they should be."""
    corners = np.array([[x, y, x + w, y + h] for x, y, w, h in boxes])
    order, numbers, fractions = _FORMS[form]
    values = corners.copy()
    if numbers == "size":
        values[:, 2:] -= values[:, :2]
    elif numbers == "centre":
        values = np.hstack([(values[:, :2] + values[:, 2:]) / 2, values[:, 2:] - values[:, :2]])
    if fractions:
        values /= np.array([300, 400, 300, 400])
    written = values[:, np.argsort(order)]
    assert np.allclose(as_corners(written, form, (400, 300)), corners)
    guessed, agreement, right = guessed_form([BoxEvidence(written, corners, (400, 300))])
    assert guessed == RIGHT or agreement > right
    if form == RIGHT:
        assert (guessed, agreement) == (RIGHT, 1.0)
    elif right < 0.5:
        assert guessed != RIGHT and agreement == 1.0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("order", "come in another order"),
        ("row", "come in another order"),
        ("ids", "if images and categories have other ids"),
        ("draws", "0.25 without resamples, and 0.75 with them"),
        ("resamples", "on a resample in which every image is once"),
        ("modifies", "modified the ground truth"),
        ("reason", "neither a value nor a reason"),
        ("silent", "is declared, and there is no score of it"),
    ],
)
def test_metrics(name, words):
    assert check_metric(HOST.get("mistakes-good", MetricSpec))[0].value == 1
    with pytest.raises((AssertionError, SegharnessError), match=words):
        check_metric(HOST.get(f"mistakes-{name}", MetricSpec))


def test_reporters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MISTAKES_OUTSIDE", str(tmp_path / "elsewhere.txt"))
    assert sorted(check_reporter(HOST.get("mistakes-good", ReporterSpec))) == ["report.more.txt", "report.txt"]
    with pytest.raises(AssertionError, match=r"writes outside of its target: elsewhere.txt"):
        check_reporter(HOST.get("mistakes-outside", ReporterSpec))
    with pytest.raises(AssertionError, match="is empty"):
        check_reporter(HOST.get("mistakes-empty", ReporterSpec))
    with pytest.raises(PluginError, match="norun"):
        check_reporter(HOST.get("mistakes-norun", ReporterSpec))


@pytest.fixture(scope="module")
def report():
    """The report that ``segharness plugins check`` makes of the whole plugin, as it is run by default."""
    return check_plugin(HOST, str(FILE), CheckArguments(every=True, plugins=(str(FILE),)))


def test_the_command_names_the_same_causes(report):
    """Without being given data: the models are checked on the plugin's own, and on the sample of segharness."""
    causes = {"model": CAUSES, "dataset": DATA_CAUSES, "corruption": CORRUPTION_CAUSES}
    looked_at = 0
    for part in report.parts:
        name, _, mistake = part.name.partition(".")
        if mistake == "later":
            continue  # the plugin's data sets have the same images, which are then seen twice at once
        problem = first(part.findings)
        if part.kind not in causes:
            assert (problem is None) == part.name.endswith("-good"), part
        elif not mistake or name == "mistakes/near":
            assert problem is None, part
        else:
            rule, words = causes[part.kind][mistake]
            assert problem is not None and problem.rule == rule and words in problem.text(), part
        looked_at += 1
    assert looked_at > 100
