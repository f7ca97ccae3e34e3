"""A model that lives under another interpreter: ``python: PATH`` in a suite."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segharness.errors import CellError
from segharness.records import Instances
from segharness.runner import foreign_child

if TYPE_CHECKING:
    from segharness.records import Image


class ForeignModel:
    """A `Model` whose `predict` runs in a child process under another interpreter.

    Pixels and instances cross in two nameless files (in /dev/shm where there is one), which end with their last user.
    The child is started again
    when it died: its death costs the images it was given.

    Raises:
        CellError: the interpreter cannot be started, or the model's file raised while it was built.
    """

    categories: Sequence[str]

    def __init__(
        self, python: str, local: tuple[Path, str], options: Mapping[str, Any], weights: str | None, device: str
    ) -> None:
        self._python = python
        self._build = {
            "op": "build",
            "file": str(local[0]),
            "function": local[1],
            "options": dict(options),
            "weights": weights,
            "device": device,
        }
        memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
        self._pixels, self._instances = (tempfile.TemporaryFile(dir=memory) for _ in range(2))  # noqa: SIM115
        self._child: subprocess.Popen[str] | None = None
        self._start()

    def _start(self) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        try:
            self._child = subprocess.Popen(
                [self._python, "-u", foreign_child.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
                pass_fds=(self._pixels.fileno(), self._instances.fileno()),
            )
        except OSError as error:
            raise CellError(f"python: {self._python}: {error.strerror}") from error
        try:
            built = self._ask(self._build)
            self.categories = built["categories"]
            if built.get("prompt") is not None:
                self.prompt = built["prompt"]
        except CellError:
            self._end()
            raise

    def _ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        child = self._child
        assert child is not None and child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(json.dumps(message) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._child = None
            raise CellError(
                f"the model's process under {self._python} ended with exit code {child.wait()}; see the log"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise CellError(f"under {self._python}: {answer['error']}")
        return answer

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        if self._child is None:
            self._start()
        places, at = [], 0
        self._pixels.seek(0)
        for image in images:
            self._pixels.write(np.ascontiguousarray(image).data)
            places.append([at, image.shape[0], image.shape[1]])
            at += image.nbytes
        self._pixels.flush()
        files = {"pixels": self._pixels.fileno(), "instances": self._instances.fileno()}
        given = None if prompts is None else [np.asarray(values).tolist() for values in prompts]
        described = self._ask({"op": "predict", "images": places, "prompts": given, **files})["instances"]
        self._instances.seek(0)
        memory = np.frombuffer(self._instances.read(), dtype=np.uint8)
        return [_instances(memory, entry) for entry in described]

    def close(self) -> None:
        """End the child process."""
        self._end()
        self._pixels.close()
        self._instances.close()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.close()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            child.stdout.close()


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
