"""A data set's ground truth as it is scored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from segharness.data.open_dataset import OpenDataset
from segharness.errors import UsageError
from segharness.records import Category, Sample
from segharness.score import ScoreOptions, ScoreRequest
from segharness.score.dataset_scorer import ground_truth
from segharness.score.evaluations.coco import score
from segharness.score.evaluations.coco_engines import ENGINES
from segharness.suite import DatasetEntry

from tests.score.evaluations.test_coco import overall, simple
from tests.score.generated_datasets import as_predictions


class HandMadeData:
    """A data set of hand-made content."""

    categories = (Category(1, "cat"), Category(4, "dog"))
    digest = "d"

    def __init__(self, content):
        self.content = content

    def samples(self):
        return [Sample(image["id"], b"", image["height"], image["width"]) for image in self.content["images"]]

    def ground_truth(self, kind):
        return {"instances": self.content}[kind]


def opened(content, limit=None):
    dataset = HandMadeData(content)
    return OpenDataset(DatasetEntry("d", "given", {}, limit), dataset, dataset.samples()[:limit])


@pytest.mark.parametrize("engine", ENGINES)
def test_an_annotation_with_the_id_0_counts_as_every_other(engine):
    content, results = simple()
    expected = overall(score(ScoreRequest(ground_truth(opened(content), "instances"), as_predictions(results), "segm")))
    for annotation in content["annotations"]:
        annotation["id"] -= 1
    truth = ground_truth(opened(content), "instances")
    assert sorted(a["id"] for a in truth.content["annotations"]) == [1, 2, 3]
    assert overall(score(ScoreRequest(truth, as_predictions(results), "segm", (), engine))) == expected
    assert [a["id"] for a in content["annotations"]] == [0, 1, 2]


def test_only_the_images_of_the_run_are_scored():
    content, _ = simple()
    truth = ground_truth(opened(content, 1), "instances")
    assert [image["id"] for image in truth.content["images"]] == [1]
    assert {a["image_id"] for a in truth.content["annotations"]} == {1}


def test_ground_truth_of_another_kind_is_said():
    with pytest.raises(UsageError, match="data set `d` has no ground truth of the kind `panoptic`"):
        ground_truth(opened(simple()[0]), "panoptic")


def test_two_annotations_of_one_id_are_refused():
    content, _ = simple()
    content["annotations"][1]["id"] = content["annotations"][0]["id"]
    with pytest.raises(UsageError, match=r"two annotations \(instances\) have the id 1"):
        ground_truth(opened(content), "instances")


def test_two_categories_of_one_id_are_refused():
    content, _ = simple()
    content["categories"][1]["id"] = content["categories"][0]["id"]
    with pytest.raises(UsageError, match=r"two categories \(instances\) have the id "):
        ground_truth(opened(content), "instances")


def test_annotations_without_iscrowd_are_no_crowds():
    content, _ = simple()
    for annotation in content["annotations"]:
        del annotation["iscrowd"]
    assert {a["iscrowd"] for a in ground_truth(opened(content), "instances").content["annotations"]} == {0}


@pytest.mark.parametrize("name", ["coco", "cityscapes", "panoptic", "given-boxes", "given-points", "speed"])
def test_listed_metrics_are_those_that_are_computed(name):
    """The specs repeat the names, so that listing them imports nothing heavy."""
    from segharness.plugin.host import PluginHost
    from segharness.plugin.specs import MetricSpec
    from segharness.score.evaluations import cityscapes, coco_parameters, panoptic, prompted, speed

    modules = {
        "given-boxes": prompted,
        "given-points": prompted,
        "cityscapes": cityscapes,
        "panoptic": panoptic,
        "speed": speed,
    }
    declared = PluginHost.load().get(name, MetricSpec).metrics
    if name == "coco":
        computed = [replace(metric, formula="") for metric in coco_parameters.configure({})]
        assert [replace(metric, formula="") for metric in declared] == computed
    else:
        assert tuple(metric.name for metric in declared) == modules[name].METRICS


@pytest.mark.parametrize(
    ("count", "problem"), [(10, "10 resamples are too few"), (-1, "-1 resamples"), (30_000, "need too much memory")]
)
def test_too_few_or_too_many_resamples_are_refused(count, problem):
    with pytest.raises(UsageError, match=problem):
        ScoreOptions(bootstrap=count)
    assert ScoreOptions(bootstrap=0).bootstrap == 0
