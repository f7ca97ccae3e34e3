"""Checkpoints of training frameworks, read without running any code in them. Needs torch and numpy, not segharness.

Many checkpoints hold more than weights: epochs, class names, histories as numpy arrays. A pickle can call numpy's own
classes so that they take any bytes for objects. A file that asks for them therefore gets `_Array`, `_Dtype` and the
functions below, which make arrays of plain numbers and text and nothing else.
"""

from __future__ import annotations

import pickle
import re
import sys
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

_TORCH = (2, 6)
"""Older versions run code from a file in spite of ``weights_only`` (CVE-2025-32434)."""


class CheckpointError(ValueError):
    """A file is not a checkpoint, is damaged, or holds objects that are refused; the message names the file."""


def read_checkpoint(path: Path, ignore: Sequence[str] = ()) -> Any:
    """Return the content of a checkpoint: tensors, numpy arrays, and plain Python values.

    Args:
        path: a ``.safetensors`` file; a ``.pkl`` file (detectron2's zoo), which may call for numpy arrays and nothing
            else; or a file that ``torch.load(weights_only=True)`` takes, which may hold numpy arrays too.
        ignore: full names of classes whose objects are loaded empty, for content beside the weights.

    Raises:
        CheckpointError: the file is not a checkpoint, is damaged, or holds objects that are refused.
    """
    stand_ins: dict[str, Any] = {**_NUMPY, **dict.fromkeys(ignore, _Ignored)}
    if ignore:
        stand_ins["builtins.getattr"] = stand_ins["__builtin__.getattr"] = _Function(_no_attribute)
    _check_torch_version(path)
    try:
        _check_beginning(path)
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                return _ArrayUnpickler(file, stand_ins).load()
        with torch.serialization.safe_globals([(stand_in, name) for name, stand_in in stand_ins.items()]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: holds more than weights and plain values, which is not loaded, for it could run any code; save "
            f"`model.state_dict()` alone ({_summary(error)})"
        ) from error
    except (RuntimeError, ValueError, EOFError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint: {_summary(error)}") from error


def _check_torch_version(path: Path) -> None:
    """Refuse pickled files under a version of torch that cannot read them safely."""
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _TORCH and path.suffix not in (".safetensors", ".pkl"):
        raise CheckpointError(
            f"{path}: PyTorch {torch.__version__} would run code from such a file; it needs PyTorch "
            f"{'.'.join(map(str, _TORCH))} or later, or a .safetensors file"
        )


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        import safetensors
        import safetensors.torch
    except ImportError as error:
        raise CheckpointError(
            f"{path}: needs the package safetensors: {sys.executable} -m pip install safetensors"
        ) from error
    try:
        return safetensors.torch.load(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: not a whole safetensors file: {error}") from error


def _check_beginning(path: Path) -> None:
    """Refuse a file that cannot be a checkpoint; torch's own message would be about pickles."""
    with path.open("rb") as file:
        magic = file.read(2)
    if not magic:
        raise CheckpointError(f"{path}: is empty")
    if path.suffix not in (".safetensors", ".pkl") and magic != b"PK" and magic[:1] != b"\x80":
        raise CheckpointError(
            f"{path}: not a checkpoint: it begins neither as a zip archive nor as a pickle; "
            "was a web page saved in its place?"
        )


def _summary(error: BaseException) -> str:
    """Return an error as one line; torch's long messages are cut to what it met."""
    if (request := re.search(r"GLOBAL (\S+)", str(error))) is not None:
        return f"it asks for {request[1]}"
    message = (str(error).rpartition("WeightsUnpickler error: ")[2].splitlines() or [""])[0].strip()
    if isinstance(error, (KeyError, IndexError)) or not message:  # unknown opcodes, empty stacks
        return "it ends early, or was changed"
    return f"{type(error).__name__}: {message[:160]}"


# ---------------------------------------------------------------------- what a pickle gets in place of numpy's names


def _refuse(request: str) -> None:
    raise pickle.UnpicklingError(f"it asks for {request}")


class _Function:
    """A function that a pickle may call, but not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        _refuse("a changed function")


class _Dtype:
    """Stands in for ``numpy.dtype``: booleans, numbers and text, never objects or records."""

    _PLAIN = re.compile(r"[?bBhHiIlLqQefdFD]|b1|[iu][1248]|f[248]|c(8|16)|[SU][0-9]{1,6}")

    __slots__ = ("real",)

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(code, str) or self._PLAIN.fullmatch(code) is None:
            _refuse(f"an array of {code!r:.40}")
        self.real = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        plain = isinstance(state, tuple) and len(state) >= 5 and state[1] in ("<", ">", "|", "=")
        if not plain or any(part is not None for part in state[2:5]):
            _refuse("an array of records")
        self.real = self.real.newbyteorder(state[1])


class _Array(np.ndarray):
    """Stands in for ``numpy.ndarray``: is made empty, and can then be given values once."""

    def __new__(cls, *arguments: Any) -> Any:
        if arguments:
            _refuse("an array made by a call")
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if type(dtype) is not _Dtype or type(content) not in (bytes, str) or self.size:
            _refuse("an array of anything")
        raw = content.encode("latin1") if isinstance(content, str) else content
        super().__setstate__((1, shape, dtype.real, fortran, raw))  # numpy compares the sizes


class _Ignored:
    """Stands in for a class whose objects are ignored."""

    __slots__ = ()

    def __new__(cls, *arguments: Any) -> Any:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def _reconstruct(array_class: Any, shape: Any, code: Any) -> Any:
    if array_class is not _Array:
        _refuse("an array of another class")
    return _Array()


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any = "C") -> Any:
    if type(dtype) is not _Dtype or not isinstance(content, (bytes, bytearray)) or order not in ("C", "F"):
        _refuse("an array of anything")
    return np.frombuffer(bytearray(content), dtype.real).reshape(shape, order=order)


def _scalar(dtype: Any, content: Any) -> Any:
    raw = content.encode("latin1") if isinstance(content, str) else content
    if type(dtype) is not _Dtype or not isinstance(raw, bytes) or len(raw) != dtype.real.itemsize:
        _refuse("a number of anything")
    return np.frombuffer(raw, dtype.real)[0]


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        _refuse("an unusual encoding")
    encoded: bytes = text.encode("latin1")
    return encoded


def _no_bytes(*arguments: Any) -> bytes:
    if arguments:
        _refuse("a call of bytes")
    return b""


def _no_attribute(owner: Any, name: Any) -> None:
    if owner is not _Ignored:
        _refuse("an attribute")


_NUMPY = {
    **{
        f"{package}.{module}.{name}": _Function(function)
        for package in ("numpy.core", "numpy._core")
        for module, name, function in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "_codecs.encode": _Function(_encode),  # numpy pickles bytes with it, and empty bytes with those below
    "builtins.bytes": _Function(_no_bytes),
    "__builtin__.bytes": _Function(_no_bytes),
}


class _ArrayUnpickler(pickle.Unpickler):
    """Makes arrays, and refuses every other call that a pickle asks for."""

    def __init__(self, file: Any, stand_ins: dict[str, Any]) -> None:
        super().__init__(file, encoding="latin1")
        self._stand_ins = stand_ins

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name that the pickle asks for."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (stand_in := self._stand_ins.get(f"{module}.{name}")) is None:
            _refuse(f"{module}.{name}")
        return stand_in
