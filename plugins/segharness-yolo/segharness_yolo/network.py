"""Runs a network file on one image: float pixels in, the raw outputs out as floats.

The layout of the input (NHWC, NCHW), quantisation (int8, uint8, float), a fixed batch and what exporters write about
the network are read from the file. What the outputs mean is in `segharness_yolo.layout`.
"""

from __future__ import annotations

import ast
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from segharness import UsageError

_MOST_METADATA = 4 << 20
"""Larger files in the archive of a TFLite file are no metadata, in bytes."""

Floats = npt.NDArray[np.float32]


class Network(Protocol):
    """A loaded network.

    Attributes:
        path: of its file.
        height, width: the size of the input in pixels.
        metadata: what the exporter wrote about it: ``names``, ``task``, ``end2end``, ``args``.
        gives_fractions: whether exports of this kind of file usually give boxes as fractions of the input.
        channels_last: whether the input is (1, H, W, 3).
    """

    path: Path
    height: int
    width: int
    metadata: Mapping[str, Any]
    gives_fractions: bool
    channels_last: bool

    def __call__(self, image: Floats) -> list[Floats]:
        """Return the outputs for one float32 RGB image (height, width, 3) in [0, 1], without the axis of the batch."""


def open_network(path: Path, threads: int, size: Sequence[int] | None = None) -> Network:
    """Load a network file; its ending says of which kind it is.

    Args:
        path: a .tflite or .onnx file.
        threads: how many CPU threads the network uses.
        size: (height, width) of the input, for a file that leaves it open.

    Raises:
        UsageError: the file is missing, is damaged, takes other inputs than one image, or leaves the size open and
            there is no `size`.
    """
    kinds: dict[str, Callable[[Path, int, Sequence[int] | None], Network]] = {
        ".tflite": TFLiteNetwork,
        ".onnx": OnnxNetwork,
    }
    if path.suffix not in kinds:
        raise UsageError(f"{path}: the weights of yolo/seg are a .tflite or an .onnx file")
    if not path.is_file():
        raise UsageError(f"no file {path}")
    return kinds[path.suffix](path, threads, size)


class TFLiteNetwork:
    """A TFLite file, run by LiteRT."""

    gives_fractions = True

    def __init__(self, path: Path, threads: int, size: Sequence[int] | None = None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.path = path
        try:
            self._interpreter = Interpreter(str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"{path}: not a TFLite network: {str(error).splitlines()[0]}") from error
        inputs, self._outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        shape = [int(n) for n in inputs[0]["shape"]]
        if len(inputs) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise UsageError(
                f"{path}: expected one image as input, not inputs of {[d['shape'].tolist() for d in inputs]}"
            )
        self._input, self.channels_last, self._batch = inputs[0], shape[3] == 3, shape[0]
        self.height, self.width = _fixed_size(path, shape[1:3] if self.channels_last else shape[2:], size)
        self.metadata: Mapping[str, Any] = _tflite_metadata(path)

    def __call__(self, image: Floats) -> list[Floats]:
        """Return the outputs for one image."""
        values = _quantised(image if self.channels_last else image.transpose(2, 0, 1), self._input)
        self._interpreter.set_tensor(self._input["index"], np.repeat(values[None], self._batch, axis=0))
        self._interpreter.invoke()
        return [_dequantised(self._interpreter.get_tensor(d["index"]), d)[0] for d in self._outputs]


class OnnxNetwork:
    """An ONNX file, run by ONNX Runtime."""

    gives_fractions = False

    def __init__(self, path: Path, threads: int, size: Sequence[int] | None = None) -> None:
        import onnxruntime

        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own classes of errors are private
            raise UsageError(f"{path}: not an ONNX network: {str(error).splitlines()[0]}") from error
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape)
        if len(inputs) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise UsageError(f"{path}: expected one image as input, not inputs of {[i.shape for i in inputs]}")
        self._name, self.channels_last = inputs[0].name, shape[1] != 3
        self._batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else 1
        self.metadata: Mapping[str, Any] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.height, self.width = _fixed_size(path, shape[1:3] if self.channels_last else shape[2:], size)
        self._dtype = np.float16 if inputs[0].type == "tensor(float16)" else np.float32

    def __call__(self, image: Floats) -> list[Floats]:
        """Return the outputs for one image."""
        values = np.ascontiguousarray(image if self.channels_last else image.transpose(2, 0, 1), dtype=self._dtype)
        raw = self._session.run(None, {self._name: np.repeat(values[None], self._batch, axis=0)})
        return [np.asarray(output[0], dtype=np.float32) for output in raw]


def _fixed_size(path: Path, sides: Sequence[Any], size: Sequence[int] | None) -> tuple[int, int]:
    """Return the (height, width) of the input: the file's, or `size` where the file leaves it open."""
    fixed = [side if isinstance(side, int) and side > 0 else None for side in sides]
    if None not in fixed:
        if size is not None and list(size) != fixed:
            raise UsageError(f"{path}: its input is {fixed[0]}x{fixed[1]}; `size` is for files that leave it open")
        return int(fixed[0] or 0), int(fixed[1] or 0)
    if size is None:
        raise UsageError(f"{path}: leaves the size of its input open; give the option `size`, e.g. 640 or [384, 640]")
    return int(size[0]), int(size[1])


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


def _tflite_metadata(path: Path) -> dict[str, Any]:
    """Return what stands in the zip archive that exporters append to a TFLite file; nothing without one."""
    data = path.read_bytes()
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return {}
    found: dict[str, Any] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if member.file_size > _MOST_METADATA:
                continue
            content = parsed(archive.read(member).decode(errors="replace"))
            if isinstance(content, dict):
                found = {**content, **found}
    return found


def parsed(text: Any) -> Any:
    """Return the value of a text of metadata, which exporters write as Python or as JSON; the text if it is neither.

    Example:
        >>> parsed("{0: 'cat'}"), parsed('["cat"]'), parsed("segment")
        ({0: 'cat'}, ['cat'], 'segment')
    """
    if not isinstance(text, str):
        return text
    for read in (ast.literal_eval, json.loads):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text
