"""What enters torchvision's networks, measured by a hook of the test's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segharness import UsageError
from segharness_torchvision.model import make

SMALL = {"min_size": 96, "max_size": 160}


@pytest.mark.parametrize(("height", "width"), [(60, 90), (64, 128), (65, 33)])
@pytest.mark.parametrize("resolution", ["model", "original"])
def test_what_enters_the_network_is_recorded_and_original_is_the_image_itself(resolution, height, width):
    model = make(
        "maskrcnn_resnet50_fpn", "random", resolution=resolution, **({} if resolution == "original" else SMALL)
    )
    entered = []
    model._network.backbone.register_forward_pre_hook(lambda part, inputs: entered.append(inputs[0][0].clone()))
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    [found] = model.predict([image])
    [tensor] = entered
    rows, columns, how, padding = found.network_input
    assert (rows, columns) == tuple(tensor.shape[-2:]) and rows % 32 == columns % 32 == 0
    content = (rows - padding[1], columns - padding[3])
    if resolution == "original":
        assert (content, how) == ((height, width), "none")
        transform = model._network.transform
        mean, std = (torch.tensor(values)[:, None, None] for values in (transform.image_mean, transform.image_std))
        pixels = torch.from_numpy(image.transpose(2, 0, 1).copy()).float() / 255
        assert torch.equal(tensor[:, :height, :width], (pixels - mean) / std)
        assert float(tensor[:, height:].abs().sum() + tensor[:, :, width:].abs().sum()) == 0
    else:
        assert how == "bilinear" and (min(content) == 96 or max(content) == 160)
    batch = model.predict([image, image[: height // 2]])
    sizes = [one.network_input[:2] for one in batch]
    assert sizes[0] == sizes[1] and batch[0].network_input[3] != batch[1].network_input[3]


def test_sides_that_images_are_scaled_to_do_not_go_with_original():
    with pytest.raises(UsageError, match="`resolution: original` says not to"):
        make("maskrcnn_resnet50_fpn", "random", resolution="original", min_size=96)
