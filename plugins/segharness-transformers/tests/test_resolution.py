"""What enters networks of every family, measured by a hook of the test's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segharness_transformers import promptable, segmenter
from segharness_transformers.plugin import segharness_models

ANY_SIZE = ("mask2former", "maskformer", "oneformer", "detr")


def entered(network):
    """Return the list that gets the first tensor with three channels that any part of the network is given."""
    seen = []

    def note(part, inputs, kwargs):
        tensors = [v for v in (*inputs, *kwargs.values()) if torch.is_tensor(v) and v.ndim == 4 and v.shape[1] == 3]
        if tensors and not seen:
            seen.append(tensors[0].clone())

    for part in network.modules():
        part.register_forward_pre_hook(note, with_kwargs=True)
    return seen


@pytest.mark.parametrize("kind", [*ANY_SIZE, "detr-boxes", "eomt"])
@pytest.mark.parametrize("shape", [(50, 90), (64, 64), (97, 61)])
def test_what_enters_is_what_is_recorded(saved, kind, shape):
    image = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for resolution in ("model", "original"):
        if resolution == "original" and kind == "eomt":
            continue  # its position embeddings are of one size: not declared
        model = segmenter.make(kind.split("-")[0], str(saved(kind)), resolution=resolution)
        seen = entered(model._network)
        [found] = model.predict([image])
        height, width, how, padding = found.network_input
        assert tuple(seen[0].shape[-2:]) == (height, width)
        content = (height - padding[1], width - padding[3])
        if resolution == "original":
            assert (content, how) == (shape, "none")
            pixels = image.transpose(2, 0, 1).reshape(3, -1).astype(float)
            values = seen[0][0, :, : shape[0], : shape[1]].reshape(3, -1).double().numpy()
            assert all(np.corrcoef(one, other)[0, 1] > 1 - 1e-9 for one, other in zip(pixels, values, strict=True))
        elif content != shape:
            assert how.endswith("-antialiased")
            used = seen[0][0, :, : content[0], : content[1]]
            assert float(used[:, -1].abs().sum()) > 0 and float(used[:, :, -1].abs().sum()) > 0


@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_what_enters_a_promptable_network_is_what_is_recorded(saved, kind):
    image = np.random.default_rng(1).integers(0, 256, (50, 90, 3), dtype=np.uint8)
    model = promptable.make(kind, str(saved(kind)))
    seen = entered(model._network)
    [found] = model.predict([image], prompts=[np.array([[3, 3, 40, 40]], np.float32)])
    height, width, how, padding = found.network_input
    assert tuple(seen[0].shape[-2:]) == (height, width) and how == "bilinear-antialiased"
    ratio = (width - padding[3]) / (height - padding[1])
    assert kind == "sam2" or abs(ratio - 90 / 50) < 0.05  # SAM 2 stretches images to a square


def test_what_has_position_embeddings_of_one_size_does_not_declare_the_other():
    able = {spec.name.rpartition("/")[2] for spec in segharness_models() if "original" in spec.resolutions}
    assert able == set(ANY_SIZE)
