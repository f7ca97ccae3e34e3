"""Encoded image -> uint8 RGB pixels, and pixels -> corrupted pixels."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from segharness.errors import ImageError
from segharness.images.randomness import generator
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import CorruptionSpec, MixtureSpec
from segharness.records import Condition, Corruption, Sample

if TYPE_CHECKING:
    from segharness.records import Image


def decode(sample: Sample) -> Image:
    """Return the pixels of a sample: uint8 RGB (H, W, 3), contiguous, read-only.

    Grayscale becomes RGB, alpha is dropped, EXIF orientation is not applied: annotations refer to the pixels as stored.

    Raises:
        ImageError: the file is missing, truncated, not an image, or not of the size that the data set declares.
    """
    try:
        source = sample.source() if callable(sample.source) else sample.source
        if isinstance(source, (bytes, Path)):
            data = source.read_bytes() if isinstance(source, Path) else source
            pixels = _pixels(data)
        else:
            pixels = source
    except FileNotFoundError as error:
        raise ImageError(f"{sample}: missing: {error.filename}") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{sample}: cannot be decoded: not an image of a known format") from error
    except (Exception, SystemExit) as error:  # Pillow raises many kinds for broken files, a source may raise anything
        raise ImageError(f"{sample}: cannot be decoded: {type(error).__name__}: {error}") from error
    if not isinstance(pixels, np.ndarray):
        raise ImageError(f"{sample}: its source gave a {type(pixels).__name__}, not bytes or uint8 RGB (H, W, 3)")
    if pixels.shape != (sample.height, sample.width, 3) or pixels.dtype != np.uint8:
        raise ImageError(
            f"{sample}: holds {pixels.dtype} {pixels.shape}, but its data set declares height {sample.height}, "
            f"width {sample.width}, RGB"
        )
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)  # every condition reads these: a corruption that writes into them fails
    return pixels


def _pixels(data: bytes) -> Image:
    with PillowImage.open(io.BytesIO(data)) as picture:
        kind = picture.format
        if kind == "PNG":
            picture.verify()  # checksums: Pillow decodes some damaged files without a word
    if kind == "JPEG" and data.find(b"\xff\xd9", _scan(data)) < 0:
        raise ValueError("the JPEG has no end")
    with PillowImage.open(io.BytesIO(data)) as picture:
        if picture.mode.startswith("I"):  # 16 bits; Pillow would clip them at 255
            values = np.asarray(picture).astype(np.int64)
            if values.min() < 0 or values.max() > 65535:
                raise ValueError(f"{values.min()}..{values.max()} are no 16-bit values")
            gray = (values + 128) // 257
            return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)
        if picture.mode == "F":
            raise ValueError("its pixels are floats")
        return np.asarray(picture.convert("RGB"))


def _scan(data: bytes) -> int:
    """Return where a JPEG's first scan begins: the segments before it, thumbnails among them, say how long they are."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def pixel_digest(pixels: Image) -> int:
    """Return 64 bits of BLAKE2b over the pixels: two runs that saw the same image have the same number."""
    return int.from_bytes(hashlib.blake2b(pixels.data, digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Corrupted:
    """An image under a condition; `drawn` names what a mixture drew for it."""

    pixels: Image
    drawn: str | None = None


class Corruptor:
    """Applies the conditions of a run. Keyed by seed and data set; safe to call from several threads.

    Args:
        host: where corruptions are found.
        conditions: every condition that will be asked for.
        seed: of the suite.
    """

    def __init__(self, host: PluginHost, conditions: Mapping[str, Condition], seed: int) -> None:
        self._seed = seed
        self._stages: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._functions: dict[str, Corruption] = {}
        for condition in conditions.values():
            if condition.corruption is not None:
                spec: Any = host.get(condition.corruption, CorruptionSpec, MixtureSpec)
                self._stages[condition.name] = spec.stages if isinstance(spec, MixtureSpec) else ((spec.name,),)
        self._host = host

    def _function(self, name: str) -> Corruption:
        """Return a corruption's code, imported when it is first asked for."""
        if name not in self._functions:
            self._functions[name] = load(self._host.get(name, CorruptionSpec).apply)
        return self._functions[name]

    def __call__(self, pixels: Image, condition: Condition, sample: Sample, dataset: str) -> Corrupted:
        """Return the image under a condition.

        Raises:
            ImageError: a corruption raised, or broke its contract.
        """
        source = pixels
        if condition.corruption is None or condition.severity is None:
            return Corrupted(pixels.copy())
        rng = generator(self._seed, dataset, sample.image_id, condition.corruption, condition.severity)
        drawn = []
        for stage in self._stages[condition.name]:
            name = stage[int(rng.integers(len(stage)))] if len(stage) > 1 else stage[0]
            drawn.append(name)
            shape = pixels.shape
            try:
                pixels = self._function(name)(pixels, condition.severity, rng)
            except (Exception, SystemExit) as error:  # a corruption is a plugin's code
                said = " ".join(str(error).split())
                raise ImageError(f"{sample}: corruption `{name}` raised {type(error).__name__}: {said}") from error
            if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != shape:
                what = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
                raise ImageError(f"{sample}: corruption `{name}` returned {what}, not uint8 {shape}")
        if np.may_share_memory(pixels, source) or not pixels.flags.c_contiguous:
            pixels = pixels.copy()
        return Corrupted(pixels, ",".join(drawn) if condition.mixture else None)
