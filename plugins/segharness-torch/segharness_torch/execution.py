"""How a network is executed: device, precision, memory layout, compilation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from segharness_torch.options import EXECUTION
from segharness_torch.threads import torch_threads

_PRECISIONS = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Execution:
    """The device that a network runs on, and how it runs.

    Attributes:
        device: torch's name for it: ``cpu``, ``cuda:0``.
        precision, channels_last, compile: as in `segharness_torch.options`.

    Raises:
        segharness.UsageError: `precision`, `channels_last` or `compile` has a value that its option does not allow.
    """

    device: str = "cpu"
    precision: str = "float32"
    channels_last: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        for name, option in EXECUTION.items():
            option.checked(name, getattr(self, name))

    def prepared(self, network: nn.Module) -> Any:
        """Return a network in evaluation mode, on the device, compiled if `compile` says so."""
        network = network.to(self.device).eval()
        if self.channels_last:
            network = network.to(memory_format=torch.channels_last)
        return torch.compile(network) if self.compile else network

    @contextlib.contextmanager
    def predicting(self) -> Iterator[None]:
        """Predict without gradients, in the chosen precision, and on one CPU thread."""
        dtype = _PRECISIONS[self.precision]
        cast = torch.autocast(torch.device(self.device).type, dtype) if dtype is not None else contextlib.nullcontext()
        with torch.inference_mode(), torch_threads(1), cast:
            yield

    def tensors(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[torch.Tensor]:
        """Return uint8 RGB images (H, W, 3) as float32 tensors (3, H, W) from 0 to 1, on the device."""
        return [
            torch.from_numpy(np.array(image)).to(self.device).permute(2, 0, 1).contiguous().float() / 255
            for image in images
        ]
