"""Serves one model to a segharness worker from another environment. Needs numpy and Python 3.8, nothing else.

Started as ``python foreign_child.py``; speaks JSON lines over its first stdin and stdout, and passes pixels and instances
through two files that the worker opened and this process inherits. What the model prints goes to stderr.
"""

import importlib.util
import inspect
import json
import os
import sys
import traceback

import numpy as np


def build(message):
    path = message["file"]
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


def read_images(handle, places):
    with os.fdopen(os.dup(handle), "rb") as file:
        memory = np.memmap(file, dtype=np.uint8, mode="r")
    return [np.array(memory[at : at + h * w * 3]).reshape(h, w, 3) for at, h, w in places]


def write_instances(handle, found):
    """Lay the arrays of all instances behind one another in a file; return where each is."""
    chunks, described, at = [], [], 0

    def put(array):
        nonlocal at
        array = np.ascontiguousarray(array)
        place = [at, str(array.dtype), list(array.shape)]
        chunks.append(array)
        at += array.nbytes
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
                    "size": list(m["size"]),
                    "counts": m["counts"] if isinstance(m["counts"], str) else m["counts"].decode(),
                }
                for m in masks
            ]
        described.append(entry)
    with os.fdopen(os.dup(handle), "r+b") as file:
        file.truncate(max(at, 1))
        file.seek(0)
        for array in chunks:
            file.write(array.data)
    return described


def main():
    if sys.path and os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(__file__)):  # noqa: PTH120
        del sys.path[0]  # our own folder: its modules must not be found under the model's names
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    model = None
    for line in requests:
        message = json.loads(line)
        try:
            if message["op"] == "build":
                model = build(message)
                answer = {"categories": list(model.categories), "prompt": getattr(model, "prompt", None)}
            else:
                images = read_images(message["pixels"], message["images"])
                given = message["prompts"]
                if given is None:
                    found = model.predict(images)
                else:
                    found = model.predict(images, prompts=[np.array(values, dtype=np.float32) for values in given])
                answer = {"instances": write_instances(message["instances"], found)}
        except Exception as error:  # noqa: BLE001  told to the worker, which names model and image
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
