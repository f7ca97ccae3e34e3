"""Scaled images and segments against definitions written out, and what a run makes of them."""

from __future__ import annotations

import io
import math
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from segharness_mapillary.dataset import MapillaryVistas
from segharness_mapillary.scaling import scaled_pixels, scaled_segments, scaled_size

from tests import panoptic_oracle, vistas


@pytest.mark.parametrize(
    "size, side, expected",
    [
        ((3, 5), 4, (2, 4)),  # 2.4
        ((5, 4), 10, (10, 8)),
        ((5, 2), 3, (3, 1)),  # 1.2
        ((3, 4), 2, (2, 2)),  # 1.5
        ((1, 900), 10, (1, 10)),
        ((3456, 4608), 2000, (1500, 2000)),
        ((2000, 1300), 2000, (2000, 1300)),
    ],
)
def test_the_longer_side_is_exact_and_the_other_rounded(size, side, expected):
    assert scaled_size(*size, side) == expected


def nearest(ids, size):
    """Every pixel from the one that its centre lies in."""
    found = np.zeros(size, ids.dtype)
    for y in range(size[0]):
        for x in range(size[1]):
            row = math.floor((y + Fraction(1, 2)) * ids.shape[0] / size[0])
            column = math.floor((x + Fraction(1, 2)) * ids.shape[1] / size[1])
            found[y, x] = ids[row, column]
    return found


def averaged(pixels, size):
    """Every pixel as the mean of the area that it covers."""
    found = np.zeros((*size, 3))
    step = pixels.shape[0] / size[0], pixels.shape[1] / size[1]
    for y in range(size[0]):
        for x in range(size[1]):
            weights = [
                np.clip(np.minimum(np.arange(n) + 1, (i + 1) * s) - np.maximum(np.arange(n), i * s), 0, None)
                for i, s, n in ((y, step[0], pixels.shape[0]), (x, step[1], pixels.shape[1]))
            ]
            found[y, x] = np.einsum("y,x,yxc->c", *weights, pixels) / (step[0] * step[1])
    return found


def bilinear(pixels, size):
    """Every pixel between the centres of its four neighbours; outside them the border goes on."""
    places = []
    for old, new in zip(pixels.shape, size, strict=False):
        place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.minimum(place.astype(int), max(old - 2, 0))
        places.append((low, np.minimum(low + 1, old - 1), place - low))
    (y0, y1, fy), (x0, x1, fx) = places
    fy, fx = fy[:, None, None], fx[None, :, None]
    rows = [pixels[y][:, x0] * (1 - fx) + pixels[y][:, x1] * fx for y in (y0, y1)]
    return rows[0] * (1 - fy) + rows[1] * fy


@pytest.mark.parametrize("size", [(20, 33), (13, 7), (41, 60), (30, 64), (1, 2)])
def test_segments_are_the_nearest(size):
    ids = np.random.default_rng(1).integers(0, 2**24, (30, 64), dtype=np.int32)
    assert (scaled_segments(ids, size) == nearest(ids, size)).all()


@pytest.mark.parametrize("size, reference", [((20, 33), averaged), ((15, 32), averaged), ((41, 90), bilinear)])
def test_images_are_averaged_or_interpolated(size, reference):
    pixels = np.random.default_rng(2).integers(0, 256, (30, 64, 3), dtype=np.uint8)
    found = scaled_pixels(pixels, size)
    assert found.dtype == np.uint8 and found.shape == (*size, 3)
    assert abs(found - reference(pixels, size)).max() <= 1
    assert (found == scaled_pixels(pixels, size)).all()


@pytest.mark.parametrize("side", [16, 40, 64, 100])
def test_samples_segments_and_void_have_the_scaled_pixels(tmp_path, side):
    root = vistas.write(tmp_path)
    found = MapillaryVistas(str(root), longest_side=side)
    truth = found.ground_truth("panoptic")
    lost = 0
    for sample, image, (key, ids) in zip(found.samples(), truth["images"], vistas.scenes().items(), strict=True):
        size = scaled_size(*ids.shape, side)
        assert (sample.height, sample.width) == (image["height"], image["width"]) == size and max(size) == side
        original = np.asarray(Image.open(root / f"validation/images/{key}.jpg"))
        assert (sample.source() == scaled_pixels(original, size)).all()
        scaled = nearest(ids, size)
        drawn = np.zeros(size, int)
        for a in truth["annotations"]:
            if a["image_id"] == sample.image_id:
                drawn += rle.decode(a["segmentation"]).astype(int) * a["category_id"]
                assert a["area"] == (scaled == {v: k for k, v in vistas.CATEGORY_OF.items()}[a["category_id"]]).sum()
        expected = np.zeros(size, int)
        for segment, category in vistas.CATEGORY_OF.items():
            expected[scaled == segment] = category
        assert (drawn == expected).all()  # no two segments share a pixel, and void is where no segment is
        lost += len(set(ids.ravel().tolist()) - set(scaled.ravel().tolist()))
    assert lost == (1 if side in (16, 40) else 0)
    shown = [f"{lost} of 8 segments have no pixel left at a longest side of {side}; they are not annotated"]
    assert found.notes == (shown if lost else [])


