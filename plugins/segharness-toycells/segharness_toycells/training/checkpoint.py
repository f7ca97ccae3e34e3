"""The checkpoint of a training: a file that holds its recipe and its own digest."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from segharness import UsageError, write_atomic
from torch import nn

from segharness_toycells.training.log import Log

_DIGEST = hashlib.sha256().digest_size


class Checkpoint:
    """A file with network, optimizer, log and the number of steps done: a sha256, then the bytes of `torch.save`.

    Args:
        path: the file.
        made_with: the recipe, the task and the software; a checkpoint made with others is refused.
    """

    def __init__(self, path: Path, made_with: Mapping[str, Any]) -> None:
        self._path, self._made_with = path, {key: value for key, value in made_with.items() if key != "save_every"}

    def save(self, done: int, network: nn.Module, optimizer: torch.optim.Optimizer, log: Log) -> None:
        """Write the file atomically."""
        file = io.BytesIO()
        state = {
            "made_with": self._made_with,
            "done": done,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "log": log.state(),
        }
        torch.save(state, file)
        data = file.getvalue()
        write_atomic(self._path, hashlib.sha256(data).digest() + data)

    def resume(self, network: nn.Module, optimizer: torch.optim.Optimizer, log: Log) -> int:
        """Restore network, optimizer and log from the file, and return the number of steps done; 0 without a file.

        Raises:
            UsageError: the file is damaged, or belongs to another training.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return 0
        if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
            raise UsageError(f"{self._path}: damaged; delete it to begin again")
        try:
            state = torch.load(io.BytesIO(data[_DIGEST:]), map_location="cpu", weights_only=True)
            if state["made_with"] != self._made_with:
                raise UsageError(f"{self._path}: of another training; delete it to begin again, or give another --out")
            network.load_state_dict(state["network"])
            optimizer.load_state_dict(state["optimizer"])
            log.restore(state["log"])
            return int(state["done"])
        except UsageError:
            raise
        except Exception as error:  # the digest is right, the content is not: torch raises many kinds
            raise UsageError(
                f"{self._path}: not a checkpoint of this training ({type(error).__name__}); delete it to begin again"
            ) from error
