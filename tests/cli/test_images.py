"""``corrupt``, ``preview`` and ``export`` as a user calls them."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from segharness_corruptions import corrupt


@pytest.fixture
def photo(harness):
    pixels = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(harness.folder / "photo.png")
    return pixels


def read(file):
    return np.asarray(Image.open(file))


def test_corrupt_writes_what_python_gives(harness, photo):
    done = harness("corrupt", "photo.png", "--corruption", "fog", "--severity", "3", "--seed", "5", "-o", "out")
    assert done.code == 0, done.err
    assert done.out.split() == ["out/photo-fog-3.png"]
    assert np.array_equal(read(harness.folder / "out/photo-fog-3.png"), corrupt(photo, "fog", severity=3, seed=5))


def test_names_may_stand_apart(harness, photo):
    done = harness("corrupt", "photo.png", "--corruption", "fog, snow ,frost-1", "--severity", "2", "-o", "out")
    assert done.code == 0, done.err
    assert done.out.split() == ["out/photo-fog-2.png", "out/photo-snow-2.png", "out/photo-frost-1.png"]


def test_corrupt_takes_sets_mixtures_and_levels(harness, photo):
    done = harness("corrupt", "photo.png", "--corruption", "paper15", "--corruption", "mixed-1",
                   "--severity", "2", "--image-id", "9", "-o", "out")  # fmt: skip
    assert done.code == 0, done.err
    assert len(list((harness.folder / "out").iterdir())) == 16
    assert "photo-mixed-1.png  (" in done.out and done.out.count(",") == 3
    assert np.array_equal(read(harness.folder / "out/photo-mixed-1.png"), corrupt(photo, "mixed", image_id=9))
    assert np.array_equal(read(harness.folder / "out/photo-snow-2.png"), corrupt(photo, "snow", 2, image_id=9))


def test_further_images_draw_as_the_next_numbers(harness, photo):
    Image.fromarray(photo).save(harness.folder / "same.png")
    done = harness("corrupt", "photo.png", "same.png", "--corruption", "fog-2", "--image-id", "4",
                   "--dataset", "coco/instances", "-o", "out")  # fmt: skip
    assert done.code == 0, done.err
    for image_id, name in ((4, "photo"), (5, "same")):
        expected = corrupt(photo, "fog", 2, image_id=image_id, dataset="coco/instances")
        assert np.array_equal(read(harness.folder / f"out/{name}-fog-2.png"), expected)


def test_a_closed_pipe_is_no_error(harness, photo):
    command = f"{sys.executable} -m segharness corrupt photo.png --corruption fog -o out | head -1"
    done = subprocess.run(command, shell=True, cwd=harness.folder, capture_output=True, text=True, check=False)
    assert "cannot be written" not in done.stderr and "photo-fog-1.png" in done.stdout


def test_a_broken_image_costs_itself(harness, photo):
    (harness.folder / "broken.jpg").write_bytes(b"no image")
    Image.fromarray(photo[:20]).save(harness.folder / "tiny.png")
    done = harness("corrupt", "gone.png", "broken.jpg", "tiny.png", "photo.png", "--corruption", "fog-1", "-o", "out")
    assert done.code == 1
    assert "gone.png: missing" in done.err and "broken.jpg: not an image" in done.err
    assert "tiny.png" in done.err and "at least 32x32" in done.err
    assert [p.name for p in (harness.folder / "out").iterdir()] == ["photo-fog-1.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corruption", "fgo"], "--corruption: no corruption"),
        (["--corruption", "fog", "--severity", "6"], "--severity: `fog` has no severity 6; it has 1, 2, 3, 4, 5"),
        (["--corruption", "fog-9"], "`fog` has no severity 9"),
        (["--corruption", "clean"], "--corruption clean: names no corruption"),
        (["--corruption", ","], "names no corruption"),
        (["--severity", "3"], "--corruption"),
        (["--corruption", "fog", "-o", "photo.png"], "is a file, not a folder"),
    ],
)
def test_mistakes_are_found_before_anything_is_written(harness, photo, arguments, message):
    done = harness("corrupt", "photo.png", "-o", "out", *arguments)
    assert done.code == 4 and message in done.err and "Traceback" not in done.err
    assert not (harness.folder / "out").exists()


def test_two_images_of_one_name_and_images_in_the_way(harness, photo):
    (harness.folder / "sub").mkdir()
    for name in ("sub/photo.png", "photo-fog-1.png"):
        Image.fromarray(photo).save(harness.folder / name)
    done = harness("corrupt", "photo.png", "sub/photo.png", "--corruption", "fog-1", "-o", "out")
    assert done.code == 4 and "two images are called `photo`" in done.err
    done = harness("corrupt", "photo.png", "photo-fog-1.png", "--corruption", "fog-1", "-o", ".")
    assert done.code == 4 and "photo-fog-1.png: is an image to corrupt" in done.err


def test_a_failing_corruption_costs_itself(harness, photo):
    harness.write(
        "segharness_plugins.py",
        """
        from segharness import CorruptionSpec, hookimpl

        def falls(image, severity, rng):
            raise RuntimeError("boom\\nand more")

        @hookimpl
        def segharness_corruptions():
            return [CorruptionSpec("acme/falls", apply=falls)]
        """,
    )
    done = harness(
        "corrupt", "photo.png", "-p", "segharness_plugins", "--corruption", "acme/falls-1,fog-1", "-o", "out"
    )
    assert done.code == 1 and "raised RuntimeError: boom and more" in done.err
    assert [p.name for p in (harness.folder / "out").iterdir()] == ["photo-fog-1.png"]


def test_preview_draws_a_row_a_corruption_and_a_column_a_severity(harness, photo):
    done = harness("preview", "photo.png", "--corruption", "brightness", "--corruption", "contrast",
                   "--severity", "1", "--severity", "5", "--width", "64", "-o", "grid.png")  # fmt: skip
    assert done.code == 0 and "4 pictures" in done.out, done.err
    sheet = read(harness.folder / "grid.png")
    pictures = [photo, *(corrupt(photo, name, s) for name in ("brightness", "contrast") for s in (1, 5))]
    for picture in pictures:  # 64 pixels wide: as they are
        places = np.argwhere((sheet[:-47, :-63] == picture[0, 0]).all(axis=2))
        assert any(np.array_equal(sheet[y : y + 48, x : x + 64], picture) for y, x in places)


def test_preview_of_everything(harness, photo):
    done = harness("preview", "photo.png", "--width", "32", "-o", "grid.png")
    assert done.code == 0 and "95 pictures" in done.out, done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone.png", "-o", "grid.png"], 1, "gone.png: missing"),
        (["photo.png", "-o", "grid.jpg"], 4, "name it grid.png"),
        (["photo.png", "-o", "grid.png", "--width", "0"], 4, "--width"),
        (["photo.png", "-o", "grid.png", "--width", "99999999999999999999"], 4, "at most 2000 pixels wide"),
        (["photo.png", "-o", "photo.png"], 4, "is the image itself"),
        (["photo.png", "-o", ""], 4, "give the sheet a name"),
        (["photo.png", "--corruption", "nonsense", "-o", "grid.png"], 4, "no corruption"),
    ],
)
def test_mistakes_of_preview(harness, photo, arguments, code, message):
    done = harness("preview", *arguments)
    assert done.code == code and message in done.err and "Traceback" not in done.err


# ------------------------------------------------------------------------------------------------------------- export

SUITE = """
segharness: 1
name: {name}
seed: 3
models:
  - id: good
    model: ./solver.py:build
