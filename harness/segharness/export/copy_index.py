"""The index of the images of one condition of a copy: a line per image, appended once its file is complete."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segharness.digests import pixel_digest
from segharness.errors import ImageError
from segharness.export.image_files import encoded
from segharness.records import Condition
from segharness.store.atomic import write_atomic

if TYPE_CHECKING:
    from segharness.records import Image


class CopiedImages:
    """The images of one condition of a copy; images whose file is gone or differs from its line are dropped.

    Args:
        folder: of the copy.
        condition: whose images these are.
        names: file names by image id.

    Attributes:
        entries: the content of each line, by image id.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, condition: Condition, names: Mapping[int, str]) -> None:
        self._images, self._names = folder / condition.name, names
        self._file = folder / f"{condition.name}.jsonl"
        self.entries: dict[int, dict[str, Any]] = {}
        for line in self._file.read_bytes().splitlines() if self._file.exists() else ():
            if (entry := self._intact(line)) is not None:
                self.entries[entry["image_id"]] = entry
        self._rewrite()
        self._lines = self._file.open("a")
        self._lock = threading.Lock()

    def _intact(self, line: bytes) -> dict[str, Any] | None:
        """Return the entry of a line; None if the line is cut off, or its image file is not as it says."""
        try:
            entry: dict[str, Any] = json.loads(line)
            name = self._names[entry["image_id"]]
            data = (self._images / name).read_bytes()
        except (ValueError, KeyError, TypeError, OSError, RecursionError):
            return None
        intact = (
            type(entry["image_id"]) is int
            and entry.get("file") == name
            and entry.get("sha256") == hashlib.sha256(data).hexdigest()
        )
        return entry if intact else None

    def add(self, image_id: int, pixels: Image, drawn: str | None, kind: str) -> None:
        """Write an image, then its line; safe to call from several threads.

        Args:
            image_id: of the image.
            pixels: uint8 RGB (H, W, 3).
            drawn: what a mixture drew for it, or None.
            kind: the image format, ``png`` or ``webp``.

        Raises:
            ImageError: the format cannot hold the image.
            OSError: the disk is full or not writable.
        """
        try:
            data = encoded(pixels, kind)
        except (OSError, ValueError) as error:
            raise ImageError(f"{self._names[image_id]}: cannot be stored as {kind}: {error}") from error
        write_atomic(self._images / self._names[image_id], data, durable=False)
        entry = {
            "image_id": image_id,
            "file": self._names[image_id],
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "pixels": f"{pixel_digest(pixels):016x}",
            **({"drawn": drawn.split(",")} if drawn else {}),
        }
        with self._lock:
            self._lines.write(json.dumps(entry) + "\n")
            self._lines.flush()
            self.entries[image_id] = entry

    def close(self) -> None:
        """Close the index file."""
        self._lines.close()

    def finish(self) -> dict[str, Any]:
        """Sort the lines by image id; return the manifest's `images` (their number) and `index_sha256`."""
        self._rewrite()
        return {"images": len(self.entries), "index_sha256": hashlib.sha256(self._file.read_bytes()).hexdigest()}

    def _rewrite(self) -> None:
        lines = (json.dumps(self.entries[id]) + "\n" for id in sorted(self.entries))
        write_atomic(self._file, "".join(lines).encode())
