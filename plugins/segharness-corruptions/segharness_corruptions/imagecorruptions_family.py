"""The family ``imagecorruptions/``: the imagecorruptions package of PyPI, made to work with current libraries.

The release does not import beside a current setuptools, and it calls functions that numpy and scikit-image have
removed. This module executes the package's file with an import function of its own, which supplies the modules that the
file expects. It also replaces the file's ``numpy.random`` by a generator of the calling thread. Nothing in the user's
environment is patched.
"""

from __future__ import annotations

import builtins
import functools
import importlib.metadata
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segharness_corruptions.catalogue import BY_NAME

PACKAGE_NAME = "imagecorruptions"
SHIM = "1"
"""Version of this module; it changes whenever this module changes the family's pixels."""


def version() -> str | None:
    """Return the family's version: the package's and this module's.

    Returns None if the package, or a package that it requires, is not installed.
    """
    try:
        for requirement in ("scikit-image", "scipy"):
            importlib.metadata.version(requirement)
        return f"{importlib.metadata.version(PACKAGE_NAME)}+shim.{SHIM}"
    except importlib.metadata.PackageNotFoundError:
        return None


class Package:
    """The package's corruptions as attributes: functions (image, severity, rng). The first call loads the package."""

    def __init__(self) -> None:
        self._random = threading.local()
        self._loading = threading.Lock()
        self._functions: dict[str, Any] | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in BY_NAME:
            raise AttributeError(name)
        return functools.partial(self._corrupt, name)

    def _corrupt(self, name: str, image: Any, severity: int, rng: Any) -> Any:
        """Corrupt with numpy's legacy generator, seeded by 32 bits of `rng` as ``numpy.random.seed`` would seed it.

        impulse_noise draws from scikit-image, which ``numpy.random.seed`` does not reach. Its seed is drawn from the
        legacy generator.
        """
        from numpy.random import RandomState

        from segharness_corruptions.pixels import check

        check(image, severity)
        return self.corrupt(name, image, severity, RandomState(int(rng.integers(1 << 32))))

    def corrupt(self, name: str, image: Any, severity: int, random: Any) -> Any:
        """Return a corrupted image.

        Args:
            name: of a corruption, without prefix.
            image: uint8 RGB (H, W, 3).
            severity: 1 to 5.
            random: supplies the draws; an object with those functions of ``numpy.random`` that the package calls.

        Raises:
            ImportError: the package, or a package that it requires, is not installed.
        """
        import numpy as np
        from PIL import Image

        with self._loading:
            if self._functions is None:
                self._functions = self._load()
        function = self._functions[name]
        self._random.now = random
        return np.uint8(function(Image.fromarray(image), severity))

    def _load(self) -> dict[str, Any]:
        try:
            folder = Path(str(importlib.metadata.distribution(PACKAGE_NAME).locate_file(PACKAGE_NAME)))
        except importlib.metadata.PackageNotFoundError as error:
            raise ImportError(
                f"{PACKAGE_NAME} is not installed: pip install 'segharness-corruptions[reference]'"
            ) from error
        file = folder / "corruptions.py"
        functions: dict[str, Any] = {
            "__name__": "imagecorruptions.corruptions",
            "__builtins__": {**vars(builtins), "__import__": _Imports(folder, self._random), "print": _quiet},
        }
        exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), functions)
        return functions


class _Imports:
    """The ``import`` of the package's file: it returns real modules, and replacements for a few."""

    def __init__(self, folder: Path, random: threading.local) -> None:
        import numpy as np
        import scipy.ndimage
        import skimage
        import skimage.filters
        import skimage.util

        def gaussian(image: Any, sigma: Any, multichannel: bool = False, **options: Any) -> Any:
            return skimage.filters.gaussian(image, sigma, channel_axis=-1 if multichannel else None, **options)

        def random_noise(image: Any, **options: Any) -> Any:
            return skimage.util.random_noise(image, rng=int(random.now.randint(1 << 31)), **options)

        drawing = _Overlay(np.random, lambda name: getattr(random.now, name), "uniform", "normal", "poisson", "randint")
        noise = _Overlay(skimage.util, lambda name: random_noise, "random_noise")
        self._replacements: dict[str, Any] = {
            "numpy": _Overlay(np, {"random": drawing, "float_": np.float64}.__getitem__, "random", "float_"),
            "skimage": _Overlay(skimage, lambda name: noise, "util"),
            "skimage.filters": types.SimpleNamespace(gaussian=gaussian),
            "scipy.ndimage.interpolation": scipy.ndimage,
            "pkg_resources": types.SimpleNamespace(resource_filename=lambda _, name: str(folder / name)),
        }

    def __call__(self, name: str, *arguments: Any, **options: Any) -> Any:
        return (
            self._replacements[name] if name in self._replacements else builtins.__import__(name, *arguments, **options)
        )


class _Overlay:
    """A module with some of its names replaced."""

    def __init__(self, module: Any, look_up: Callable[[str], Any], *names: str) -> None:
        self._module, self._look_up, self._names = module, look_up, names

    def __getattr__(self, name: str) -> Any:
        return self._look_up(name) if name in self._names else getattr(self._module, name)


def _quiet(*_: object) -> None:
    """Replace ``print`` in the package, which prints when it pads."""


PACKAGE = Package()
