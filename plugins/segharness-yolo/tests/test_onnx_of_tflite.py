"""A real network as ONNX has the AP of its TFLite file: it is translated here, operation by operation; both are run.

The translation computes in float and rounds where the TFLite file does; boxes become pixels, as ONNX exports have them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from segharness_yolo.decode import letterbox
from segharness_yolo.layout import recognise
from segharness_yolo.names import COCO80
from segharness_yolo.network import open_network

NETWORKS = {f"yolov8n_{size}": f"yolov8n_{size}_quant_pc_ii_seg_coco-st.tflite" for size in (256, 320)}
MOVES = {"PAD", "MAX_POOL_2D", "RESIZE_NEAREST_NEIGHBOR", "RESHAPE", "TRANSPOSE", "STRIDED_SLICE"}
"""Operations whose outputs are values of their input, and need no rounding."""
SAME_NAME = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "LOGISTIC": "Sigmoid", "QUANTIZE": "Identity"}

SUITE = """
segharness: 1
name: both
models:
  - {id: tflite, model: yolo/seg, weights: TFLITE}
  - {id: onnx, model: yolo/seg, weights: ONNX}
datasets: [{dataset: coco/instances, options: {annotations: ANNOTATIONS, images: IMAGES}}]
conditions: [clean]
"""


class Translation:
    """The ONNX graph of a TFLite segmentation export with int8 activations. Tensors stay NHWC, as they are there."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
        self._names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
        self._same = schema.Padding.SAME
        self._dtypes = {schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}
        [self._graph] = self._model.subgraphs
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def save(self, path: Path) -> None:
        """Write it as an exporter would: images (1, 3, H, W) in; rows (1, values, anchors) and prototypes out."""
        [image] = self._graph.inputs
        _, height, width, channels = (int(n) for n in self._graph.tensors[image].shape)
        self._round(self._node("Transpose", ["images"], perm=[0, 2, 3, 1]), image)
        for operator in self._graph.operators:
            self._operation(operator)
        rows, protos = sorted(self._graph.outputs, key=lambda t: len(self._graph.tensors[t].shape))
        values, anchors = (int(n) for n in self._graph.tensors[rows].shape[1:])
        to_pixels = np.ones((1, values, 1), np.float32)
        to_pixels[0, :4, 0] = [width, height] * 2
        self._node("Mul", [f"t{rows}", self._constant(to_pixels)], "output0")
        self._node("Transpose", [f"t{protos}"], "output1", perm=[0, 3, 1, 2])
        _, low_height, low_width, count = (int(n) for n in self._graph.tensors[protos].shape)
        graph = helper.make_graph(
            self._nodes,
            "translated",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, channels, height, width])],
            [
                helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, values, anchors]),
                helper.make_tensor_value_info("output1", TensorProto.FLOAT, [1, count, low_height, low_width]),
            ],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)

    def _operation(self, operator: Any) -> None:
        name = self._names[self._model.operatorCodes[operator.opcodeIndex].builtinCode]
        options = operator.builtinOptions
        assert not getattr(options, "fusedActivationFunction", 0), name
        [output] = operator.outputs
        shape = [int(n) for n in self._graph.tensors[output].shape]
        first, *more = (int(t) for t in operator.inputs)
        if name in SAME_NAME:
            made = self._node(SAME_NAME[name], [self._value(t) for t in (first, *more)])
        elif name == "CONV_2D":
            made = self._spatial(
                "Conv", first, options, [self._real(more[0]).transpose(0, 3, 1, 2), self._real(more[1])],
                dilations=[options.dilationHFactor, options.dilationWFactor],
            )  # fmt: skip
        elif name == "TRANSPOSE_CONV":
            assert options.padding != self._same
            weights, image, bias = more
            made = self._spatial(
                "ConvTranspose", image, options, [self._real(weights).transpose(3, 0, 1, 2), self._real(bias)]
            )
        elif name == "MAX_POOL_2D":
            made = self._spatial("MaxPool", first, options, kernel_shape=[options.filterHeight, options.filterWidth])
        elif name == "RESIZE_NEAREST_NEIGHBOR":
            factors = np.float32(shape) / np.float32(self._graph.tensors[first].shape)
            assert (factors == np.rint(factors)).all() and options.halfPixelCenters
            made = self._node(
                "Resize", [self._value(first), "", self._constant(factors)], mode="nearest",
                coordinate_transformation_mode="asymmetric", nearest_mode="floor",
            )  # fmt: skip
        elif name == "PAD":
            pads = self._constant(self._array(more[0]).T.ravel().astype(np.int64))
            made = self._node("Pad", [self._value(first), pads])
        elif name == "RESHAPE":
            made = self._node("Reshape", [self._value(first), self._constant(np.int64(shape))])
        elif name == "TRANSPOSE":
            made = self._node("Transpose", [self._value(first)], perm=self._array(more[0]).tolist())
        elif name == "STRIDED_SLICE":
            made = self._slice(first, options, *(self._array(t) for t in more))
        elif name == "CONCATENATION":
            made = self._node("Concat", [self._value(t) for t in (first, *more)], axis=options.axis)
        elif name == "SOFTMAX":
            assert options.beta == 1
            made = self._node("Softmax", [self._value(first)], axis=-1)
        else:
            raise NotImplementedError(name)
        if name in MOVES:
            self._node("Identity", [made], f"t{output}")
        else:
            self._round(made, output)

    def _spatial(self, kind: str, image: int, options: Any, constants: Any = (), **attributes: Any) -> str:
        """Add an operation on (N, C, H, W) between two transpositions."""
        turned = self._node("Transpose", [self._value(image)], perm=[0, 3, 1, 2])
        made = self._node(
            kind, [turned, *map(self._constant, constants)], strides=[options.strideH, options.strideW],
            auto_pad="SAME_UPPER" if options.padding == self._same else "VALID", **attributes,
        )  # fmt: skip
        return self._node("Transpose", [made], perm=[0, 2, 3, 1])

    def _slice(self, source: int, options: Any, begin: Any, end: Any, strides: Any) -> str:
        assert (strides > 0).all() and not (options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask)
        axes = np.arange(len(begin))
        begin = np.where(options.beginMask >> axes & 1, 0, begin)
        end = np.where(options.endMask >> axes & 1, self._graph.tensors[source].shape, end)
        where = [self._constant(values.astype(np.int64)) for values in (begin, end, axes, strides)]
        return self._node("Slice", [self._value(source), *where])

    def _round(self, value: str, tensor: int) -> None:
        """Make a TFLite tensor of a float value: what its int8 can say of it."""
        quantisation = self._graph.tensors[tensor].quantization
        scale = self._constant(np.float32(quantisation.scale[0]))
        zero = self._constant(np.int8(quantisation.zeroPoint[0]))
        self._node("DequantizeLinear", [self._node("QuantizeLinear", [value, scale, zero]), scale, zero], f"t{tensor}")

    def _value(self, tensor: int) -> str:
        if self._model.buffers[self._graph.tensors[tensor].buffer].data is None:
            return f"t{tensor}"
        return self._constant(self._real(tensor))

    def _real(self, tensor: int) -> Any:
        """Return a constant's values as floats."""
        quantisation = self._graph.tensors[tensor].quantization
        values, along = self._array(tensor), [1] * len(self._graph.tensors[tensor].shape)
        along[quantisation.quantizedDimension] = -1
        scale, zero = (np.reshape(v, along) for v in (quantisation.scale, quantisation.zeroPoint))
        return ((values - zero) * scale.astype(np.float64)).astype(np.float32)

    def _array(self, tensor: int) -> Any:
        """Return a constant's values as they are in the file."""
        found = self._graph.tensors[tensor]
        return np.asarray(self._model.buffers[found.buffer].data).view(self._dtypes[found.type]).reshape(found.shape)

    def _constant(self, values: Any) -> str:
        name = f"c{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values).reshape(np.shape(values)), name)
        return name

    def _node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        output = output or f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output


