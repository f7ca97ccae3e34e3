"""Weights of networks in files: safetensors in half precision for those that ship, and what a user brings.

Loading runs no code of a file's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from segharness import UsageError, write_atomic
from torch import nn

from segharness_torch.checkpoints import CheckpointError, read_checkpoint

_WRAPPED = ("state_dict", "model", "model_state_dict")
"""Keys under which training scripts keep the weights beside other things."""


def state_of(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a file of which `segharness_torch.checkpoints.read_checkpoint` reads the kind.

    Raises:
        UsageError: the file is missing or damaged, or holds something else.
    """
    try:
        found = read_checkpoint(path)
    except CheckpointError as error:
        raise UsageError(str(error)) from error
    for key in _WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise UsageError(f"{path}: holds no state dict: names of weights, and their tensors")
    return dict(found)


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
    """Give a network the weights of a file, in the network's own precision.

    Raises:
        UsageError: as `state_of`; they are another network's, or no training gives such.
    """
    found = state_of(path)
    own = network.state_dict()
    name = type(network).__name__
    strangers = sorted(key for key in set(own) ^ set(found) if key in found or not key.endswith(_COUNTER))
    if strangers:
        where = "lacks" if strangers[0] in own else "has"
        more = f", and {len(strangers) - 1} more names do not fit" if len(strangers) > 1 else ""
        raise UsageError(f"{path}: weights of another network than {name}: it {where} `{strangers[0]}`{more}")
    for key, value in found.items():
        if value.shape != own[key].shape:
            raise UsageError(
                f"{path}: weights of another {name}: `{key}` is {list(value.shape)}, not {list(own[key].shape)}"
            )
        found[key] = _fitting(value, own[key], f"{path}: `{key}`")
    network.load_state_dict({**own, **found})


_COUNTER = "num_batches_tracked"
"""What only training looks at, and files of old torch lack."""


def _fitting(value: torch.Tensor, own: torch.Tensor, where: str) -> torch.Tensor:
    """Return a weight in the type of the network's, if it can be one."""
    if value.is_floating_point() != own.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        wanted = "a float" if own.is_floating_point() else "a whole number"
        raise UsageError(f"{where} is {str(value.dtype).removeprefix('torch.')}, not {wanted}")
    value = value.to(own.dtype)
    if not bool(torch.isfinite(value).all()):
        raise UsageError(f"{where} is not finite")
    if where.endswith("running_var`") and bool((value < 0).any()):
        raise UsageError(f"{where} is a variance below 0")
    return value
