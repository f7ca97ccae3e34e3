"""``segharness datasets`` and ``datasets check``, and ``collect --labels``."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.streets import scene, street, write_cityscapes, zipped


@pytest.fixture
def cityscapes(harness):
    rng = np.random.default_rng(3)
    scenes = {f"aachen_{i:06d}_000019": street(rng, 32, 64) for i in range(3)}
    write_cityscapes(harness.folder / "cs", scenes, "val")
    write_cityscapes(harness.folder / "cs", dict(list(scenes.items())[:2]), "train")
    return harness


def test_a_data_set_says_how_to_set_it_up(harness):
    done = harness("datasets", "cityscapes/instances")
    for text in ("licence:", "https://www.cityscapes-dataset.com", "leftImg8bit_trainvaltest.zip", "train: 2975",
                 "CITY_SEQUENCE_FRAME_gtFine_instanceIds.png", "11 GB", "config data.cityscapes"):  # fmt: skip
        assert text in done.out
    specs = json.loads(harness("datasets", "--json").out)
    assert {"coco/2017", "coco/o", "lvis/v1", "bdd100k/instances"} <= {spec["name"] for spec in specs}


def test_a_whole_tree_is_counted_and_its_line_for_a_suite_works(cityscapes):
    done = cityscapes("datasets", "check", "cityscapes/instances", "--root", "cs")
    assert done.code == 1 and not done.err  # for it is no whole Cityscapes
    assert "cityscapes/instances, split train" in done.out and "wrong: 2 images; 2975 were published" in done.out
    assert "wrong: 3 images; 500 were published" in done.out and done.out.count("wrong:") == 2
    assert "3 images\n" in done.out and "height x width: 32x64 (3)" in done.out
    lines = [line.strip() for line in done.out.splitlines() if line.strip().startswith("- {")]
    assert len(lines) == 2
    cityscapes.write(
        "s.yaml",
        "segharness: 1\nmodels: [toycells/threshold]\nconditions: [clean]\ndatasets:\n"
        + "".join(f"  {line}\n" for line in lines),
    )
    collected = cityscapes("collect", "s.yaml")
    assert collected.code == 0 and "2 cells" in collected.out, collected.err


def test_one_split_is_checked_when_it_is_named(cityscapes):
    done = cityscapes("datasets", "check", "cityscapes/instances,split=val", "--root", "cs")
    assert "cityscapes_val" in done.out and "cityscapes_train" not in done.out


def test_what_is_missing_is_named_and_the_other_split_is_still_looked_at(cityscapes):
    [first, *_] = sorted((cityscapes.folder / "cs/gtFine/train").rglob("*.png"))
    first.unlink()
    done = cityscapes("datasets", "check", "cityscapes/instances", "--root", "cs")
    assert done.code == 1 and "wrong: cs: no annotation for 1 of 2 files" in done.out.replace(
        f"{cityscapes.folder}/", ""
    )
    assert "3 images" in done.out and "id: cityscapes_val" in done.out and "id: cityscapes_train" not in done.out


def test_a_damaged_image_is_named(cityscapes):
    [first, *_] = sorted((cityscapes.folder / "cs/leftImg8bit/val").rglob("*.png"))
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 255
    first.write_bytes(data)
    done = cityscapes("datasets", "check", "cityscapes/instances,split=val", "--root", "cs")
    assert done.code == 1 and "aachen_000000_000019: cannot be decoded" in done.out


def test_an_empty_folder_gets_one_message_and_where_to_look(harness):
    (harness.folder / "empty").mkdir()
    done = harness("datasets", "check", "bdd100k/instances", "--root", "empty")
    assert done.code == 1 and done.out.count("wrong:") == 2 and "no images/10k/val/*.jpg" in done.out
    assert "`segharness datasets bdd100k/instances` shows how to get it" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check",), "name a data set"),
        (("check", "cityscpaes/instances"), "no dataset `cityscpaes/instances` (did you mean `cityscapes/instances`?)"),
        (("check", "cityscapes/instances"), "needs the option `root`"),
        (("check", "cityscapes/instances", "--root", "none"), "no file or folder"),
        (("check", "coco/2017,splt=val2017", "--root", "."), "has no option `splt`"),
        (("check", "cityscapes/instances,limit=2", "--root", "."), "`limit` is for suites"),
        (("a", "b"), "write `segharness datasets [NAME]`"),
    ],
)
def test_mistakes_are_named(harness, arguments, message):
    done = harness("datasets", *arguments)
    assert done.code == 4 and message in done.err and "Traceback" not in done.err


SUITE = """
segharness: 1
models: [{id: m, model: "./m.py:build"}]
datasets:
  - id: streets
    dataset: cityscapes/instances
    options: {root: cs}
    labels: {rider: person, truck: drop, bus: ignore}
    categories: [person, car, bicycle]
conditions: [clean]
"""

MODEL = """
class Model:
    categories = ["person", "rider", "car", "truck", "bus", "dog"]

    def predict(self, images, prompts=None):
        return []


def build():
    return Model()
