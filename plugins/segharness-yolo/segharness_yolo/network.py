"""Runs a network file: takes a float image, returns float predictions and prototypes.

Layout (NHWC, NCHW), quantisation (int8, uint8, float) and the order of outputs are read from the file.
"""

from __future__ import annotations

import ast
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from segharness import UsageError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Outputs:
    """The raw output of a network for one image.

    Attributes:
        rows: float32 (A, 4 + C + K), a row for each anchor: centre x, centre y, width, height in pixels of the input;
            C class scores; K mask coefficients.
        prototypes: float32 (K, h, w).
    """

    rows: Floats
    prototypes: Floats


class Network(Protocol):
    """A loaded network.

    Attributes:
        height, width: the size of the input in pixels.
        names: the class names; None if the file has none.
    """

    height: int
    width: int
    names: Sequence[str] | None

    def __call__(self, image: Floats) -> Outputs:
        """Run on one float32 RGB image (height, width, 3) in [0, 1]."""


def open_network(path: Path, threads: int) -> Network:
    """Load a network file; its ending says of which kind it is.

    Args:
        path: a .tflite or .onnx file.
        threads: how many CPU threads the network uses.

    Raises:
        UsageError: the file is missing, is damaged, or is not a YOLO segmentation network.
    """
    kinds: dict[str, Callable[[Path, int], Network]] = {".tflite": TFLiteNetwork, ".onnx": OnnxNetwork}
    if path.suffix not in kinds:
        raise UsageError(f"{path}: the weights of yolo/seg are a .tflite or an .onnx file")
    if not path.is_file():
        raise UsageError(f"no file {path}")
    return kinds[path.suffix](path, threads)


class TFLiteNetwork:
    """A TFLite file, run by LiteRT. TFLite exports give boxes as fractions of the input's size."""

    def __init__(self, path: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"{path}: not a TFLite network: {str(error).splitlines()[0]}") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        shape = [int(n) for n in inputs[0]["shape"]]
        if len(inputs) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise UsageError(
                f"{path}: expected one image as input, not inputs of {[d['shape'].tolist() for d in inputs]}"
            )
        self._input, self._channels_first = inputs[0], shape[3] != 3
        self.height, self.width = shape[2:] if self._channels_first else shape[1:3]
        self._outputs = _rows_and_prototypes(path, outputs, [tuple(int(n) for n in d["shape"]) for d in outputs])
        self.names = _tflite_names(path)

    def __call__(self, image: Floats) -> Outputs:
        values = image.transpose(2, 0, 1) if self._channels_first else image
        self._interpreter.set_tensor(self._input["index"], _quantised(values, self._input)[None])
        self._interpreter.invoke()
        raw_rows, raw_prototypes = (_dequantised(self._interpreter.get_tensor(d["index"]), d) for d in self._outputs)
        rows, prototypes = oriented(raw_rows[0], raw_prototypes[0])
        rows[:, :4] *= np.array([self.width, self.height] * 2, dtype=np.float32)
        return Outputs(rows, prototypes)


class OnnxNetwork:
    """An ONNX file, run by ONNX Runtime. ONNX exports give boxes in pixels of the input."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own classes of errors are private
            raise UsageError(f"{path}: not an ONNX network: {str(error).splitlines()[0]}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape = list(inputs[0].shape)
        if len(inputs) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise UsageError(f"{path}: expected one image as input, not inputs of {[i.shape for i in inputs]}")
        self._name, self._channels_first = inputs[0].name, shape[1] == 3
        sides = shape[2:] if self._channels_first else shape[1:3]
        if not all(isinstance(side, int) for side in sides):
            raise UsageError(f"{path}: its input size is dynamic ({shape}); export it with a fixed one")
        self.height, self.width = (int(side) for side in sides)
        self._dtype = np.float16 if inputs[0].type == "tensor(float16)" else np.float32
        shapes = [tuple(s if isinstance(s, int) else -1 for s in o.shape) for o in outputs]
        self._outputs = [o.name for o in _rows_and_prototypes(path, outputs, shapes)]
        self.names = _names(self._session.get_modelmeta().custom_metadata_map.get("names"))

    def __call__(self, image: Floats) -> Outputs:
        values = image.transpose(2, 0, 1) if self._channels_first else image
        raw = self._session.run(self._outputs, {self._name: np.ascontiguousarray(values[None], dtype=self._dtype)})
        return Outputs(*oriented(raw[0][0].astype(np.float32), raw[1][0].astype(np.float32)))


def _rows_and_prototypes(path: Path, outputs: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> tuple[Any, Any]:
    """Return the output with the rows (three axes) and the one with the prototypes (four)."""
    rows = [o for o, shape in zip(outputs, shapes, strict=True) if len(shape) == 3]
    prototypes = [o for o, shape in zip(outputs, shapes, strict=True) if len(shape) == 4]
    if len(rows) != 1 or len(prototypes) != 1:
        raise UsageError(
            f"{path}: not a YOLO segmentation export: its outputs are {list(shapes)}, "
            "not one of (1, 4 + classes + coefficients, anchors) and one of prototypes"
        )
    return rows[0], prototypes[0]


def oriented(rows: Floats, prototypes: Floats) -> tuple[Floats, Floats]:
    """Return rows as (anchors, values) and prototypes as (K, h, w), whatever the layout of the file.

    A network has far more anchors than values per anchor. The number of coefficients is the shortest axis of the
    prototypes.
    """
    if rows.shape[0] < rows.shape[1]:
        rows = rows.T
    if np.argmin(prototypes.shape) == 2:
        prototypes = prototypes.transpose(2, 0, 1)
    return np.ascontiguousarray(rows), np.ascontiguousarray(prototypes)


def _quantised(values: Floats, detail: Any) -> npt.NDArray[Any]:
    dtype = detail["dtype"]
    if dtype == np.float32:
        return np.ascontiguousarray(values)
    scale, zero = detail["quantization"]
    limits = np.iinfo(dtype)
    rounded: npt.NDArray[Any] = np.clip(np.rint(values / np.float32(scale)) + zero, limits.min, limits.max).astype(
        dtype
    )
    return rounded


def _dequantised(values: npt.NDArray[Any], detail: Any) -> Floats:
    if values.dtype == np.float32:
        return np.array(values)
    scale, zero = detail["quantization"]
    floats: Floats = (values.astype(np.float32) - np.float32(zero)) * np.float32(scale)
    return floats


def _tflite_names(path: Path) -> Sequence[str] | None:
    """Return the class names in the zip archive that exporters append to a TFLite file; None if there are none."""
    data = path.read_bytes()
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return None
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            text = archive.read(name).decode(errors="replace")
            try:
                metadata = ast.literal_eval(text) if name.endswith(".txt") else json.loads(text)
            except (ValueError, SyntaxError):
                continue
            if isinstance(metadata, dict) and "names" in metadata:
                return _names(metadata["names"])
    return None


def _names(names: Any) -> Sequence[str] | None:
    """Return class names from ``{0: "person", ...}``, a mapping or its text; None if it is neither."""
    if isinstance(names, str):
        names = ast.literal_eval(names)
    if not isinstance(names, dict):
        return None
    return [str(names[key]) for key in sorted(names, key=int)]
