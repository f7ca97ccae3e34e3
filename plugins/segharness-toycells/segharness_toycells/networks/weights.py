"""Weights of a network as a safetensors file in half precision; loading runs no code of the file's."""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch
import torch
from segharness import UsageError, write_atomic
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
    write_atomic(path, safetensors.torch.save(tensors, {"about": about}))


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
        found = tensors[key]
        if found.shape != value.shape:
            raise UsageError(
                f"{path}: weights of another {name}: `{key}` is {list(found.shape)}, not {list(value.shape)}"
            )
        if found.is_floating_point() != value.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
            wanted = "a float" if value.is_floating_point() else "a whole number"
            raise UsageError(f"{path}: `{key}` is {str(found.dtype).removeprefix('torch.')}, not {wanted}")
        tensors[key] = found.to(value.dtype)
        if not bool(torch.isfinite(tensors[key]).all()):
            raise UsageError(f"{path}: `{key}` is not finite")
        if key.endswith("running_var") and bool((tensors[key] < 0).any()):
            raise UsageError(f"{path}: `{key}` is a variance below 0")
    network.load_state_dict(tensors)
