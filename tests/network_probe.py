"""Measures what enters the backbone of a model that another environment builds; run by that environment's Python.

    python network_probe.py '{"module": "segharness_mmdet.foreign_model", "models": [{"config": ...}], "sizes": [[64, 96]]}'

Prints a JSON list: for every model, resolution and size what a hook of this file's own saw there, and what the plugin
says of it. The network is stopped before its backbone; with ``"whole": true`` it runs to its end, with the random weights
that training begins with: those of an empty network find thousands of objects, or boxes whose sides are negative.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from typing import Any

import numpy as np
import torch


class Stop(Exception):  # noqa: N818  no error: the network has gone far enough
    """Ends a prediction before the backbone."""


def measure(model: Any, image: Any, whole: bool) -> dict[str, Any]:
    """Return the tensor that enters the backbone for an image, and how far its content is from the image's pixels."""
    seen: dict[str, Any] = {}

    def note(part: Any, inputs: Any) -> None:
        tensor = inputs[0][0].float()
        seen["size"] = list(tensor.shape[-2:])
        rows, columns = min(image.shape[0], tensor.shape[1]), min(image.shape[1], tensor.shape[2])
        values = tensor[:, :rows, :columns].reshape(3, -1).double()
        best = 0.0  # normalised pixels are a straight line of the image's, in one of the two orders of channels
        for order in ((0, 1, 2), (2, 1, 0)):
            pixels = torch.from_numpy(np.ascontiguousarray(image[:rows, :columns, list(order)].transpose(2, 0, 1)))
            both = zip(values, pixels.reshape(3, -1).double())  # noqa: B905  Python 3.8
            best = max(best, min(float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in both))
        seen["correlation"] = best
        if not whole:
            raise Stop

    handle = model._network.backbone.register_forward_pre_hook(note)
    try:
        [found] = model.predict([image])
        seen["said"] = found.network_input
        seen["instances"] = len(found.scores)
    except Stop:
        watch = model._watch.take()
        seen["watched"] = None if watch is None else list(watch)
    finally:
        handle.remove()
    return seen


def main() -> None:
    """Measure every model at both resolutions."""
    warnings.simplefilter("ignore")
    given = json.loads(sys.argv[1])
    build = importlib.import_module(given["module"]).build
    answers = []
    for options in given["models"]:
        for resolution in given.get("resolutions", ["model", "original"]):
            answer: dict[str, Any] = {"config": options["config"], "resolution": resolution}
            try:
                model = build(weights="random", resolution=resolution, **options)
                if given.get("whole", False) and hasattr(model._network.backbone, "init_cfg"):
                    model._network.backbone.init_cfg = None  # its published weights, which would be fetched
                    model._network.init_weights()
                    for name, part in model._network.named_modules():
                        if name.endswith("fc_reg"):  # boxes stay their proposals, which lie in the image
                            torch.nn.init.zeros_(part.weight)
                            torch.nn.init.zeros_(part.bias)
                for height, width in given["sizes"]:
                    rng = np.random.default_rng(height * width)
                    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
                    answer[f"{height}x{width}"] = measure(model, image, given.get("whole", False))
                del model
            except Exception as error:  # noqa: BLE001  the caller reads what went wrong
                answer["error"] = f"{type(error).__name__}: {error}"
            answers.append(answer)
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
