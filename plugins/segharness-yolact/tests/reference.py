"""What the authors' own evaluation gives; needs their checkout and torchvision, and nothing of segharness.

    python reference.py '{"source": ..., "config": ..., "settings": {...}, "images": [...], "seed": 5, "weights": PATH}'

Prints, for every image, what their eval.py writes into its two files for COCO, and how far the two ways in which they
prepare images are from each other. Saves the weights to PATH, together with some that old files of theirs have.
"""

from __future__ import annotations

import json
import sys
import types

import cv2
import numpy as np
import torch
from torchvision.ops import DeformConv2d


class DCN(DeformConv2d):
    """Their deformable convolution on a CPU: offsets and mask are thirds of another convolution."""

    def __init__(self, inputs, outputs, kernel_size, stride, padding, dilation=1, deformable_groups=1):
        super().__init__(inputs, outputs, kernel_size, stride, padding, dilation)
        channels = deformable_groups * 3 * kernel_size * kernel_size
        self.conv_offset_mask = torch.nn.Conv2d(inputs, channels, kernel_size, stride, padding)

    def forward(self, features):
        first, second, mask = torch.chunk(self.conv_offset_mask(features), 3, dim=1)
        return super().forward(features, torch.cat((first, second), dim=1), torch.sigmoid(mask))


def make_lively(net, image):
    """Draw weights that give activations of a usual size, so that taps move and masks and scores differ."""
    for name, value in net.named_parameters():
        if value.ndim == 4:
            torch.nn.init.kaiming_normal_(value.data).mul_(0.1 if "bbox_layer" in name or "conf_layer" in name else 1)
        if "conv_offset_mask.bias" in name:
            torch.nn.init.uniform_(value.data, -1.5, 1.5)
        if name.startswith("maskiou_net"):  # its outputs are rectified
            value.data.abs_().mul_(0.2)
    for part in net.backbone.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.train()
            part.momentum = 1.0
    with torch.no_grad():
        net.backbone(torch.from_numpy(image).permute(2, 0, 1)[None, :, ::2, ::2].float() / 128 - 1)
    net.eval()


def main(given):
    sys.path.insert(0, given["source"])
    sys.modules["dcn_v2"] = types.SimpleNamespace(DCN=DCN)
    torch.cuda.current_device = lambda: 0
    torch.Tensor.cuda = lambda self: self
    torch.set_num_threads(1)
    import eval as evaluation
    from data import cfg, set_cfg
    from utils.augmentations import BaseTransform, FastBaseTransform

    evaluation.parse_args(["--output_coco_json"])
    set_cfg(given["config"])
    cfg.replace(given["settings"])
    cfg.mask_proto_debug = False
    torch.manual_seed(given["seed"])
    net = evaluation.Yolact()
    net.eval()
    net.detect.use_fast_nms = evaluation.args.fast_nms
    net.detect.use_cross_class_nms = evaluation.args.cross_class_nms
    if given["weights"]:
        make_lively(net, cv2.imread(given["images"][0]))
        old = {"backbone.layer1.0.conv1.weight": torch.zeros(2), "fpn.downsample_layers.2.weight": torch.zeros(2)}
        torch.save({**net.state_dict(), **old}, given["weights"])
    evaluation.prep_coco_cats()
    answers = []
    for file in given["images"]:
        image = cv2.imread(file)
        height, width = image.shape[:2]
        fast = FastBaseTransform()(torch.from_numpy(image).float().unsqueeze(0))
        dummies = np.zeros((1, height, width)), np.array([[0, 0, 1, 1]]), {"num_crowds": 0, "labels": np.array([0])}
        slow = torch.from_numpy(BaseTransform()(image, *dummies)[0]).permute(2, 0, 1)
        detections = evaluation.Detections()
        with torch.no_grad():
            found = net(fast)
        evaluation.prep_metrics(None, found, None, None, None, height, width, 0, 1, detections)
        labels = [evaluation.get_transformed_cat(each["category_id"]) for each in detections.mask_data]
        answers.append(
            {
                "labels": labels,
                "boxes": [each["bbox"] for each in detections.bbox_data],
                "box scores": [each["score"] for each in detections.bbox_data],
                "scores": [each["score"] for each in detections.mask_data],
                "masks": [each["segmentation"]["counts"] for each in detections.mask_data],
                "transforms differ by": float((fast[0] - slow).abs().max()),
            }
        )
    print(json.dumps(answers))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
