"""Facts of models of this plugin at both resolutions; tests run it in the environment of the authors' code."""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
import utils  # the module of that name beside this script
from segharness_yolact.foreign_model import build


def main(given):
    def model(resolution, config="yolact_resnet50_config"):
        settings = {"nms_conf_thresh": 0.0, "max_num_detections": 10, "nms_top_k": 20, **given.get("settings", {})}
        return build(config, "random", given["source"], 3, overrides=settings, resolution=resolution)

    answer = {}
    plus = model("original", "yolact_plus_resnet50_config")
    published, original = model("model"), model("original")
    rng = np.random.default_rng(1)
    square = rng.integers(0, 256, (550, 550, 3), dtype=np.uint8)
    [one], [other] = published.predict([square]), original.predict([square])
    answer["equal at 550"] = bool(
        np.array_equal(one.scores, other.scores) and np.array_equal(one.boxes, other.boxes) and one.masks == other.masks
    )
    answer["found at 550"] = len(one.scores)
    height, width = 96, 160
    wide = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    for name, each in (("model", published), ("original", original), ("plus", plus)):
        [found] = each.predict([wide])
        answer[f"{name} boxes"], answer[f"{name} sizes"] = found.boxes.tolist(), [m["size"] for m in found.masks]
        across, down = (width, height) if name != "plus" else (249, 249)
        if name == "model":
            across, down = 550, 550
        layer = each._network.prediction_layers[0]
        rows, columns = -(-down // 8), -(-across // 8)
        sides = layer.make_priors(rows, columns, torch.device("cpu")) * torch.tensor([across, down, across, down])
        answer[f"{name} anchors"] = sorted({(round(w, 2), round(h, 2)) for w, h in sides[:, 2:].tolist()})
    answer["modules"] = sorted(set(sys.modules) & {"yolact", "backbone", "data", "layers", "dcn_v2"})
    answer["utils"] = utils.MINE and sys.modules["utils"] is utils
    answer["path"] = given["source"] in sys.path
    answer["jit"] = torch.jit.script.__name__
    print(json.dumps(answer))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
