"""Serves a model under a foreign interpreter to a segharness worker. Needs only Python 3.8 and numpy.

The worker starts it as ``python foreign_child.py``. It reads requests and writes answers as JSON lines over its
original stdin and stdout. Pixels and instances are passed in two files that the worker opened and this process
inherits. Output of the model goes to stderr.
"""

import gc
import importlib.machinery
import importlib.util
import inspect
import json
import mmap
import os
import queue
import signal
import sys
import threading
import traceback
import types

import numpy as np


class TextLoader(importlib.machinery.SourceFileLoader):
    """Compiles a file's text at every import: bytecode of another text may have its size and second."""

    def get_code(self, fullname):
        return self.source_to_code(self.get_data(self.path), self.path)


def build(message):
    """Make the model that a ``build`` request describes."""
    path = message["file"]
    for name, folder in message["packages"].items():
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package
    sys.path.insert(0, os.path.dirname(path))  # noqa: PTH120  this file also runs on old Pythons
    name = "segharness_foreign_model"
    spec = importlib.util.spec_from_file_location(name, path, loader=TextLoader(name, path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    factory = getattr(module, message["function"])
    parameters = inspect.signature(factory).parameters
    options = dict(message["options"])
    takes_anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    given = {key: value for key, value in message["given"].items() if value is not None}
    for key, value in given.items():
        if (key in parameters or takes_anything) and key not in options:
            options[key] = value
        elif key != "device" and key not in options:
            raise TypeError(f"the suite gives `{key}`, but the model's factory has no parameter of that name")
    return factory(**options)


class Images:
    """Reads the images that the worker wrote to the file of pixels."""

    def __init__(self, handle):
        self.handle = handle
        self.memory = np.zeros(0, dtype=np.uint8)

    def read(self, places):
        """Return copies of the images at `places`, a list of (offset, height, width)."""
        size = max(offset + h * w * 3 for offset, h, w in places)
        if size > len(self.memory):
            self.memory = np.frombuffer(mmap.mmap(self.handle, size), dtype=np.uint8)
        return [np.array(self.memory[offset : offset + h * w * 3]).reshape(h, w, 3) for offset, h, w in places]


class Regions:
    """Regions of the file of instances. The worker tells which of them are free again."""

    def __init__(self, handle):
        self.handle = handle
        self.maps = {}
        self.end = 0

    def take(self, size, free):
        """Return the offset and the bytes of a region of at least `size` bytes.

        `free` holds the offsets of the regions that may be used again.
        """
        fitting = [offset for offset in free if len(self.maps[offset]) >= size]
        if fitting:
            offset = min(fitting, key=lambda begin: len(self.maps[begin]))
        else:
            offset, page = self.end, mmap.ALLOCATIONGRANULARITY
            size = max(page, 1 << (size - 1).bit_length())  # a power of two, so that other sizes can use it too
            self.end += -(-size // page) * page
            os.posix_fallocate(self.handle, offset, self.end - offset)  # raises if the disk is full; a write would kill
            self.maps[offset] = mmap.mmap(self.handle, size, offset=offset)
        return offset, np.frombuffer(self.maps[offset], dtype=np.uint8)


def write_instances(regions, free, results):
    """Write the arrays of the instances in `results` one after another to a region.

    Returns:
        The answer: the region, and for every instances object the location, dtype and shape of each array in it.
    """
    chunks, entries, end = [], [], 0

    def put(array):
        nonlocal end
        array = np.ascontiguousarray(array)
        location = [end, str(array.dtype), list(array.shape)]
        chunks.append((end, array))
        end += -(-array.nbytes // 16) * 16
        return location

    for instances in results:
        entry = {}
        for name in ("boxes", "scores", "labels"):
            values = getattr(instances, name, None)
            entry[name] = None if values is None else put(np.asarray(values))
        given = getattr(instances, "network_input", None)
        if given is not None:
            height, width, interpolation, padding = given
            entry["network_input"] = [int(height), int(width), str(interpolation), [int(side) for side in padding]]
        masks = getattr(instances, "masks", None)
        if masks is None:
            entry["masks"] = None
        elif hasattr(masks, "__array__"):
            entry["masks"] = put(np.asarray(masks))
        else:
            entry["rles"] = [
                {
                    "size": [int(side) for side in mask["size"]],
                    "counts": mask["counts"] if isinstance(mask["counts"], str) else mask["counts"].decode(),
                }
                for mask in masks
            ]
        entries.append(entry)
    begin, memory = regions.take(max(end, 1), free)
    for offset, array in chunks:
        memory[offset : offset + array.nbytes].view(array.dtype).reshape(array.shape)[...] = array
    return {"instances": entries, "region": [begin, len(memory)]}


def json_facts(model):
    """Return what a model says of itself, as far as JSON can; nothing if its attribute is no mapping or raises."""
    try:
        facts = dict(getattr(model, "facts", None) or {})
    except Exception:  # noqa: BLE001  predictions do not depend on it
        traceback.print_exc()
        return {}
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in facts.items()}
    return {
        key: value
        for key, value in plain.items()
        if isinstance(key, str) and isinstance(value, (str, bool, int, float))
    }


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory did not suffice. The errors of frameworks share no type."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    phrases = ("out of memory", "can't allocate memory", "not enough memory", "cublas_status_alloc_failed")
    return any(phrase in text for phrase in phrases)


def release_memory() -> None:
    """Collect garbage and release the memory that torch caches."""
    gc.collect()
    torch = sys.modules.get("torch")  # imported only if the model uses it
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def read_requests(requests):
    """Yield the worker's requests. End the process at once when the worker is gone, even if the model is busy."""
    lines = queue.Queue()

    def read():
        for line in requests:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield lines.get()


def main():
    """Serve requests until the worker closes their stream."""
    if sys.path and os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(__file__)):  # noqa: PTH120
        del sys.path[0]  # this folder: the model must not import modules from it by accident
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker handles Ctrl-C; this ends with the requests
    model = images = regions = None
    for line in read_requests(requests):
        message = json.loads(line)
        try:
            if message["op"] == "build":
                images, regions = Images(message["pixels"]), Regions(message["instances"])
                model = build(message)
                answer = {"categories": list(model.categories), "prompt": getattr(model, "prompt", None)}
                answer["facts"] = json_facts(model)
            else:
                pixels = images.read(message["images"])
                if message["prompts"] is None:
                    results = model.predict(pixels)
                else:
                    prompts = [np.array(values, dtype=np.float32) for values in message["prompts"]]
                    results = model.predict(pixels, prompts=prompts)
                answer = write_instances(regions, message["free"], results)
            answer = json.dumps(dict(answer, number=message["number"]))
        except Exception as error:  # noqa: BLE001  the worker reports it with model and image
            traceback.print_exc()
            kind = "memory" if is_out_of_memory(error) else "error"
            if kind == "memory":
                release_memory()
            answer = json.dumps({kind: f"{type(error).__name__}: {error}", "number": message["number"]})
        answers.write(answer + "\n")


if __name__ == "__main__":
    main()