def test_an_image_that_its_orientation_turns_is_turned_before_it_is_scaled(tmp_path):
    root = vistas.write(tmp_path)
    image = root / "validation/images/a-high.jpg"
    upright = np.asarray(Image.open(image)).copy()
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = io.BytesIO()
    Image.fromarray(np.rot90(upright).copy()).save(stored, "PNG", exif=exif)
    image.write_bytes(stored.getvalue())
    sample = MapillaryVistas(str(root), longest_side=10).samples()[1]
    assert (sample.source() == scaled_pixels(upright, (10, 6))).all()


@pytest.mark.parametrize("cut, ending", [(0.5, b""), (0.9, b""), (0.5, b"\xff\xd9")])
def test_damaged_images_are_named(tmp_path, cut, ending):
    root = vistas.write(tmp_path)
    image = root / "validation/images/-wide_1.jpg"
    whole = image.read_bytes()
    image.write_bytes(whole[: int(cut * len(whole))] + ending)
    with pytest.raises((OSError, ValueError), match="truncated|ends before its last rows"):
        MapillaryVistas(str(root), longest_side=16).samples()[0].source()


def test_an_image_of_another_size_is_named(tmp_path, harness):
    images = vistas.write(tmp_path) / "validation/images"
    (images / "a-high.jpg").write_bytes((images / "-wide_1.jpg").read_bytes())
    done = harness("datasets", "check", "mapillary/vistas,split=validation,longest_side=16", "--root", str(tmp_path))
    assert done.code == 1 and "holds 30x64 pixels, its annotations 20x12" in done.out


@pytest.mark.parametrize("side", [None, 40])
def test_pq_of_a_perfect_oracle_is_1_and_of_a_damaged_one_what_the_definition_says(harness, tmp_path, side):
    root = vistas.write(tmp_path / "data")
    options = f'root: "{root}"' + (f", longest_side: {side}" if side else "")
    model = f'"{panoptic_oracle.__file__}:oracle"'
    given = f'dataset: "segharness_mapillary.dataset:MapillaryVistas", given: {{{options}}}'
    harness.write(
        "s.yaml",
        f"""segharness: 1
name: s
models:
  - {{id: perfect, model: {model}, options: {{{given}}}}}
  - {{id: damaged, model: {model}, options: {{{given}, cut: 4}}}}
datasets: [{{id: vistas, dataset: mapillary/vistas, options: {{{options}}}}}]
conditions: [clean]
scoring: {{tasks: [panoptic, semantic], metrics: [panoptic, semantic]}}
""",
    )
    done = harness("run", "s.yaml", "--no-bootstrap")
    assert done.code == 0, done.err
    assert ("have no pixel left" in done.out + done.err) == (side is not None)
    rows = harness.results("s").to_pylist()
    numbers = {(r["model"], r["metric"], r["category"]): r["value"] for r in rows}
    for metric in ("PQ", "PQ_th", "PQ_st", "mIoU"):
        assert numbers["perfect", metric, None] == 1.0, metric
    found = MapillaryVistas(str(root), longest_side=side)
    names = {c.id: c.name for c in found.categories}
    quality = {}  # of a category: the sum of the IoU of matches, matches, misses and segments that match none
    for a in found.ground_truth("panoptic")["annotations"]:
        mask = rle.decode(a["segmentation"])
        left = int(mask[:, mask.shape[1] // 4 :].sum())
        iou, matches, misses, wrong = quality.get(a["category_id"], (0.0, 0, 0, 0))
        if 2 * left > mask.sum():
            iou, matches = iou + left / mask.sum(), matches + 1
        else:
            misses, wrong = misses + 1, wrong + (left > 0)
        quality[a["category_id"]] = iou, matches, misses, wrong
    expected = {id: iou / (hits + misses / 2 + wrong / 2) for id, (iou, hits, misses, wrong) in quality.items()}
    assert 0 < min(expected.values()) < 1
    for id, value in expected.items():
        assert numbers["damaged", "PQ", names[id]] == pytest.approx(value, abs=1e-12)
    assert numbers["damaged", "PQ", None] == pytest.approx(np.mean(list(expected.values())), abs=1e-12)