"""


def test_labels_are_followed_to_what_they_are_scored_as(cityscapes):
    cityscapes.write("s.yaml", SUITE)
    cityscapes.write("m.py", MODEL)
    done = cityscapes("collect", "s.yaml", "--labels")
    assert done.code == 0, done.err
    rows = [line.split() for line in done.out.splitlines()]
    for row in (["person"] * 3, ["rider", "rider", "person"], ["car"] * 3, ["truck", "truck", "dropped"],
                ["bus", "bus", "ignored"]):  # fmt: skip
        assert row in rows
    assert "1 labels that the data set does not have are dropped: dog" in done.out
    assert "no label becomes bicycle: the model cannot detect them" in done.out
    assert "annotations merged into others: rider -> person" in done.out
    assert "annotations dropped: truck, train, motorcycle" in done.out
    assert "annotations ignored: bus" in done.out


def test_labels_of_a_plugin_that_declares_them_need_no_model(cityscapes):
    cityscapes.write(
        "segharness_plugins.py",
        """
        from segharness import ModelSpec, hookimpl

        @hookimpl
        def segharness_models():
            return [ModelSpec("far/away", factory="no_such_framework:Model", categories=("car", "tram"))]
        """,
    )
    cityscapes.write("s.yaml", SUITE.replace('{id: m, model: "./m.py:build"}', "far/away"))
    done = cityscapes("collect", "s.yaml", "--labels")
    assert done.code == 0 and "are dropped: tram" in done.out, done.err


def test_a_policy_that_names_no_category_is_refused_before_the_run(cityscapes):
    cityscapes.write("s.yaml", SUITE.replace("rider: person", "ridr: person"))
    cityscapes.write("m.py", MODEL)
    done = cityscapes("run", "s.yaml")
    assert done.code == 4 and "data set `streets`: `labels`: no category `ridr` (did you mean `rider`?)" in done.err


def test_policies_can_be_given_on_the_command_line(cityscapes):
    cityscapes.write("s.yaml", SUITE)
    cityscapes.write("m.py", MODEL)
    dataset = "cityscapes/instances,root=cs,labels.rider=drop,categories=streets7"
    done = cityscapes("collect", "s.yaml", "--labels", "--dataset", dataset)
    assert done.code == 0 and ["rider", "rider", "dropped"] in [line.split() for line in done.out.splitlines()]


def test_an_image_that_no_scene_is_in_is_whole_too(harness):
    pixels = np.zeros((32, 64, 3), np.uint8)
    write_cityscapes(harness.folder / "cs", {"bonn_000000_000019": scene(pixels, [])})
    done = harness("datasets", "check", "cityscapes/instances,split=val", "--root", "cs")
    assert done.out.count("wrong:") == 1 and "0 instances, 0 crowds" in done.out


def test_a_folder_with_a_comma_in_its_name_can_be_looked_at(cityscapes):
    (cityscapes.folder / "cs").rename(cityscapes.folder / "a,b")
    assert "3 images" in cityscapes("datasets", "check", "cityscapes/instances", "--root", "a,b").out


def test_what_is_damaged_behind_the_index_is_found(cityscapes):
    """A member of an archive that was damaged later still has the checksum that the index knows."""
    zipped(cityscapes.folder / "cs/gtFine", cityscapes.folder / "cs/gtFine.zip")
    assert cityscapes("datasets", "check", "cityscapes/instances", "--root", "cs").out.count("wrong:") == 2
    data = bytearray((cityscapes.folder / "cs/gtFine.zip").read_bytes())
    data[120] ^= 255
    (cityscapes.folder / "cs/gtFine.zip").write_bytes(data)
    done = cityscapes("datasets", "check", "cityscapes/instances", "--root", "cs")
    assert "instanceIds.png" in done.out and done.out.count("wrong:") == 2 and "Traceback" not in done.err


BROKEN = """
from segharness import DatasetSpec, Option, hookimpl


class Data:
    categories, digest = [], "d"

    def __init__(self, how):
        self.how = how
        if how == "factory":
            raise SystemExit(9)

    def samples(self):
        return []

    def ground_truth(self, kind):
        if self.how == "raises":
            raise RuntimeError("not today")
        return None if self.how == "none" else {"images": []}


@hookimpl
def segharness_datasets():
    return [DatasetSpec("bad/data", factory=Data, options={"how": Option("how")})]
"""


@pytest.mark.parametrize("how", ["factory", "raises", "none", "half"])
def test_a_plugin_that_raises_is_named_and_ends_nothing(harness, how):
    harness.write("badplugin.py", BROKEN)
    done = harness(
        "datasets", "check", f"bad/data,how={how}", "-p", "badplugin", env={"PYTHONPATH": str(harness.folder)}
    )
    assert done.code == 1 and "wrong:" in done.out and "bad/data" in done.out and "Traceback" not in done.err


def test_a_run_says_each_repair_once(small):
    file = small.folder / "coco/annotations.json"
    changed = json.loads(file.read_text())
    for annotation in changed["annotations"]:
        del annotation["area"]
    for image in changed["images"]:
        image["height"] = 64.0
    file.write_text(json.dumps(changed))
    done = small("run", "small.yaml", "-k", "clean", "--no-bootstrap", "-q")
    assert done.code == 0, done.err
    count = len(changed["annotations"])
    assert done.err.count(f"data set `shapes`: `area` of {count} annotations is missing, and computed") == 1
    assert done.err.count("whole numbers are written as fractions") == 1
