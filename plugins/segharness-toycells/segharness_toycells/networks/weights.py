"""Weights of a network as a safetensors file in half precision; loading runs no code of the file's."""

from __future__ import annotations

import os
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from segharness import UsageError
from torch import nn


def save_weights(network: nn.Module, path: Path, about: str) -> None:
    """Write the network's weights and buffers: floats as float16, whole numbers as they are.

    Args:
        network: whose weights.
        path: the file, written whole or not at all.
        about: a line that the file carries. One, for a second would be written in a random order.

    Raises:
        UsageError: a weight is not finite, or too large for half precision.
    """
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise UsageError(f"{path}: `{name}` is not finite in half precision")
    write_whole(path, safetensors.torch.save(tensors, {"about": about}))


def load_weights(network: nn.Module, path: Path) -> None:
    """Give the network the weights of a file.

    Raises:
        UsageError: the file is missing, damaged, or of another network.
    """
    try:
        tensors = safetensors.torch.load(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise UsageError(f"{path}: not a whole safetensors file: {str(error).splitlines()[0]}") from error
    own = network.state_dict()
    name = type(network).__name__
    strangers = sorted(set(own) ^ set(tensors))
    if strangers:
        where = "lacks" if strangers[0] in own else "has"
        raise UsageError(f"{path}: weights of another network than {name}: it {where} `{strangers[0]}`")
    for key, value in own.items():
        if tensors[key].shape != value.shape:
            raise UsageError(
                f"{path}: weights of another {name}: `{key}` is {list(tensors[key].shape)}, not {list(value.shape)}"
            )
        if value.is_floating_point() and not bool(torch.isfinite(tensors[key]).all()):
            raise UsageError(f"{path}: `{key}` is not finite")
    network.load_state_dict({key: tensors[key].to(value.dtype) for key, value in own.items()})


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
