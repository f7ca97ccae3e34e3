"""Imports the authors' code from a checkout, once per model, on any device. Needs torch and torchvision.

The code keeps one config in a global object, which networks read while they predict. Every model therefore gets modules
of its own. They leave `sys.modules`, because names such as ``utils`` and ``data`` belong to others too.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2  # noqa: F401  what the code imports is imported before torch.jit is patched
import torch
import torchvision  # noqa: F401
from pycocotools import mask  # noqa: F401

from segharness_yolact.deformable import DCN

_NAMES = ("yolact", "backbone", "data", "layers", "utils", "dcn_v2")
"""The top-level modules of the checkout, and the one that YOLACT++ needs to be compiled."""


class AuthorsCode:
    """The authors' modules, imported for one model.

    Args:
        source: the checkout.

    Attributes:
        config: ``data.config``; ``config.cfg`` is the settings of this model.
        yolact: ``yolact``, the network.
        augmentations: ``utils.augmentations``, which prepares images.
        output_utils: ``layers.output_utils``, which makes masks.

    Raises:
        Exception: whatever the code raises while it is imported.
    """

    def __init__(self, source: Path) -> None:
        with _modules_of_its_own(source), _any_device(), contextlib.redirect_stdout(io.StringIO()):
            self.config: Any = importlib.import_module("data.config")
            self.yolact: Any = importlib.import_module("yolact")
            self.augmentations: Any = importlib.import_module("utils.augmentations")
            self.output_utils: Any = importlib.import_module("layers.output_utils")


@contextlib.contextmanager
def _modules_of_its_own(source: Path) -> Iterator[None]:
    """Let the names of the authors' modules mean those of the checkout, and restore what they meant before."""
    others = _take_modules()
    dcn_v2: Any = types.ModuleType("dcn_v2")
    dcn_v2.DCN = DCN  # without it, their code replaces DCN by a function that raises
    sys.modules["dcn_v2"] = dcn_v2
    sys.path.insert(0, str(source))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(source))
        _take_modules()
        sys.modules.update(others)


def _take_modules() -> dict[str, Any]:
    names = [name for name in sys.modules if name.partition(".")[0] in _NAMES]
    return {name: sys.modules.pop(name) for name in names}


@contextlib.contextmanager
def _any_device() -> Iterator[None]:
    """Patch what the authors' code does with torch while it is imported."""
    with contextlib.ExitStack() as patches:
        # yolact.py calls it to initialise CUDA; without CUDA it raises, and with it a context is made on the first GPU.
        patches.enter_context(_replaced(torch.cuda, "current_device", lambda: 0))
        # yolact.py makes FPN a TorchScript module unless there are several GPUs, and says so on stdout. Several are
        # claimed, because torch deprecates TorchScript, and because what a script gives must not depend on its warm-up.
        patches.enter_context(_replaced(torch.cuda, "device_count", lambda: 2))
        # box_utils.py scripts its functions whatever the number of GPUs. They are plain Python too.
        patches.enter_context(_replaced(torch.jit, "script", lambda function: function))
        yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
