"""Run in TensorFlow's environment: what models give, or which error. ``python predictions.py requests.json out``"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from segharness_tensorflow.foreign_model import build


def answer(number, request, out):
    try:
        model = build(**request["options"])
        [found] = model.predict([np.load(request["image"])])
    except Exception as error:  # noqa: BLE001  which errors there are is what is tested
        return {"error": f"{type(error).__name__}: {error}"}
    arrays = {key: getattr(found, key) for key in ("boxes", "scores", "labels", "masks")}
    np.savez(f"{out}/{number}.npz", **{key: value for key, value in arrays.items() if value is not None})
    return {"network_input": found.network_input, "names": len(model.categories)}


if __name__ == "__main__":
    requests = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps([answer(*entry, sys.argv[2]) for entry in enumerate(requests)]))
