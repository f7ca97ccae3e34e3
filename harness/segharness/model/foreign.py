"""A model under a foreign interpreter: ``python: PATH`` in a suite."""

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


_MINIMUM_FREE = 2**30
"""/dev/shm is used if it has more free bytes than this."""


class ForeignModel:
    """A `Model` whose `predict` runs in a child process under a foreign interpreter.

    Pixels and instances are passed in two files without a name, in /dev/shm if it has space. Both processes map the
    files, which vanish with their last user. The arrays that `predict` returns are views of such a file. Their memory
    is used again when no array refers to it any more.

    Args:
        python: the interpreter.
        local: a file, and the name of a function in it that makes the model.
        options: the options for that function.
        given: further arguments, of which that function gets those that it has parameters for: ``device``, ``weights``,
            ``resolution``.
        packages: packages of this environment that the file may import: their names and folders.

    Raises:
        CellError: the interpreter cannot be started or is unsuitable, or the model's code raised.
        MemoryError: memory did not suffice to make the model.
    """

    categories: Sequence[str]
    """The names of the model's labels."""

    facts: Mapping[str, Any]
    """What only the loaded network knows."""

    def __init__(
        self,
        python: str,
        local: tuple[Path, str],
        options: Mapping[str, Any],
        given: Mapping[str, str | None],
        packages: Mapping[str, str] | None = None,
    ) -> None:
        self._python = python
        self._requests = 0
        folder = _memory_folder()
        self._pixels, self._instances = Pixels(folder), Regions(folder)
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
            built = self._request(
                {
                    "op": "build",
                    "file": str(local[0]),
                    "function": local[1],
                    "options": dict(options),
                    "given": dict(given),
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
        self.facts = built["facts"]
        if built.get("prompt") is not None:
            self.prompt = built["prompt"]

    def _request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        child = self._child
        assert child.stdin is not None and child.stdout is not None
        self._requests += 1
        try:
            child.stdin.write(json.dumps({**message, "number": self._requests}) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            how = exit_text(child.wait())
            raise LostError(f"the model's process under {self._python} ended with {how}")
        try:
            answer: dict[str, Any] = json.loads(line)
            matches = answer["number"] == self._requests
        except (ValueError, KeyError, TypeError, IndexError):
            matches = False
        if not matches:  # the model wrote to the descriptors of these messages: no later line can be trusted
            raise LostError(f"the model's process under {self._python} answered {line.strip()!r:.60}")
        if "memory" in answer:
            raise MemoryError(answer["memory"])
        if "error" in answer:
            raise CellError(f"under {self._python}: {answer['error']}")
        return answer

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return the model's instances for each image; see `segharness.records.Model`.

        Raises:
            CellError: the model raised.
            LostError: the child process ended or answered nonsense; a new worker may succeed.
            MemoryError: memory did not suffice in the child process.
        """
        locations = self._pixels.put(images)
        values = None if prompts is None else [np.asarray(image_prompts).tolist() for image_prompts in prompts]
        answer = self._request(
            {"op": "predict", "images": locations, "prompts": values, "free": self._instances.free()}
        )
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
    """Return this process's environment variables without those that let a foreign interpreter import our modules."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def _memory_folder() -> Path | None:
    """Return /dev/shm if it has enough space, else None for the default folder. In containers it is often small."""
    try:
        status = os.statvfs("/dev/shm")
    except OSError:
        return None
    free = status.f_bavail * status.f_frsize
    return Path("/dev/shm") if free > _MINIMUM_FREE and os.access("/dev/shm", os.W_OK) else None


class Pixels:
    """A file in which this process puts images for the child process. It only grows.

    Args:
        folder: where to make the file; None for the default temporary folder.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._memory: Any = np.zeros(0, dtype=np.uint8)

    @property
    def handle(self) -> int:
        """The file descriptor, which the child process inherits."""
        return self._file.fileno()

    def put(self, images: Sequence[Image]) -> list[list[int]]:
        """Write images one after another; return the offset, height and width of each."""
        size = sum(image.nbytes for image in images)
        if size > len(self._memory):
            os.posix_fallocate(self.handle, 0, size)
            self._memory = np.frombuffer(mmap.mmap(self.handle, size), dtype=np.uint8)
        locations, offset = [], 0
        for image in images:
            self._memory[offset : offset + image.nbytes].reshape(image.shape)[...] = image
            locations.append([offset, image.shape[0], image.shape[1]])
            offset += image.nbytes
        return locations

    def close(self) -> None:
        """Close the file. The mapping ends with the last array that refers to it."""
        self._file.close()


class Regions:
    """A file in which the child process puts instances. Its regions are in use while an array refers to them.

    Args:
        folder: where to make the file; None for the default temporary folder.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._maps: dict[int, mmap.mmap] = {}
        self._free: set[int] = set()

    @property
    def handle(self) -> int:
        """The file descriptor, which the child process inherits."""
        return self._file.fileno()

    def free(self) -> list[int]:
        """Return the offsets of the regions that no array refers to."""
        return sorted(self._free)

    def use(self, at: int, size: int) -> Any:
        """Return the bytes of a region, uint8 (size,). The region is free when the last array made of them is gone."""
        if at not in self._maps:
            self._maps[at] = mmap.mmap(self.handle, size, offset=at)
        self._free.discard(at)
        memory = np.frombuffer(self._maps[at], dtype=np.uint8)
        weakref.finalize(memory, self._free.add, at)
        return memory

    def close(self) -> None:
        """Close the file. Mapped regions stay until their arrays are gone."""
        self._file.close()


def _instances(memory: Any, entry: Mapping[str, Any]) -> Instances:
    def array(location: Any) -> Any:
        offset, dtype, shape = location
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return memory[offset : offset + size].view(dtype).reshape(shape)

    masks = entry["rles"] if "rles" in entry else None if entry["masks"] is None else array(entry["masks"])
    boxes, scores, labels = (
        None if entry[name] is None else array(entry[name]) for name in ("boxes", "scores", "labels")
    )
    given = entry.get("network_input")
    return Instances(boxes, scores, labels, masks, None if given is None else tuple(given))
