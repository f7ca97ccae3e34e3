"""Every mistake in every good part is named by its cause, first; good parts and near misses pass."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch  # noqa: F401  the check of threads changes its number
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
from segharness.testing.model_checks import device_finding
from segharness.testing.sample import Finder, Squares

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


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("order", "if the images come in another order"),
        ("resamples", "on a resample in which every image is once"),
        ("modifies", "modified the ground truth"),
        ("reason", "neither a value nor a reason"),
        ("silent", "is declared, and there is no score of it"),
    ],
)
def test_metrics(name, words):
    assert check_metric(HOST.get("mistakes-good", MetricSpec))[0].value == 1
    with pytest.raises((AssertionError, Exception), match=words):
        check_metric(HOST.get(f"mistakes-{name}", MetricSpec))


def test_reporters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MISTAKES_OUTSIDE", str(tmp_path / "elsewhere.txt"))
    assert sorted(check_reporter(HOST.get("mistakes-good", ReporterSpec))) == ["report.more.txt", "report.txt"]
    with pytest.raises(AssertionError, match=r"writes outside of its target: elsewhere.txt"):
        check_reporter(HOST.get("mistakes-outside", ReporterSpec))
    with pytest.raises(AssertionError, match="is empty"):
        check_reporter(HOST.get("mistakes-empty", ReporterSpec))
    with pytest.raises(segharness_error(), match="norun"):
        check_reporter(HOST.get("mistakes-norun", ReporterSpec))


def segharness_error():
    from segharness import PluginError

    return PluginError


def test_the_plugin_of_mistakes_is_read_as_a_file():
    assert importlib.util.find_spec("torch") is not None and "torch" in sys.modules
    assert OWN.quarantined is None
