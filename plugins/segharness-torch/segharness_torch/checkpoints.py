"""Checkpoints of training frameworks, read without running anything of theirs. Needs torch and numpy, and nothing of ours.

Files that hold more than weights (epochs, names of classes, histories as numpy arrays) are common; what could run code is
refused all the same.
"""

from __future__ import annotations

import _codecs
import contextlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch


class CheckpointError(ValueError):
    """A file is no checkpoint, is damaged, or holds what is not loaded; the message names the file."""


def read_checkpoint(path: Path, allow: Sequence[Any] = ()) -> Any:
    """Return what a checkpoint holds: tensors, numpy arrays, and plain Python values.

    ``.pkl`` files (detectron2's zoo) may hold numpy arrays and nothing else that is made by a call; others are what
    ``torch.load(weights_only=True)`` takes, besides numpy arrays and objects of the classes of `allow`.

    Raises:
        CheckpointError: see there.
    """
    try:
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                return _Arrays(file, encoding="latin1").load()
        with _allowed(allow):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: holds more than weights and plain values, which is not loaded: {error}"
        ) from error
    except (RuntimeError, ValueError, EOFError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint: {type(error).__name__}: {error}") from error


_CORES = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy._core.numeric", "numpy.core.numeric")
_HARMLESS = {
    *((core, name) for core in _CORES for name in ("_reconstruct", "scalar", "_frombuffer")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
}
"""What numpy arrays are made with."""


class _Arrays(pickle.Unpickler):
    """Makes numpy arrays, and refuses every other call that a pickle asks for."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def _allowed(more: Sequence[Any]) -> Any:
    """Let torch's loader of weights make numpy arrays and numbers too, where this torch can be told so."""
    allow = getattr(torch.serialization, "safe_globals", None)
    if allow is None:
        return contextlib.nullcontext()
    multiarray = getattr(np, "_core", None) or np.core
    kinds = [np.dtype(code) for code in "?bBhHiIlLqQefdSU"]
    return allow(
        [
            multiarray.multiarray._reconstruct,
            multiarray.multiarray.scalar,
            (multiarray.multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
            (multiarray.multiarray.scalar, "numpy.core.multiarray.scalar"),
            np.ndarray,
            np.dtype,
            *{type(kind) for kind in kinds},
            _codecs.encode,  # numpy's bytes are pickled with it
            *more,
        ]
    )