datasets:
  - id: {id}
    dataset: coco/instances
    options: {{annotations: {annotations}, images: {images}}}
conditions: [{conditions}]
"""


def test_scoring_from_the_copy_equals_scoring_in_memory(small):
    """`small`'s model on the corrupted images of a run, and on those of a copy, read back as a clean data set."""
    data = "coco/instances,annotations=coco/annotations.json,images=coco/images"
    done = small("export", data, "--conditions", "gaussian_noise-1,fog-2,mixed", "--seed", "3", "-o", "copy")
    assert done.code == 0 and "18 images made" in done.out, done.err
    again = small("export", data, "--conditions", "gaussian_noise-1,fog-2,mixed", "--seed", "3", "-o", "copy")
    assert "0 images made, 18 existed already" in again.out
    small.write("memory.yaml", SUITE.format(name="memory", id="shapes", annotations="coco/annotations.json",
                                            images="coco/images", conditions="gaussian_noise-1, fog-2, mixed"))  # fmt: skip
    assert small("run", "memory.yaml").code == 0
    in_memory = numbers(small.results("memory"))
    for name in ("gaussian_noise-1", "fog-2", "mixed-1"):
        small.write(f"{name}.yaml", SUITE.format(name=name, id="stored", annotations="copy/annotations.json",
                                                 images=f"copy/{name}", conditions="clean"))  # fmt: skip
        done = small("run", f"{name}.yaml")
        assert done.code == 0, done.err
        from_copy = numbers(small.results(name))
        assert from_copy["clean"] == in_memory[name] and len(from_copy["clean"]) > 24
    assert any(value not in (None, 0.0) for value in in_memory["gaussian_noise-1"].values())
    manifest = json.loads((small.folder / "copy/manifest.json").read_text())
    assert manifest["complete"] and manifest["conditions"]["fog-2"]["images"] == 6


def numbers(table):
    values = {}
    for row in table.to_pylist():
        key = (row["task"], row["split"], row["category"], row["metric"])
        values.setdefault(row["condition"], {})[key] = row["value"]
    return values


@pytest.mark.parametrize(
    ("dataset", "conditions", "message"),
    [
        ("coco/instance", "fog", "no dataset `coco/instance`"),
        ("coco/instances", "fog", "needs the option `annotations`"),
        ("coco/instances,annotations=gone.json,images=coco/images", "fog", "no file or folder"),
        ("coco/instances,annotations=coco/annotations.json,images=coco/images", "fgo", "--conditions: no corruption"),
        ("coco/instances,annotations=coco/annotations.json,images=coco/images,oops", "fog", "`oops` is not KEY=VALUE"),
    ],
)
def test_mistakes_of_export(small, dataset, conditions, message):
    done = small("export", dataset, "--conditions", conditions, "-o", "copy")
    assert done.code == 4 and message in done.err and "Traceback" not in done.err
    assert not (small.folder / "copy").exists()
