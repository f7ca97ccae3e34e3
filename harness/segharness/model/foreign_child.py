"""Serves one model to a segharness worker from another environment. Needs numpy and Python 3.8, nothing else.

Started as ``python foreign_child.py``; speaks JSON lines over its first stdin and stdout, and passes pixels and instances
through two files that the worker opened and this process inherits. What the model prints goes to stderr.
"""

import gc
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


def build(message):
    path = message["file"]
    for name, folder in message["packages"].items():
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package
    sys.path.insert(0, os.path.dirname(path))  # noqa: PTH120  this file also runs on old Pythons
    spec = importlib.util.spec_from_file_location("segharness_foreign_model", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    factory = getattr(module, message["function"])
    parameters = inspect.signature(factory).parameters
    options = dict(message["options"])
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key in ("device", "weights"):
        if message[key] is not None and (key in parameters or anything) and key not in options:
            options[key] = message[key]
    if message["weights"] is not None and "weights" not in options:
        raise TypeError("the suite gives `weights`, but the model's factory has no parameter of that name")
    return factory(**options)


class Images:
    """What the worker laid into the file of pixels."""

    def __init__(self, handle):
        self.handle = handle
        self.memory = np.zeros(0, dtype=np.uint8)

    def read(self, places):
        size = max(at + h * w * 3 for at, h, w in places)
        if size > len(self.memory):
            self.memory = np.frombuffer(mmap.mmap(self.handle, size), dtype=np.uint8)
        return [np.array(self.memory[at : at + h * w * 3]).reshape(h, w, 3) for at, h, w in places]


class Regions:
    """Parts of the file of instances; the worker says which of them nobody looks at any more."""

    def __init__(self, handle):
        self.handle = handle
        self.maps = {}
        self.end = 0

    def take(self, size, free):
        """Return where a region of at least `size` bytes begins, and its bytes."""
        fitting = [at for at in free if len(self.maps[at]) >= size]
        if fitting:
            at = min(fitting, key=lambda place: len(self.maps[place]))
        else:
            at, page = self.end, mmap.ALLOCATIONGRANULARITY
            size = max(page, 1 << (size - 1).bit_length())  # powers of two, so that they serve others too
            self.end += -(-size // page) * page
            os.posix_fallocate(self.handle, at, self.end - at)  # where there is no room: an error, not a signal
            self.maps[at] = mmap.mmap(self.handle, size, offset=at)
        return at, np.frombuffer(self.maps[at], dtype=np.uint8)


def write_instances(regions, free, found):
    """Lay the arrays of all instances behind one another in a region; return the region, and where in it each is."""
    chunks, described, at = [], [], 0

    def put(array):
        nonlocal at
        array = np.ascontiguousarray(array)
        place = [at, str(array.dtype), list(array.shape)]
        chunks.append((at, array))
        at += -(-array.nbytes // 16) * 16
        return place

    for instances in found:
        entry = {}
        for name in ("boxes", "scores", "labels"):
            values = getattr(instances, name, None)
            entry[name] = None if values is None else put(np.asarray(values))
        masks = getattr(instances, "masks", None)
        if masks is None:
            entry["masks"] = None
        elif hasattr(masks, "__array__"):
            entry["masks"] = put(np.asarray(masks))
        else:
            entry["rles"] = [
                {
                    "size": [int(n) for n in m["size"]],
                    "counts": m["counts"] if isinstance(m["counts"], str) else m["counts"].decode(),
                }
                for m in masks
            ]
        described.append(entry)
    begin, memory = regions.take(max(at, 1), free)
    for place, array in chunks:
        memory[place : place + array.nbytes].view(array.dtype).reshape(array.shape)[...] = array
    return {"instances": described, "region": [begin, len(memory)]}


def is_out_of_memory(error):
    """Return whether memory did not suffice; frees what a framework keeps of it."""
    text = str(error).lower()
    said = any(words in text for words in ("out of memory", "can't allocate memory", "not enough memory"))
    if not (isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or said):
        return False
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return True


def lines_of(requests):
    """Yield the worker's requests; end the process at once when the worker is gone, whatever the model does."""
    waiting = queue.Queue()

    def read():
        for line in requests:
            waiting.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield waiting.get()


def main():
    if sys.path and os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(__file__)):  # noqa: PTH120
        del sys.path[0]  # our own folder: its modules must not be found under the model's names
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to handle; the end of its requests ends this
    model = images = regions = None
    for line in lines_of(requests):
        message = json.loads(line)
        try:
            if message["op"] == "build":
                images, regions = Images(message["pixels"]), Regions(message["instances"])
                model = build(message)
                answer = {"categories": list(model.categories), "prompt": getattr(model, "prompt", None)}
            else:
                pixels = images.read(message["images"])
                given = message["prompts"]
                if given is None:
                    found = model.predict(pixels)
                else:
                    found = model.predict(pixels, prompts=[np.array(values, dtype=np.float32) for values in given])
                answer = write_instances(regions, message["free"], found)
            answer = json.dumps(dict(answer, number=message["number"]))
        except Exception as error:  # noqa: BLE001  told to the worker, which names model and image
            traceback.print_exc()
            kind = "memory" if is_out_of_memory(error) else "error"
            answer = json.dumps({kind: f"{type(error).__name__}: {error}", "number": message["number"]})
        answers.write(answer + "\n")


if __name__ == "__main__":
    main()
