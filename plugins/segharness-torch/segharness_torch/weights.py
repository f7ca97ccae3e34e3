"""Weights in files: safetensors in half precision for networks that ship with a plugin, and a user's own files.

Loading a file runs no code in it.
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
"""Keys under which training scripts keep the weights, beside other content."""


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights in a file, of any kind that `segharness_torch.checkpoints.read_checkpoint` reads.

    Raises:
        UsageError: the file is missing or damaged, or holds no weights.
    """
    try:
        content = read_checkpoint(path)
    except CheckpointError as error:
        raise UsageError(str(error)) from error
    for key in _WRAPPED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise UsageError(f"{path}: holds no state dict, a mapping from names to tensors")
    return dict(content)


def save_weights(network: nn.Module, path: Path, about: str) -> None:
    """Write the network's weights and buffers: floats as float16, whole numbers as they are.

    Args:
        network: whose weights.
        path: the file, written whole or not at all.
        about: a line of metadata. A second entry would be written in random order.

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
    """Load the weights in a file into a network, in the network's own precision.

    Raises:
        UsageError: as `read_state`; or names, shapes or types are another network's; or a value is impossible, such
            as a negative variance.
    """
    state = read_state(path)
    own = network.state_dict()
    name = type(network).__name__
    unmatched = sorted(key for key in set(own) ^ set(state) if key in state or not key.endswith(_COUNTER))
    if unmatched:
        where = "lacks" if unmatched[0] in own else "has"
        more = f", and {len(unmatched) - 1} more names do not fit" if len(unmatched) > 1 else ""
        raise UsageError(f"{path}: weights of another network than {name}: it {where} `{unmatched[0]}`{more}")
    for key, value in state.items():
        if value.shape != own[key].shape:
            raise UsageError(
                f"{path}: weights of another {name}: `{key}` is {list(value.shape)}, not {list(own[key].shape)}"
            )
        state[key] = _converted(value, own[key], f"{path}: `{key}`")
    network.load_state_dict({**own, **state})


_COUNTER = "num_batches_tracked"
"""A buffer that only training uses, and that files of old torch versions lack."""


def _converted(value: torch.Tensor, own: torch.Tensor, where: str) -> torch.Tensor:
    """Return a weight in the type of the network's own one, if that is possible."""
    if value.is_floating_point() != own.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        expected = "a float" if own.is_floating_point() else "a whole number"
        raise UsageError(f"{where} is {str(value.dtype).removeprefix('torch.')}, not {expected}")
    value = value.to(own.dtype)
    if not bool(torch.isfinite(value).all()):
        raise UsageError(f"{where} is not finite")
    if where.endswith("running_var`") and bool((value < 0).any()):
        raise UsageError(f"{where} is a variance below 0")
    return value
