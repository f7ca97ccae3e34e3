"""What is made of a SavedModel's outputs: of every form that the zoos have, and of what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

HEIGHT, WIDTH = 60, 80
BOX = (10, 20, 40, 60)
"""y1 x1 y2 x2 of the one object in pixels."""

FRACTIONS = np.float32(BOX) / np.float32([HEIGHT, WIDTH, HEIGHT, WIDTH])
TRUE = np.zeros((HEIGHT, WIDTH), dtype=bool)
TRUE[10:40, 20:60] = True
SCALE = np.float32([1.6, 1.6])


def zoo(boxes=FRACTIONS, classes=(3, 0), scores=(0.75, 0), count=1, dtype="float32", **more):
    """Return outputs like the Object Detection API's: one detection, and one that fills up."""
    outputs = {
        "detection_boxes": np.float32([[boxes, [0, 0, 0, 0]]]),
        "detection_classes": np.array([classes], dtype=dtype),
        "detection_scores": np.float32([scores]),
        "num_detections": np.array([count], dtype=dtype),
        "detection_masks": np.ones((1, 2, 15, 15), dtype=np.float32),
        **more,
    }
    return {name: value for name, value in outputs.items() if value is not None}


def garden(size=(128, 128), **more):
    """Return outputs like Model Garden's: the image was scaled by 1.6 to fit `size`."""
    info = np.float32([[[HEIGHT, WIDTH], size, SCALE, [0, 0]]])
    return zoo(**{"boxes": np.float32(BOX) * np.float32(1.6), "dtype": "int32", "image_info": info, **more})


WHOLE = np.stack([TRUE, ~TRUE])[None].astype(np.uint8)
LARGE = {"input_tensor": ("uint8", [1, 120, 200, 3])}
"""A signature of one size: images are scaled by two and get 40 columns of padding."""

IN_LARGE = np.float32(BOX) * 2 / np.float32([120, 200, 120, 200])
IN_LARGE_WHOLE = np.zeros((1, 2, 120, 200), dtype=np.uint8)
IN_LARGE_WHOLE[0, 0, 20:80, 40:120] = 1
NAN = np.float32([[0.75, np.nan]])

MODELS = {
    "zoo": (zoo(), {}),
    "version-1": (zoo(), {"version": 1, "inputs": {"inputs": ("uint8", [None, None, None, 3])}}),
    "whole": (zoo(detection_masks_reframed=WHOLE), {}),
    "boxes-only": (zoo(detection_masks=None), {}),
    "pixels": (zoo(boxes=BOX), {}),
    "garden": (garden(), {"inputs": {"inputs": ("uint8", [None, None, None, 3])}}),
    "garden-fractions": (garden(boxes=FRACTIONS), {}),
    "garden-padded-further": (garden(size=(160, 128)), {}),
    "garden-outer": (
        garden(boxes=np.float32(BOX) * 0.8, detection_outer_boxes=np.float32([[BOX, BOX]]) * SCALE[0]),
        {},
    ),
    "one-size": (zoo(boxes=IN_LARGE), {"inputs": LARGE}),
    "one-size-whole": (zoo(boxes=IN_LARGE, detection_masks_reframed=IN_LARGE_WHOLE), {"inputs": LARGE}),
    "float": (zoo(), {"inputs": {"input_tensor": ("float32", [None, None, None, 3])}}),
    "two-signatures": (zoo(), {"signatures": ["one", "other"]}),
    "no-count": (zoo(num_detections=None), {}),
    "no-signature": (zoo(), {"signatures": []}),
    "bytes": (zoo(), {"inputs": {"image_bytes": ("string", [None])}}),
    "side-input": (zoo(), {"inputs": {"images": ("uint8", [1, None, None, 3]), "boxes": ("float32", [1, None, 4])}}),
    "batch-of-two": (zoo(), {"inputs": {"input_tensor": ("uint8", [2, None, None, 3])}}),
    "grey": (zoo(), {"inputs": {"input_tensor": ("uint8", [1, None, None, 1])}}),
    "half-fixed": (zoo(), {"inputs": {"input_tensor": ("uint8", [1, 120, None, 3])}}),
    "semantic": ({"logits": np.zeros((1, 4, 4, 2), np.float32), "predicted_masks": np.zeros((1, 4, 4), np.int32)}, {}),
    "classifier": ({"probs": np.zeros((1, 10), np.float32)}, {}),
    "unfiltered": ({"decoded_boxes": np.zeros((1, 9, 4), np.float32)}, {}),
    "fails": (zoo(), {"fails": True}),
    "background": (zoo(classes=(0, 0)), {}),
    "unknown-class": (zoo(classes=(91, 0)), {}),
    "half-class": (zoo(classes=(2.5, 0)), {}),
    "nan-score": (zoo(detection_scores=NAN, count=2), {}),
    "nan-in-padding": (zoo(detection_scores=NAN), {}),
    "infinite-box": (zoo(boxes=(0, 0, np.inf, 1)), {}),
    "too-many": (zoo(count=3), {}),
    "logits": (zoo(detection_masks=np.full((1, 2, 15, 15), -4, np.float32)), {}),
    "five-coordinates": (zoo(detection_boxes=np.zeros((1, 2, 5), np.float32)), {}),
    "small-whole": (zoo(detection_masks_reframed=WHOLE[..., 1:]), {}),
    "other-size": (garden(image_info=np.float32([[[50, 50], [128, 128], SCALE, [0, 0]]])), {}),
    "cut": (garden(image_info=np.float32([[[HEIGHT, WIDTH], [128, 128], SCALE, [3, 0]]])), {}),
}

REQUESTS = {
    **{name: {} for name in MODELS},
    "pixels-said": {"model": "pixels", "boxes": "pixels"},
    "pixels-said-wrong": {"model": "pixels", "boxes": "normalised"},
    "network-pixels-of-zoo": {"model": "zoo", "boxes": "network_pixels"},
    "garden-fractions-said": {"model": "garden-fractions", "boxes": "normalised"},
    "two-signatures-said": {"model": "two-signatures", "signature": "other"},
    "two-signatures-wrong": {"model": "two-signatures", "signature": "third"},
    "float-said": {"model": "float", "input_values": "imagenet"},
    "high-score": {"model": "zoo", "score": 0.8},
    "first-label": {"model": "background", "first_label": 0},
    "no-gpu": {"model": "zoo", "device": "cuda:99"},
    "tpu": {"model": "zoo", "device": "tpu:0"},
}


@pytest.fixture(scope="module")
def found(once, save_models, predict):
    """What every request gives: arrays by name, or the text of an error. TensorFlow takes seconds to begin."""

    def fill(folder):
        save_models(folder, MODELS)
        (folder / "damaged").mkdir()
        (folder / "damaged/saved_model.pb").write_bytes(b"\x07not a graph")
        requests = {**REQUESTS, "damaged": {}, "nothing": {"model": "zoo/variables"}}
        given = {
            name: {key: value for key, value in options.items() if key != "model"}
            | {"weights": str(folder / options.get("model", name))}
            for name, options in requests.items()
        }
        image = np.random.default_rng(3).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        predict(folder, given, image)

    folder = once("saved_models", fill)
    answers = json.loads((folder / "answers.json").read_text())
    for number, one in enumerate(answers.values()):
        if "error" not in one:
            one.update(np.load(folder / f"{number}.npz"))
    return answers


def overlap(mask):
    return (mask & TRUE).sum() / (mask | TRUE).sum()


@pytest.mark.parametrize(
    "name",
    [
        "zoo", "version-1", "whole", "boxes-only", "pixels-said", "garden", "garden-padded-further",
        "garden-fractions-said",
        "one-size", "one-size-whole", "float-said", "two-signatures-said", "no-count", "nan-in-padding",
    ],
)  # fmt: skip
def test_every_form_gives_the_object(found, name):
    one = found[name]
    assert "error" not in one, one["error"]
    assert np.allclose(one["boxes"], [[20, 10, 60, 40]], atol=1e-4)
    assert one["scores"].tolist() == [0.75]
    assert one["labels"].tolist() == [2] and one["names"] == 90  # a car
    if name == "boxes-only":
        assert "masks" not in one
    elif "whole" in name:
        assert np.array_equal(one["masks"][0], TRUE)
    else:
        assert one["masks"].shape == (1, HEIGHT, WIDTH) and overlap(one["masks"][0]) > 0.93


def test_masks_fill_the_outer_boxes_of_model_garden(found):
    assert np.allclose(found["garden-outer"]["boxes"], [[10, 5, 30, 20]])
    assert overlap(found["garden-outer"]["masks"][0]) > 0.93


def test_the_options_for_scores_and_labels(found):
    assert found["high-score"]["scores"].shape == (0,) and found["high-score"]["masks"].shape == (0, HEIGHT, WIDTH)
    assert found["first-label"]["labels"].tolist() == [0]


def test_what_the_network_was_given_is_said_if_the_model_tells(found):
    assert found["garden"]["network_input"] == [128, 128, "bilinear", [0, 32, 0, 0]]
    assert found["one-size"]["network_input"] == [120, 200, "bilinear", [0, 0, 0, 40]]
    assert found["zoo"]["network_input"] is None
    assert found["garden-padded-further"]["network_input"] is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pixels", "a box reaches 60, so boxes are not `normalised`: give the option `boxes`"),
        ("pixels-said-wrong", "a box reaches 60, so boxes are not `normalised`"),
        ("garden-fractions", "no box reaches further than 0.75, so boxes may not be `network_pixels`: give the option"),
        ("network-pixels-of-zoo", "needs the output image_info, and it gives detection_boxes, detection_classes"),
        ("float", "its input is float32: give the option `input_values`"),
        ("two-signatures", "it has no signature serving_default, but one, other: give one as the option `signature`"),
        ("two-signatures-wrong", "it has no signature third, but one, other"),
        ("no-signature", "it has no signature: export it with one"),
        ("bytes", "takes encoded images or tf.Examples (image_bytes, strings); taken are signatures with one image"),
        ("side-input", "takes boxes, images; taken are signatures with one image"),
        ("batch-of-two", "takes 2 images at a time"),
        ("grey", "takes input_tensor, uint8 [1, None, None, 1]; taken are"),
        ("half-fixed", "height and width must be both fixed, or neither"),
        ("semantic", "a semantic segmentation model, which gives no instances"),
        ("classifier", "gives probs, but not detection_boxes, detection_classes, detection_scores"),
        ("unfiltered", "export the model with its non-maximum suppression"),
        ("fails", "the SavedModel failed: InvalidArgumentError"),
        ("background", "detection_classes holds 0, but the 90 categories have the labels 1 to 90"),
        ("unknown-class", "detection_classes holds 91, but the 90 categories have the labels 1 to 90"),
        ("half-class", "detection_classes holds 2.5, which is no whole number"),
        ("nan-score", "detection_scores holds a value that is not finite"),
        ("infinite-box", "detection_boxes holds a value that is not finite"),
        ("too-many", "num_detections is 3.0, not a number from 0 to 2"),
        ("logits", "detection_masks holds values from -4 to -4, not probabilities"),
        ("five-coordinates", "detection_boxes is [2, 5] of an image, not [N, 4] with N = 2"),
        ("small-whole", "detection_masks_reframed is [2, 60, 79] of an image, not [N, 60, 80] with N = 2"),
        ("other-size", "image_info says that the image is [50.0, 50.0], but it is [60, 80]"),
        ("cut", "image_info says that the image was cut at [3.0, 0.0]"),
        ("damaged", "cannot load it: "),
        ("nothing", "has no saved_model.pb, which every SavedModel has"),
        ("no-gpu", "GPUs, and no cuda:99"),
        ("tpu", "TensorFlow runs on cpu or cuda:0, not on tpu:0"),
    ],
)
def test_what_is_refused_is_said_in_one_line(found, name, message):
    error = found[name].get("error", "none")
    assert error.startswith("ValueError: ") and message in error and "\n" not in error
