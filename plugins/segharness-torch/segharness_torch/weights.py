"""Weights of a network from a file; loading runs no code of the file's."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from segharness import UsageError
from torch import nn

_WRAPPED = ("state_dict", "model", "model_state_dict")
"""Keys under which training scripts keep the weights beside other things."""


def state_of(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a file: safetensors, or what ``torch.load(weights_only=True)`` takes.

    Raises:
        UsageError: the file is missing or damaged, or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"{path}: holds more than weights, which is not loaded, for it could run anything; save "
            f"`model.state_dict()` alone ({_first(error)})"
        ) from error
    except (safetensors.SafetensorError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise UsageError(f"{path}: not a whole file of weights: {_first(error)}") from error
    for key in _WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise UsageError(f"{path}: holds no state dict: names of weights, and their tensors")
    return dict(found)


def load_weights(network: nn.Module, path: Path) -> None:
    """Give a network the weights of a file.

    Raises:
        UsageError: as `state_of`; or they are another network's.
    """
    state = state_of(path)
    own = network.state_dict()
    strangers = sorted(set(own) ^ set(state))
    strangers = [name for name in strangers if not name.endswith("num_batches_tracked")]
    if strangers:
        where = "lacks" if strangers[0] in own else "has"
        raise UsageError(
            f"{path}: weights of another network than {type(network).__name__}: it {where} `{strangers[0]}`, and "
            f"{len(strangers) - 1} names more do not fit"
        )
    for name, value in own.items():
        if name in state and state[name].shape != value.shape:
            raise UsageError(f"{path}: `{name}` is {list(state[name].shape)}, the network's {list(value.shape)}")
    network.load_state_dict(state, strict=False)  # what may be absent are counters of training


def _first(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
