"""Decoding of YOLO segmentation exports: letterbox, suppression, masks, and files of every layout."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from segharness import UsageError
from segharness.testing import check_model
from segharness_yolo.decode import Letterbox, Thresholds, letterbox, paste, suppress
from segharness_yolo.layout import file_names
from segharness_yolo.model import YoloSeg
from segharness_yolo.names import COCO80
from segharness_yolo.network import open_network
from segharness_yolo.plugin import segharness_models

SHARED = Path(__file__).resolve().parents[4] / "shared"
MODELS = [SHARED / f"models/yolov8n_{size}_quant_pc_ii_seg_coco-st.tflite" for size in (256, 320)]
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the networks in ../shared")


# ------------------------------------------------------------------------------------------------------------ letterbox


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((64, 64), Letterbox(1.0, 0, 0, 64, 64, 64, 64)),
        ((32, 64), Letterbox(1.0, 0, 16, 32, 64, 32, 64)),
        ((128, 64), Letterbox(0.5, 16, 0, 128, 64, 64, 32)),
        ((31, 64), Letterbox(1.0, 0, 16, 31, 64, 31, 64)),
    ],
)
def test_the_image_is_centred_and_keeps_its_shape(shape, expected):
    image = np.full((*shape, 3), 255, np.uint8)
    canvas, box = letterbox(image, 64, 64)
    assert box == expected
    inside = canvas == 1
    assert inside[..., 0].sum() == round(shape[0] * box.scale) * round(shape[1] * box.scale)
    assert canvas.min() == pytest.approx(114 / 255) or canvas.min() == 1


# ---------------------------------------------------------------------------------------------------------- suppression


@pytest.mark.parametrize("shape", [(64, 64), (32, 64), (128, 64), (31, 64), (333, 500)])
def test_what_enters_the_network_is_recorded(shape):
    image = np.random.default_rng(1).integers(0, 100, (*shape, 3), dtype=np.uint8)  # the bars are brighter
    canvas, box = letterbox(image, 64, 64)
    height, width, how, (top, bottom, left, right) = box.network_input(64, 64)
    bars = np.isclose(canvas, 114 / 255).all(axis=2)
    assert (height, width) == canvas.shape[:2] and (how == "none") == (max(shape) == 64)
    assert (bars.all(axis=1).sum(), bars.all(axis=0).sum()) == (top + bottom, left + right)
    assert not bars[top : height - bottom, left : width - right].any()
    assert bars[:top].all() and bars[height - bottom :].all()


def brute(corners, scores, labels, keep):
    """Suppress by the definition, one pair after another."""
    kept = []
    for i in range(len(scores)):
        ok = len(kept) < keep.most
        for j in kept:
            if labels[i] == labels[j]:
                w = min(corners[i][2], corners[j][2]) - max(corners[i][0], corners[j][0])
                h = min(corners[i][3], corners[j][3]) - max(corners[i][1], corners[j][1])
                shared = max(w, 0) * max(h, 0)
                area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (corners[i], corners[j])]
                ok = ok and not shared > keep.iou * (sum(area) - shared)
        if ok:
            kept.append(i)
    return kept


boxes = st.tuples(*(st.integers(0, 20) for _ in range(2)), *(st.integers(1, 15) for _ in range(2)), st.integers(0, 2))


@settings(max_examples=200, deadline=None)
@given(st.lists(boxes, max_size=14), st.sampled_from([0.3, 0.5, 0.7]), st.integers(1, 6))
def test_suppression_is_greedy_within_a_class(found, iou, most):
    corners = np.array([[x, y, x + w, y + h] for x, y, w, h, _ in found], np.float32).reshape(-1, 4)
    labels = np.array([label for *_, label in found], np.int64)
    scores = np.linspace(1, 0.5, len(found)).astype(np.float32)
    keep = Thresholds(0.1, iou, most)
    assert suppress(corners, scores, labels, keep).tolist() == brute(corners.tolist(), scores, labels, keep)


# ---------------------------------------------------------------------------------------------------------------- masks


def bilinear(values, y, x):
    """Return one value at a real position, edges repeated."""
    y, x = (min(max(p, 0), n - 1) for p, n in zip((y, x), values.shape, strict=True))
    top, left = min(int(y), values.shape[0] - 2), min(int(x), values.shape[1] - 2)
    dy, dx = y - top, x - left
    return (
        values[top, left] * (1 - dy) * (1 - dx) + values[top, left + 1] * (1 - dy) * dx
        + values[top + 1, left] * dy * (1 - dx) + values[top + 1, left + 1] * dy * dx
    )  # fmt: skip


@pytest.mark.parametrize("crop", ["prototype", "box"])
@pytest.mark.parametrize("shape", [(40, 60), (61, 33), (16, 16)])
def test_masks_are_interpolated_at_every_pixels_centre(crop, shape):
    rng = np.random.default_rng(1)
    size, low, count = (64, 64), 16, 4
    _, box = letterbox(np.zeros((*shape, 3), np.uint8), *size)
    prototypes = rng.standard_normal((count, low, low)).astype(np.float32)
    coefficients = rng.standard_normal((3, count)).astype(np.float32)
    h, w = shape
    found = np.float32([[0, 0, w, h], [w / 4, h / 3, w / 2, h * 0.8], [w - 5, h - 5, w, h]])
    masks = paste(prototypes, coefficients, found, box, size, crop)
    for mask, row, (x1, y1, x2, y2) in zip(masks, coefficients, found, strict=True):
        logits = np.tensordot(row, prototypes, 1).astype(np.float64)
        if crop == "prototype":
            j, i = np.arange(low), np.arange(low)
            lx1, lx2 = ((v * box.scale + box.left) / 4 for v in (x1, x2))
            ly1, ly2 = ((v * box.scale + box.top) / 4 for v in (y1, y2))
            logits = logits * ((i >= ly1) & (i < ly2))[:, None] * ((j >= lx1) & (j < lx2))[None]
        for y in range(h):
            for x in range(w):
                value = bilinear(
                    logits, ((y + 0.5) * box.scale + box.top) / 4 - 0.5, ((x + 0.5) * box.scale + box.left) / 4 - 0.5
                )
                inside = np.floor(x1) <= x < np.ceil(x2) and np.floor(y1) <= y < np.ceil(y2)
                expected = value > 0 and (inside or crop == "prototype")
                assert mask[y, x] == expected or abs(value) < 1e-5


def test_no_detections_give_no_masks():
    assert paste(
        np.zeros((4, 8, 8), np.float32), np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32),
        Letterbox(1.0, 0, 0, 30, 40, 30, 40), (32, 32), "box",
    ).shape == (0, 30, 40)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- files


def export(path, channels_first=True, rows_first=False, protos_last=False, names="{0: 'cat', 1: 'dog'}", half=False):
    """Write an ONNX file with a YOLO export's outputs: two confident boxes of class 1 and 0, whatever it is shown."""
    anchors, classes, count = 21, 2, 3
    rows = np.zeros((4 + classes + count, anchors), np.float32)
    rows[:4, 0], rows[5, 0], rows[6, 0] = (16, 16, 12, 8), 0.9, 5
    rows[:4, 1], rows[4, 1], rows[7, 1] = (10, 20, 6, 6), 0.6, 5
    protos = np.zeros((count, 8, 8), np.float32)
    protos[:2] = 1
    rows_out = rows.T if rows_first else rows
    protos_out = protos.transpose(1, 2, 0) if protos_last else protos
    dtype = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    kind = np.float16 if half else np.float32
    image = helper.make_tensor_value_info("images", dtype, [1, 3, 32, 32] if channels_first else [1, 32, 32, 3])
    outputs = [
        helper.make_tensor_value_info("output0", dtype, [1, *rows_out.shape]),
        helper.make_tensor_value_info("output1", dtype, [1, *protos_out.shape]),
    ]
    nothing = numpy_helper.from_array(np.zeros(1, kind), "zero")
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0, axes=[0, 1, 2, 3]),
        helper.make_node("Mul", ["mean", "zero"], ["none"]),
        helper.make_node("Add", ["rows", "none"], ["output0"]),
        helper.make_node("Add", ["protos", "none"], ["output1"]),
    ]
    constants = [
        nothing,
        numpy_helper.from_array(rows_out[None].astype(kind), "rows"),
        numpy_helper.from_array(np.ascontiguousarray(protos_out[None]).astype(kind), "protos"),
    ]
    graph = helper.make_graph(nodes, "g", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if names:
        helper.set_model_props(model, {"names": names})
    onnx.save(model, path)
    return str(path)


@pytest.mark.parametrize("channels_first", [True, False])
@pytest.mark.parametrize("rows_first", [True, False])
@pytest.mark.parametrize("protos_last", [True, False])
@pytest.mark.parametrize("half", [True, False])
def test_onnx_files_of_every_layout_give_the_same_instances(tmp_path, channels_first, rows_first, protos_last, half):
    model = YoloSeg(export(tmp_path / "m.onnx", channels_first, rows_first, protos_last, half=half))
    assert model.categories == ["cat", "dog"]
    image = np.zeros((64, 32, 3), np.uint8)
    check_model(model, [image])
    [found] = model.predict([image])
    assert found.labels.tolist() == [1, 0]
    assert found.scores == pytest.approx([0.9, 0.6], abs=1e-3)
    assert found.boxes[0] == pytest.approx([4, 24, 28, 40], abs=1e-3)  # scale 0.5, bars of 8 left and right
    assert found.masks.shape == (2, 64, 32) and found.masks[0][32, 16]


def test_names_are_needed_where_the_file_has_none(tmp_path):
    path = export(tmp_path / "m.onnx", names=None)
    with pytest.raises(UsageError, match="has 2 classes and no names; give the option `categories`"):
        YoloSeg(path)
    assert YoloSeg(path, categories=["a", "b"]).categories == ["a", "b"]


def test_thresholds(tmp_path):
    path = export(tmp_path / "m.onnx")
    image = [np.zeros((32, 32, 3), np.uint8)]
    assert len(YoloSeg(path, confidence=0.7).predict(image)[0].scores) == 1
    assert len(YoloSeg(path, most=1).predict(image)[0].scores) == 1
    assert len(YoloSeg(path, confidence=0.95).predict(image)[0].scores) == 0
    [spec] = segharness_models()
    assert spec.options["crop"].check("none") == "is 'none', not prototype or box"
    with pytest.raises(UsageError, match="`crop` is 'none', not prototype or box"):
        YoloSeg(path, crop="none")
    assert spec.options["categories"].check("a") == "is 'a', not a list of names"
    assert spec.options["confidence"].check(float("nan")) == "is nan, not a number from 0 to 1"


@pytest.mark.parametrize("name", ["m.tflite", "m.onnx"])
@pytest.mark.parametrize("data", [b"", b"no network", b"\0" * 4000])
def test_what_is_no_network_is_said(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=f"{name}: not an? (TFLite|ONNX) network"):
        open_network(tmp_path / name, 1)


def test_other_files_and_missing_ones_are_said(tmp_path):
    with pytest.raises(UsageError, match="are a .tflite or an .onnx file"):
        open_network(tmp_path / "m.pt", 1)
    with pytest.raises(UsageError, match="no file"):
        open_network(tmp_path / "m.onnx", 1)


def test_a_classifier_is_no_segmentation_export(tmp_path):
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])
    node = helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0, axes=[2, 3])
    graph = helper.make_graph([node], "g", [image], [out])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "c.onnx")
    with pytest.raises(UsageError, match="not a YOLO export: its outputs are"):
        YoloSeg(str(tmp_path / "c.onnx"))


@pytest.mark.parametrize(
    ("name", "text"),
    [("temp_meta.txt", "{'names': {1: 'dog', 0: 'cat'}}"), ("metadata.json", '{"names": {"0": "cat", "1": "dog"}}'),
     ("labels.txt", "{'names': ['cat', 'dog']}")],
)  # fmt: skip
def test_names_are_read_from_what_exporters_append_to_tflite_files(tmp_path, name, text):
    from segharness_yolo.network import _tflite_metadata

    path = tmp_path / "m.tflite"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    path.write_bytes(b"TFL3 and so on" + buffer.getvalue())
    network = SimpleNamespace(path=path, metadata=_tflite_metadata(path))
    assert file_names(network) == ["cat", "dog"]
    path.write_bytes(b"TFL3")
    assert _tflite_metadata(path) == {}


@needs_shared
@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.name)
def test_real_networks_keep_the_contract(path):
    from PIL import Image

    model = YoloSeg(str(path))
    assert tuple(model.categories) == COCO80
    photographs = sorted((SHARED / "data/coco-tiny/val2017").glob("*.jpg"))[:3]
    check_model(model, [np.asarray(Image.open(p).convert("RGB")) for p in photographs])