@pytest.fixture(params=NETWORKS)
def both(request, tmp_path, shared):
    """A network as TFLite and as ONNX."""
    tflite, translated = shared / "models" / NETWORKS[request.param], tmp_path / f"{request.param}.onnx"
    Translation(tflite).save(translated)
    return tflite, translated


@pytest.mark.shared
def test_outputs_are_those_of_the_tflite_file(both, shared):
    """On average: a value halfway between two int8 may be rounded to the other one, and those after it follow."""
    tflite, translated = (open_network(path, 1) for path in both)
    layouts = [recognise(network, list(COCO80))[0] for network in (tflite, translated)]
    assert [(each.form, each.classes, each.coefficients) for each in layouts] == [("raw", 80, 32)] * 2
    assert [each.fractions for each in layouts] == [True, False] and not any(each.assumed for each in layouts)
    size = (tflite.height, tflite.width)
    assert (translated.height, translated.width) == (tflite.height, tflite.width)
    for path in sorted((shared / "data/coco-tiny/val2017").glob("*.jpg"))[:3]:
        canvas, _ = letterbox(np.asarray(Image.open(path).convert("RGB")), tflite.height, tflite.width)
        expected, found = layouts[0].outputs(tflite(canvas), *size), layouts[1].outputs(translated(canvas), *size)
        assert found.rows.shape == expected.rows.shape and found.prototypes.shape == expected.prototypes.shape
        count = len(expected.prototypes)
        assert abs(found.rows[:, 4:-count] - expected.rows[:, 4:-count]).mean() < 1e-3
        for ours, theirs in (
            (found.rows[:, :4], expected.rows[:, :4]),
            (found.rows[:, -count:], expected.rows[:, -count:]),
            (found.prototypes, expected.prototypes),
        ):
            assert abs(ours - theirs).mean() < theirs.std() / 4


@pytest.mark.slow
@pytest.mark.shared
def test_ap_is_that_of_the_tflite_file(harness, both, shared):
    """Boxes may differ by more than masks: the file rounds their sides to a fiftieth of the input."""
    coco = shared / "data/coco-tiny"
    text = SUITE.replace("TFLITE", str(both[0])).replace("ONNX", str(both[1]))
    text = text.replace("ANNOTATIONS", f"{coco}/annotations/instances_val2017.json")
    harness.write("both.yaml", text.replace("IMAGES", f"{coco}/val2017/"))
    done = harness("run", "both.yaml", "--no-bootstrap", timeout=600)
    assert done.code == 0, done.err
    rows = harness.results("both").to_pylist()
    for task, tolerance in (("segm", 0.005), ("bbox", 0.01)):
        found = {r["model"]: r["value"] for r in rows if (r["metric"], r["task"], r["category"]) == ("AP", task, None)}
        assert found["tflite"] > 0.1
        assert found["onnx"] == pytest.approx(found["tflite"], abs=tolerance)
