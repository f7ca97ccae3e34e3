"""Options that the models of all PyTorch plugins take."""

from __future__ import annotations

from segharness import Option

EXECUTION = {
    "precision": Option("float32, or float16 or bfloat16 where the device has them; float32 when absent"),
    "channels_last": Option("the network's memory in that order, which some devices like better; no when absent"),
    "compile": Option("torch.compile the network; no when absent"),
}
"""How a network is executed; all of it may move the last digits, and is part of what predictions are made from."""
