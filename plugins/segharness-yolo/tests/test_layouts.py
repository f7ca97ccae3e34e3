"""Exports of every form, at any size and in either order of axes: decoded as they are, or refused by name; never guessed.

The networks are made here: constant outputs that hold known objects. The expected boxes and masks are computed from the
objects, not from the plugin's decoder.
"""

from __future__ import annotations

import io
import os
import re
import tracemalloc
import zipfile
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from segharness import ContractError, UsageError
from segharness_yolo.layout import END2END, OBJECTNESS, RAW
from segharness_yolo.model import YoloSeg
from segharness_yolo.network import _tflite_metadata
from segharness_yolo.weights_files import weights_files

from tests.conftest import write_coco

OBJECTS = (((12, 10, 30, 26), 1, 0.9), ((34, 30, 60, 58), 0, 0.7))
"""Corners in pixels of a 64x64 image, class, score."""


CASES = int(os.environ.get("SEGHARNESS_YOLO_CASES", "200"))
"""How many exports are drawn; a campaign sets more."""


@dataclass(frozen=True)
class Export:
    """A network to be written."""

    form: str = RAW
    classes: int = 2
    side: int = 64
    coefficients: int = 32
    rows_first: bool = False
    prototypes_last: bool = False
    channels_last: bool = False
    fractions: bool = False
    batch: int | str = 1
    open_size: bool = False
    half: bool = False
    names: str | None = "dict"
    detector: bool = False
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def known_names(self):
        return [f"thing {number}" for number in range(self.classes)]

    def arrays(self):
        """Return rows (A, values) and prototypes (K, h, w) that hold the objects."""
        scale = self.side / 64
        count = 0 if self.detector else self.coefficients
        cells = sum((self.side // stride) ** 2 for stride in (8, 16, 32))
        number = {RAW: cells, OBJECTNESS: 3 * cells, END2END: 300}[self.form]
        head = {RAW: 4 + self.classes, OBJECTNESS: 5 + self.classes, END2END: 6}[self.form]
        rows = np.zeros((number, head + count), np.float32)
        if self.form != END2END:  # a head has boxes at every cell
            at = np.linspace(2, self.side - 2, number)
            rows[:, :4] = np.stack([at, at, np.full(number, 3), np.full(number, 3)], axis=1)
        for row, ((x1, y1, x2, y2), label, score) in zip(rows, OBJECTS, strict=False):
            corners = np.array([x1, y1, x2, y2]) * scale
            if self.form == END2END:
                row[:4], row[4], row[5] = corners, score, label
            else:
                row[:4] = [*(corners[:2] + corners[2:]) / 2, *(corners[2:] - corners[:2])]
                if self.form == OBJECTNESS:
                    row[4], row[5 + label] = score, 1.0
                else:
                    row[4 + label] = score
            row[head : head + 1] = 10 if count else []
        if self.fractions:
            rows[:, :4] /= self.side
        prototypes = np.zeros((count, self.side // 4, self.side // 4), np.float32)
        prototypes[:1] = 1
        return rows, prototypes

    def write(self, path):
        rows, prototypes = self.arrays()
        rows = rows if self.rows_first else rows.T
        outputs = (
            [rows] if self.detector else [rows, prototypes.transpose(1, 2, 0) if self.prototypes_last else prototypes]
        )
        kind, dtype = (TensorProto.FLOAT16, np.float16) if self.half else (TensorProto.FLOAT, np.float32)
        sides = ["height", "width"] if self.open_size else [self.side, self.side]
        shape = [self.batch, *sides, 3] if self.channels_last else [self.batch, 3, *sides]
        image = helper.make_tensor_value_info("images", kind, shape)
        count = self.batch if isinstance(self.batch, int) else 1
        nodes = [
            helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0, axes=[0, 1, 2, 3]),
            helper.make_node("Mul", ["mean", "zero"], ["none"]),
        ]
        constants = [numpy_helper.from_array(np.zeros(1, dtype), "zero")]
        infos = []
        for number, output in enumerate(outputs):
            value = np.repeat(np.ascontiguousarray(output)[None].astype(dtype), count, axis=0)
            constants.append(numpy_helper.from_array(value, f"c{number}"))
            nodes.append(helper.make_node("Add", [f"c{number}", "none"], [f"output{number}"]))
            infos.append(helper.make_tensor_value_info(f"output{number}", kind, value.shape))
        graph = helper.make_graph(nodes, "g", [image], infos, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        names = self.known_names
        text = {"dict": str(dict(enumerate(names))), "list": str(names), "json": str(names).replace("'", '"')}
        given = dict(self.metadata)
        if self.names is not None:
            given["names"] = text.get(self.names, self.names)
        if given:
            helper.set_model_props(model, given)
        onnx.save(model, path)
        return str(path)

    def check(self, model):
        """Assert that a model finds the objects, on an image as large as its input and on one twice as wide."""
        for image, scale, top in ((np.zeros((64, 64, 3), np.uint8), 1, 0), (np.zeros((64, 128, 3), np.uint8), 2, 32)):
            [found] = model.predict([image])
            assert found.labels.tolist() == [1, 0]
            assert found.scores == pytest.approx([0.9, 0.7], abs=2e-3)
            for box, mask, (corners, _, _) in zip(
                found.boxes, found.masks if found.masks is not None else [None] * 2, OBJECTS, strict=True
            ):
                expected = np.array(corners, float) * scale - [0, top, 0, top]
                expected = np.clip(expected, 0, [image.shape[1], image.shape[0]] * 2)
                assert box == pytest.approx(expected, abs=0.2)
                if mask is not None:  # positive everywhere, so the mask is its box
                    y, x = np.nonzero(mask)
                    assert [x.min(), y.min(), x.max() + 1, y.max() + 1] == pytest.approx(expected, abs=1)
                    assert mask.sum() == (x.max() + 1 - x.min()) * (y.max() + 1 - y.min())
        assert (found.masks is None) == self.detector


EXPORTS = {
    "end to end, two classes": Export(END2END, rows_first=True),
    "end to end, one class more": Export(END2END, classes=3, rows_first=True),
    "end to end, 80 classes": Export(END2END, classes=80, rows_first=True),
    "end to end, values first": Export(END2END),
    "end to end as fractions": Export(END2END, rows_first=True, fractions=True),
    "end to end where both would fit": Export(END2END, classes=2, side=128, rows_first=True),
    "end to end, said by metadata": Export(END2END, rows_first=True, metadata=(("end2end", "True"),)),
    "end to end, said by arguments": Export(END2END, rows_first=True, metadata=(("args", "{'nms': True}"),)),
    "a detector, end to end": Export(END2END, rows_first=True, detector=True),
    "a detector": Export(RAW, detector=True),
    "a detector, rows first": Export(RAW, classes=20, detector=True, rows_first=True),
    "YOLOv5": Export(OBJECTNESS, rows_first=True),
    "YOLOv5, 80 classes": Export(OBJECTNESS, classes=80, rows_first=True),
    "a detector of YOLOv5": Export(OBJECTNESS, rows_first=True, detector=True),
    "fractions": Export(fractions=True),
    "a cube of prototypes, channels last": Export(side=128, prototypes_last=True, channels_last=True),
    "a cube of prototypes, channels first": Export(side=128, channels_last=True),
    "prototypes larger than coefficients": Export(side=160, prototypes_last=True),
    "prototypes smaller than coefficients": Export(side=96, prototypes_last=True),
    "a tiny input": Export(side=32, coefficients=32),
    "names as a list": Export(names="list"),
    "names as JSON": Export(names="json"),
    "80 names of its own as a list": Export(classes=80, names="list"),
    "a fixed batch": Export(batch=4),
    "an open batch": Export(batch="batch"),
    "half precision": Export(half=True),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_are_decoded_as_they_are(tmp_path, name):
    export = EXPORTS[name]
    model = YoloSeg(export.write(tmp_path / "m.onnx"))
    assert model.categories == export.known_names
    assert model._layout.form == export.form
    export.check(model)


def test_an_open_size_is_asked_for(tmp_path):
    export = Export(open_size=True)
    path = export.write(tmp_path / "m.onnx")
    with pytest.raises(UsageError, match=re.escape("give the option `size`, e.g. 640 or [384, 640]")):
        YoloSeg(path)
    export.check(YoloSeg(path, size=64))
    export.check(YoloSeg(path, size=[64, 64]))
    with pytest.raises(UsageError, match="its input is 64x64; `size` is for files that leave it open"):
        YoloSeg(Export().write(tmp_path / "fixed.onnx"), size=128)


@pytest.mark.parametrize(
    ("export", "options", "message"),
    [
        (Export(names="not python"), {}, "its metadata `names` cannot be read: 'not python'"),
        (Export(names="{'a': 1}"), {}, "its metadata `names` cannot be read"),
        (Export(names="[]"), {}, "its metadata `names` cannot be read"),
        (Export(names=None), {}, "has 2 classes and no names"),
        (
            Export(END2END, rows_first=True, names=None),
            {},
            "an end-to-end export (suppression in the graph) without class",
        ),
        (Export(classes=3, names="['a', 'b']"), {}, "has 3 classes, but 2 names are known (a, b); give the option"),
        (Export(), {"categories": ["a", "b", "c"]}, "has 2 classes, but 3 names are known (a, b, c)"),
        (
            Export(classes=80, detector=True, rows_first=True),
            {},
            "in the order (anchors, values), 80 classes or rows of box",
        ),
        (Export(metadata=(("task", "pose"),)), {}, "is an export for the task 'pose'"),
        (Export(metadata=(("task", "classify"),)), {}, "is an export for the task 'classify'"),
    ],
)
def test_what_is_not_known_is_refused_by_name(tmp_path, export, options, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        YoloSeg(export.write(tmp_path / "m.onnx"), **options)


def test_coco_is_meant_by_80_classes_without_names_alone(tmp_path):
    assert YoloSeg(Export(classes=80, names=None).write(tmp_path / "m.onnx")).categories[:2] == ["person", "bicycle"]
    own = YoloSeg(Export(classes=80, names="list").write(tmp_path / "n.onnx"))
    assert own.categories[:2] == ["thing 0", "thing 1"]


def test_units_that_were_assumed_are_checked(tmp_path):
    """An end-to-end export that finds nothing in the probes does not show its unit."""
    from dataclasses import replace

    model = YoloSeg(Export(END2END, rows_first=True, fractions=True).write(tmp_path / "m.onnx"))
    model._layout = replace(model._layout, fractions=False, assumed=True)
    with pytest.raises(ContractError, match="taken for pixels, and are fractions"):
        model.predict([np.zeros((64, 64, 3), np.uint8)])


@settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        Export,
        form=st.sampled_from([RAW, OBJECTNESS, END2END]),
        classes=st.integers(2, 90),
        side=st.sampled_from([32, 64, 96, 128, 160, 256]),
        coefficients=st.sampled_from([8, 16, 32, 64]),
        rows_first=st.booleans(),
        prototypes_last=st.booleans(),
        channels_last=st.booleans(),
        fractions=st.booleans(),
        batch=st.sampled_from([1, 2, "batch"]),
        names=st.sampled_from(["dict", "list", "json"]),
        detector=st.booleans(),
    )
)
def test_any_export_is_right_or_refused(tmp_path, export):
    path = export.write(tmp_path / "m.onnx")
    try:
        model = YoloSeg(path)
    except UsageError as error:
        assert "m.onnx" in str(error)
        assert "may be" in str(error), error  # only where two readings are possible
        return
    assert model.categories == export.known_names
    export.check(model)


# ------------------------------------------------------------------------------------------------- files of a network


def external(path, location="m.onnx.data"):
    """Write a network that keeps its tensors in another file."""
    Export().write(path)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location=location, size_threshold=0)
    return path


def test_tensors_in_other_files_are_of_the_weights(tmp_path):
    path = external(tmp_path / "m.onnx")
    assert [file.name for file in weights_files(path)] == ["m.onnx", "m.onnx.data"]
    Export().check(YoloSeg(str(path)))
    plain = tmp_path / "plain.onnx"
    Export().write(plain)
    assert weights_files(plain) == [plain]
    tflite = tmp_path / "m.tflite"
    tflite.write_bytes(b"TFL3")
    assert weights_files(tflite) == [tflite]


def test_the_archive_of_a_tflite_file_is_read_within_bounds(tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("huge.json", b"[" * (64 << 20))
        members.writestr("metadata.json", '{"names": {"0": "cat"}, "task": "segment"}')
    file = tmp_path / "m.tflite"
    file.write_bytes(b"TFL3" * 8 + archive.getvalue())
    tracemalloc.start()
    try:
        assert _tflite_metadata(file) == {"names": {"0": "cat"}, "task": "segment"}
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_missing_or_foreign_file_of_tensors_is_named(tmp_path):
    path = external(tmp_path / "m.onnx")
    (tmp_path / "m.onnx.data").rename(tmp_path / "other.data")
    with pytest.raises(UsageError, match=re.escape("keeps tensors in `m.onnx.data`, which is missing")):
        weights_files(path)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../other.data" if entry.key == "location" else entry.value
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match=re.escape("keeps tensors in `../other.data`, which is not in its folder")):
        weights_files(path)


def test_other_tensors_are_other_weights_before_the_first_cell(harness):
    """The .onnx stays as it is: only the file that it names changes."""
    write_coco(harness.folder / "coco")
    path = harness.folder / "m.onnx"
    Export(names="['square', 'disc']").write(path)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="tensors.bin", size_threshold=0)
    harness.write(
        "s.yaml",
        """
        segharness: 1
        name: s
        models: [{id: m, model: yolo/seg, weights: m.onnx}]
        datasets: [{id: d, dataset: coco/instances, options: {annotations: coco/annotations.json, images: coco/images}}]
        conditions: [clean]
        """,
    )
    run = ("run", "s.yaml", "--no-bootstrap", "-qq")
    assert harness(*run).code == 0
    graph, data = path.read_bytes(), harness.folder / "tensors.bin"
    content = bytearray(data.read_bytes())
    content[1000:1040] = bytes(40) if any(content[1000:1040]) else b"\1" * 40
    data.write_bytes(content)
    done = harness(*run)
    assert path.read_bytes() == graph
    assert done.code == 4 and "made from other inputs: model.weights" in done.err, done.err
    data.unlink()
    done = harness(*run)
    assert done.code == 4 and "keeps tensors in `tensors.bin`, which is missing" in done.err
