"""Checkpoints of training frameworks, read without running anything of theirs. Needs torch and numpy, and nothing of ours.

Files that hold more than weights (epochs, names of classes, histories as numpy arrays) are common. numpy's own classes can
be called so that they take any bytes for objects; a file that asks for them gets the `_Array`, `_Kind` and functions below
instead, which make arrays of plain numbers and text and nothing else.
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
"""Older ones run what a file says in spite of ``weights_only`` (CVE-2025-32434)."""


class CheckpointError(ValueError):
    """A file is no checkpoint, is damaged, or holds what is not loaded; the message names the file."""


def read_checkpoint(path: Path, ignore: Sequence[str] = ()) -> Any:
    """Return what a checkpoint holds: tensors, numpy arrays, and plain Python values.

    Args:
        path: ``.safetensors``; ``.pkl`` (detectron2's zoo), which may hold numpy arrays and nothing else that is made by a
            call; or what ``torch.load(weights_only=True)`` takes, besides numpy arrays.
        ignore: full names of classes whose objects come out empty, for what is beside the weights.

    Raises:
        CheckpointError: see there.
    """
    names: dict[str, Any] = {**_NUMPY, **dict.fromkeys(ignore, _Nothing)}
    if ignore:
        names["builtins.getattr"] = names["__builtin__.getattr"] = _Function(_no_attribute)
    _look_at_torch(path)
    try:
        _look_at_beginning(path)
        if path.suffix == ".safetensors":
            return _safetensors(path)
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                return _Arrays(file, names).load()
        with torch.serialization.safe_globals([(made, name) for name, made in names.items()]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: holds more than weights and plain values, which is not loaded, for it could run anything; save "
            f"`model.state_dict()` alone ({_first(error)})"
        ) from error
    except (RuntimeError, ValueError, EOFError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint: {_first(error)}") from error


def _look_at_torch(path: Path) -> None:
    """Refuse files of pickles under a torch that cannot read them safely."""
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _TORCH and path.suffix not in (".safetensors", ".pkl"):
        raise CheckpointError(
            f"{path}: PyTorch {torch.__version__} runs what such a file says; it needs PyTorch "
            f"{'.'.join(map(str, _TORCH))} or later, or a .safetensors file"
        )


def _safetensors(path: Path) -> dict[str, torch.Tensor]:
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


def _look_at_beginning(path: Path) -> None:
    """Refuse what cannot be a checkpoint, of which torch would say something about pickles."""
    with path.open("rb") as file:
        begin = file.read(2)
    if not begin:
        raise CheckpointError(f"{path}: is empty")
    if path.suffix not in (".safetensors", ".pkl") and begin != b"PK" and begin[:1] != b"\x80":
        raise CheckpointError(
            f"{path}: no checkpoint, which begins as a zip archive or a pickle does; was a web page saved in its place?"
        )


def _first(error: BaseException) -> str:
    """Return an error in a line; of torch's long ones, what it met."""
    if (asked := re.search(r"GLOBAL (\S+)", str(error))) is not None:
        return f"it asks for {asked[1]}"
    said = (str(error).rpartition("WeightsUnpickler error: ")[2].splitlines() or [""])[0].strip()
    if isinstance(error, (KeyError, IndexError)) or not said:  # of a pickle's unknown codes and empty stacks
        return "it ends early, or was changed"
    return f"{type(error).__name__}: {said[:160]}"


# ------------------------------------------------------------------------------- what a pickle gets for numpy's names


def _refuse(what: str) -> None:
    raise pickle.UnpicklingError(f"it asks for {what}")


class _Function:
    """A function that a pickle may call, and not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        _refuse("a changed function")


class _Kind:
    """Stands for ``numpy.dtype``: of booleans, numbers and text, never of objects or records."""

    _PLAIN = re.compile(r"[?bBhHiIlLqQefdFD]|b1|[iu][1248]|f[248]|c(8|16)|[SU][0-9]{1,6}")

    __slots__ = ("dtype",)

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(code, str) or self._PLAIN.fullmatch(code) is None:
            _refuse(f"an array of {code!r:.40}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        plain = isinstance(state, tuple) and len(state) >= 5 and state[1] in ("<", ">", "|", "=")
        if not plain or any(part is not None for part in state[2:5]):
            _refuse("an array of records")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """Stands for ``numpy.ndarray``: can only be made empty, and then be given values once."""

    def __new__(cls, *arguments: Any) -> Any:
        if arguments:
            _refuse("an array made by a call")
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        if type(kind) is not _Kind or type(content) not in (bytes, str) or self.size:
            _refuse("an array of anything")
        raw = content.encode("latin1") if isinstance(content, str) else content
        super().__setstate__((1, shape, kind.dtype, fortran, raw))  # which compares sizes


class _Nothing:
    """Stands for what is not looked at."""

    __slots__ = ()

    def __new__(cls, *arguments: Any) -> Any:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def _reconstruct(kind: Any, shape: Any, code: Any) -> Any:
    if kind is not _Array:
        _refuse("an array of another class")
    return _Array()


def _frombuffer(content: Any, kind: Any, shape: Any, order: Any = "C") -> Any:
    if type(kind) is not _Kind or not isinstance(content, (bytes, bytearray)) or order not in ("C", "F"):
        _refuse("an array of anything")
    return np.frombuffer(bytearray(content), kind.dtype).reshape(shape, order=order)


def _scalar(kind: Any, content: Any) -> Any:
    raw = content.encode("latin1") if isinstance(content, str) else content
    if type(kind) is not _Kind or not isinstance(raw, bytes) or len(raw) != kind.dtype.itemsize:
        _refuse("a number of anything")
    return np.frombuffer(raw, kind.dtype)[0]


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        _refuse("an unusual encoding")
    return text.encode("latin1")


def _no_bytes(*arguments: Any) -> bytes:
    if arguments:
        _refuse("a call of bytes")
    return b""


def _no_attribute(owner: Any, name: Any) -> None:
    if owner is not _Nothing:
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
    "numpy.dtype": _Kind,
    "_codecs.encode": _Function(_encode),  # numpy's bytes are pickled with it, and with these where there are none
    "builtins.bytes": _Function(_no_bytes),
    "__builtin__.bytes": _Function(_no_bytes),
}


class _Arrays(pickle.Unpickler):
    """Makes arrays, and refuses every other call that a pickle asks for."""

    def __init__(self, file: Any, names: dict[str, Any]) -> None:
        super().__init__(file, encoding="latin1")
        self._names = names

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (found := self._names.get(f"{module}.{name}")) is None:
            _refuse(f"{module}.{name}")
        return found
