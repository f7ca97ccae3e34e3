"""A model that lives under another interpreter: ``python: PATH`` in a suite."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import subprocess
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segharness.errors import CellError, LostError, exit_text
from segharness.model import foreign_child
from segharness.records import Instances

if TYPE_CHECKING:
    from segharness.records import Image


_ROOM = 2**30
"""Bytes that /dev/shm must have free to be used."""


class ForeignModel:
    """A `Model` whose `predict` runs in a child process under another interpreter.

    Pixels and instances cross in two nameless files that both map (in /dev/shm where there is one), which end with their
    last user. What `predict` returns lies in there; its place is used again when nobody looks at it any more.

    Args:
        python: the interpreter.
        local: a file, and the function in it that makes the model.
        options, weights, device: for that function.
        packages: names of packages of ours that the file may import, and where they lie.

    Raises:
        CellError: the interpreter cannot be started, or the model's file raised while it was built.
        LostError: the child ended; a fresh worker may have more luck.
    """

    categories: Sequence[str]

    def __init__(
        self,
        python: str,
        local: tuple[Path, str],
        options: Mapping[str, Any],
        weights: str | None,
        device: str,
        packages: Mapping[str, str] | None = None,
    ) -> None:
        self._python = python
        self._asked = 0
        memory = _memory()
        self._pixels, self._instances = Pixels(memory), Regions(memory)
        try:
            self._child = subprocess.Popen(
                [python, "-u", foreign_child.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",
                env=child_environment(),
                pass_fds=(self._pixels.handle, self._instances.handle),
            )
        except OSError as error:
            raise CellError(f"python: {python}: {error.strerror}") from error
        try:
            built = self._ask(
                {
                    "op": "build",
                    "file": str(local[0]),
                    "function": local[1],
                    "options": dict(options),
                    "weights": weights,
                    "device": device,
                    "packages": dict(packages or {}),
                    "pixels": self._pixels.handle,
                    "instances": self._instances.handle,
                }
            )
        except LostError as error:
            self.close()
            raise CellError(f"python: {python}: {error}; it must be Python 3.8 or newer, with numpy") from error
        except BaseException:
            self.close()
            raise
        self.categories = built["categories"]
        if built.get("prompt") is not None:
            self.prompt = built["prompt"]

    def _ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        child = self._child
        assert child.stdin is not None and child.stdout is not None
        self._asked += 1
        try:
            child.stdin.write(json.dumps({**message, "number": self._asked}) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            how = exit_text(child.wait())
            raise LostError(f"the model's process under {self._python} ended with {how}")
        try:
            answer: dict[str, Any] = json.loads(line)
            fits = answer["number"] == self._asked
        except (ValueError, KeyError, TypeError, IndexError):
            fits = False
        if not fits:  # the model wrote into the descriptors of these messages: nothing that comes can be believed
            raise LostError(f"the model's process under {self._python} answered {line.strip()!r:.60}")
        if "memory" in answer:
            raise MemoryError(answer["memory"])
        if "error" in answer:
            raise CellError(f"under {self._python}: {answer['error']}")
        return answer

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        places = self._pixels.put(images)
        given = None if prompts is None else [np.asarray(values).tolist() for values in prompts]
        answer = self._ask({"op": "predict", "images": places, "prompts": given, "free": self._instances.free()})
        memory = self._instances.use(*answer["region"])
        return [_instances(memory, entry) for entry in answer["instances"]]

    def close(self) -> None:
        """End the child process."""
        child = self._child
        assert child.stdin is not None and child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()
        self._pixels.close()
        self._instances.close()


def child_environment() -> dict[str, str]:
    """Return this process's environment variables, without those that lead another interpreter to our modules."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


def _memory() -> Path | None:
    """Return a folder in memory that has room; None for the usual one, on disk. Containers often have little."""
    try:
        found = os.statvfs("/dev/shm")
    except OSError:
        return None
    room = found.f_bavail * found.f_frsize
    return Path("/dev/shm") if room > _ROOM and os.access("/dev/shm", os.W_OK) else None


class Pixels:
    """Where this process lays images for the other; it only grows."""

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._memory: Any = np.zeros(0, dtype=np.uint8)

    @property
    def handle(self) -> int:
        return self._file.fileno()

    def put(self, images: Sequence[Image]) -> list[list[int]]:
        """Lay images behind one another; return where each begins, its height and its width."""
        size = sum(image.nbytes for image in images)
        if size > len(self._memory):
            os.posix_fallocate(self.handle, 0, size)
            self._memory = np.frombuffer(mmap.mmap(self.handle, size), dtype=np.uint8)
        places, at = [], 0
        for image in images:
            self._memory[at : at + image.nbytes].reshape(image.shape)[...] = image
            places.append([at, image.shape[0], image.shape[1]])
            at += image.nbytes
        return places

    def close(self) -> None:
        self._file.close()  # the map ends with the last array that looks into it


class Regions:
    """Where the other process lays what it found: parts of a file, each in use while an array looks into it."""

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._maps: dict[int, mmap.mmap] = {}
        self._free: set[int] = set()

    @property
    def handle(self) -> int:
        return self._file.fileno()

    def free(self) -> list[int]:
        """Return where the regions begin that nobody looks at."""
        return sorted(self._free)

    def use(self, at: int, size: int) -> Any:
        """Return a region's bytes, uint8 (size,); it is free again when the last array made from them is gone."""
        if at not in self._maps:
            self._maps[at] = mmap.mmap(self.handle, size, offset=at)
        self._free.discard(at)
        memory = np.frombuffer(self._maps[at], dtype=np.uint8)
        weakref.finalize(memory, self._free.add, at)
        return memory

    def close(self) -> None:
        self._file.close()


def _instances(memory: Any, entry: Mapping[str, Any]) -> Instances:
    def array(place: Any) -> Any:
        at, dtype, shape = place
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return memory[at : at + count].view(dtype).reshape(shape)

    masks = entry["rles"] if "rles" in entry else None if entry["masks"] is None else array(entry["masks"])
    boxes, scores, labels = (
        None if entry[name] is None else array(entry[name]) for name in ("boxes", "scores", "labels")
    )
    return Instances(boxes, scores, labels, masks)
