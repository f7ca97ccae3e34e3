"""Opens image files that the limits of their decoder would refuse, though they are whole."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

from PIL import Image as PillowImage

_LIMIT = threading.Lock()
PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of a PNG."""

_KEPT = {b"tRNS", b"eXIf"}
"""The chunks of a PNG, besides those that every reader must know, that change pixels or turn them."""


def open_image(source: bytes | Path) -> PillowImage.Image:
    """Return an image whose pixels are not decoded yet.

    Pillow bounds the number of pixels, and the texts and profiles of a PNG, since a small file may inflate to much. How
    large an image is, its data set says: compare `size` with that before its pixels are decoded.

    Args:
        source: an encoded image, or a file.

    Raises:
        OSError, ValueError, SyntaxError: it is missing, damaged or not an image.

    Example:
        >>> import io
        >>> buffer = io.BytesIO()
        >>> PillowImage.new("RGB", (4, 3)).save(buffer, "PNG")
        >>> open_image(buffer.getvalue()).size
        (4, 3)
    """
    try:
        return PillowImage.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except PillowImage.DecompressionBombError:
        with without_pixel_limit():
            return PillowImage.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except ValueError:
        data = source if isinstance(source, bytes) else source.read_bytes()
        if not data.startswith(PNG):
            raise
        return PillowImage.open(io.BytesIO(without_texts(data)))


def without_texts(data: bytes) -> bytes:
    """Return a PNG without the chunks that change no pixel; a damaged one up to where it is damaged."""
    kept, offset = [PNG], len(PNG)
    while offset + 12 <= len(data):
        end = offset + 12 + int.from_bytes(data[offset : offset + 4], "big")
        kind = data[offset + 4 : offset + 8]
        if kind[:1].isupper() or kind in _KEPT:
            kept.append(data[offset:end])
        offset = end
    return b"".join(kept)


@contextlib.contextmanager
def without_pixel_limit() -> Iterator[None]:
    """Let Pillow open and decode images of any size. Its limit is one of the process, so threads wait for each other."""
    with _LIMIT:
        limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit
