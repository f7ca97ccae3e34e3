"""The models that this distribution registers with segharness. Does not import TensorFlow."""

from __future__ import annotations

from segharness import ForeignSpec, ModelSpec, Option, WeightsSpec, hookimpl
from segharness.plugin.option_checks import number, one_of, text, whole_number

from segharness_tensorflow.files import FILES
from segharness_tensorflow.units import UNITS

_OPTIONS = {
    "categories": Option(
        "a text file with one name per line, that of the first label first; COCO's ids from 1 to 90 when absent",
        path=True,
        check="segharness_tensorflow.category_names:check_names",
    ),
    "first_label": Option(
        "the label of the first category; 1 when absent, for the zoos' 0 is the background", check=whole_number(0)
    ),
    "score": Option("drop instances with a lower score; 0 when absent", check=number(0, 1)),
    "mask_threshold": Option("pixels of larger probability belong to an instance; 0.5 when absent", check=number(0, 1)),
    "boxes": Option(
        "what boxes count in: fractions of the image's sides (normalised) or its pixels (pixels), or with network_ "
        "those of the scaled image in the graph; when absent network_pixels if the model gives image_info, "
        "else normalised",
        check=one_of(*UNITS),
    ),
    "paste": Option(
        "how masks are pasted into the image: as the Object Detection API does (object_detection), or Model Garden "
        "(model_garden); when absent model_garden if the model gives image_info",
        check=one_of("object_detection", "model_garden"),
    ),
    "input_values": Option(
        "the pixels that an input of float32 takes: 0-255, 0-1, or imagenet (less ImageNet's mean, by its deviation)",
        check=one_of("0-255", "0-1", "imagenet"),
    ),
    "signature": Option("the signature that is called; serving_default, or the only one, when absent", check=text),
}


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            "tensorflow/saved-model",
            factory="segharness_tensorflow.foreign_model:build",
            description="a SavedModel of the TF Object Detection API or of Model Garden; it runs the code in its graph",
            licence="yours",
            tags=("tensorflow",),
            weights=WeightsSpec(
                "required", pattern=r"(?!)", pattern_text="the folder of a SavedModel", in_folder=FILES
            ),
            check="segharness_tensorflow.files:problem",
            options=_OPTIONS,
            resolutions=("model", "original"),
            imports="tensorflow",
            foreign=ForeignSpec("segharness_tensorflow:foreign_model.py:build", packages=("segharness_tensorflow",)),
        )
    ]
