"""A SavedModel of TensorFlow. Runs where TensorFlow is installed: in a foreign environment, or in segharness's own.

Imports nothing of segharness, only modules of `segharness_tensorflow` that run without it. Python 3.8 or later.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported: no notes on its build

import numpy as np
import tensorflow as tf

from segharness_tensorflow.category_names import COCO, read_names
from segharness_tensorflow.files import problem
from segharness_tensorflow.frame import Frame
from segharness_tensorflow.outputs import READ, Found
from segharness_tensorflow.pasting import paste_model_garden, paste_object_detection
from segharness_tensorflow.signature import find_signature
from segharness_tensorflow.units import check_unit

_MEAN = np.array([0.485 * 255, 0.456 * 255, 0.406 * 255], dtype=np.float32)
_DEVIATION = np.array([0.229 * 255, 0.224 * 255, 0.225 * 255], dtype=np.float32)
"""ImageNet's, of pixels from 0 to 255; Model Garden's networks take pixels normalised with them."""


class ForeignInstances:
    """The instances of one image; stands for `segharness.Instances`.

    Args:
        boxes: float32 (N, 4), x1 y1 x2 y2 in pixels.
        scores: float32 (N,).
        labels: int64 (N,).
        masks: bool (N, height, width), or None for boxes only.
        network_input: the four values of a `segharness.NetworkInput`, or None if they are not known.
    """

    def __init__(self, boxes: Any, scores: Any, labels: Any, masks: Any, network_input: Any) -> None:
        self.boxes, self.scores, self.labels, self.masks = boxes, scores, labels, masks
        self.network_input = network_input


class Segmenter:
    """A SavedModel. It predicts one image at a time. `build` documents the arguments.

    Args:
        loaded: what ``tf.saved_model.load`` returned; the signature's variables live as long as it does.
        device: TensorFlow's name for the device.
        settings: the remaining options of `build`.
    """

    def __init__(self, loaded: Any, signature: Any, categories: Any, device: str, settings: Any) -> None:
        self.categories = list(categories)
        self._loaded, self._signature, self._device, self._settings = loaded, signature, device, settings
        of_model_garden = "image_info" in signature.outputs
        self._unit = settings["boxes"] or ("network_pixels" if of_model_garden else "normalised")
        self._paste = settings["paste"] or ("model_garden" if of_model_garden else "object_detection")

    def predict(self, images: Any, prompts: Any = None) -> list[ForeignInstances]:
        """Return the instances of uint8 RGB images (H, W, 3)."""
        return [self._predict_image(image) for image in images]

    def _predict_image(self, image: Any) -> ForeignInstances:
        array, content = self._array(image)
        found = Found(self._call(array), self._settings["score"], array.shape[:2])
        frame = Frame(image.shape[:2], array.shape[:2], content, found.info)
        check_unit(found.boxes, self._unit, self._settings["boxes"] is not None)
        boxes = frame.pixels(found.boxes, self._unit)[:, [1, 0, 3, 2]]
        network_input = frame.network_input(self._signature.size is not None)
        if self._settings["resolution"] == "original":
            frame.check_unscaled(self._signature.size is not None)
        return ForeignInstances(boxes, found.scores, self._labels(found), self._masks(found, frame), network_input)

    def _array(self, image: Any) -> Any:
        """Return the array for the signature, and the (height, width) of the image in it."""
        pixels = _values(image, self._settings["input_values"]) if self._signature.dtype == "float32" else image
        if self._signature.size is None:
            return pixels, image.shape[:2]
        size, sides = np.array(self._signature.size), np.array(image.shape[:2])
        content = tuple(int(side) for side in np.clip(np.round(sides * (size / sides).min()), 1, size))
        if content != image.shape[:2]:
            pixels = tf.image.resize(pixels, content, tf.image.ResizeMethod.BILINEAR).numpy()
        if self._signature.dtype == "uint8":
            pixels = np.round(pixels).astype(np.uint8)
        array = np.zeros((*self._signature.size, 3), dtype=pixels.dtype)
        array[: content[0], : content[1]] = pixels
        return array, content

    def _call(self, array: Any) -> Any:
        try:
            with tf.device(self._device):
                outputs = self._signature.function(**{self._signature.input: tf.constant(array[None])})
            return {name: outputs[name].numpy() for name in READ if name in outputs}
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError(_line(error)) from error
        except (tf.errors.OpError, AttributeError) as error:  # what is no dense tensor has no numpy()
            raise ValueError(f"the SavedModel failed: {_line(error)}") from error

    def _labels(self, found: Found) -> Any:
        first = self._settings["first_label"]
        labels = found.classes - first
        wrong = (labels < 0) | (labels >= len(self.categories))
        if wrong.any():
            raise ValueError(
                f"detection_classes holds {found.classes[wrong][0]}, but the {len(self.categories)} categories have "
                f"the labels {first} to {first + len(self.categories) - 1}: give the option `categories` or "
                "`first_label`"
            )
        return labels

    def _masks(self, found: Found, frame: Frame) -> Any:
        threshold = self._settings["mask_threshold"]
        if found.whole is not None:
            masks = found.whole[:, : frame.content[0], : frame.content[1]]
            if frame.content != frame.image:
                masks = tf.image.resize(masks[..., None], frame.image, tf.image.ResizeMethod.BILINEAR).numpy()[..., 0]
            return masks > threshold
        if found.cropped is None:
            return None
        if self._paste == "model_garden":
            boxes = frame.pixels(found.mask_boxes, self._unit)
            return paste_model_garden(found.cropped, boxes, frame.image, threshold)
        boxes = frame.fractions(found.mask_boxes, self._unit)
        return paste_object_detection(found.cropped, boxes, frame.image, threshold)


def build(
    weights: str,
    categories: Any = None,
    first_label: int = 1,
    score: float = 0.0,
    mask_threshold: float = 0.5,
    boxes: Any = None,
    paste: Any = None,
    input_values: Any = None,
    signature: Any = None,
    resolution: str = "model",
    device: str = "cpu",
) -> Segmenter:
    """Return a model.

    Args:
        weights: the folder of a SavedModel. Its graph is code, which runs.
        categories: a text file with one name per line; if None, COCO's ids from 1 to 90.
        first_label: the label of the first category.
        score: detections of a lower score are left out.
        mask_threshold: pixels of larger probability belong to an instance.
        boxes: what boxes count in, one of `segharness_tensorflow.units.UNITS`; if None, ``network_pixels`` for models
            that give ``image_info``, else ``normalised``.
        paste: ``object_detection`` or ``model_garden``: whose way of pasting masks into images; if None, that of Model
            Garden for models that give ``image_info``.
        input_values: ``0-255``, ``0-1`` or ``imagenet``: the pixels that a float32 input takes.
        signature: its name; if None, ``serving_default``, or the only one.
        resolution: ``"model"``, or ``"original"``: every image must enter the network unscaled. A graph scales images as
            it was exported to, so this only checks it.
        device: torch's name for the device: ``cpu``, ``cuda:0``.

    Raises:
        ValueError: the folder holds no SavedModel of a detector that can be used, or an option is missing.
    """
    if (text := problem(str(weights))) is not None:
        raise ValueError(text)
    names = COCO if categories is None else read_names(categories)
    where = _use_device(device)
    try:
        with tf.device(where):
            loaded = tf.saved_model.load(str(weights))
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(_line(error)) from error
    except Exception as error:  # what a damaged file makes TensorFlow raise is not documented
        raise ValueError(f"{weights}: TensorFlow {tf.__version__} cannot load it: {_line(error)}") from error
    try:
        chosen = find_signature(getattr(loaded, "signatures", {}), signature)
        if chosen.dtype == "float32" and input_values is None:
            raise ValueError(
                "its input is float32: give the option `input_values`, the pixels it takes (0-255, 0-1 or imagenet)"
            )
        if str(boxes).startswith("network") and "image_info" not in chosen.outputs:
            raise ValueError(f"`boxes: {boxes}` needs the output image_info, and it gives {', '.join(chosen.outputs)}")
    except ValueError as error:
        raise ValueError(f"{weights}: {error}") from None
    settings = {"boxes": boxes, "paste": paste, "score": score, "mask_threshold": mask_threshold}
    settings.update(first_label=first_label, input_values=input_values, resolution=resolution)
    return Segmenter(loaded, chosen, names, where, settings)


def _use_device(device: str) -> str:
    """Let TensorFlow use one device, and one thread of the processor; return its name for the device."""
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"TensorFlow runs on cpu or cuda:0, not on {device}")
    try:
        # with several threads sums have another last bit
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        gpus = tf.config.list_physical_devices("GPU")
        if kind == "cpu":
            tf.config.set_visible_devices([], "GPU")
            return "/CPU:0"
        if int(number or 0) >= len(gpus):
            raise ValueError(f"TensorFlow {tf.__version__} sees {len(gpus)} GPUs, and no {device}")
        gpu = gpus[int(number or 0)]
        tf.config.set_visible_devices([gpu], "GPU")
        tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        raise ValueError(f"TensorFlow is in use in this process, with other threads or devices: {error}") from error
    return "/GPU:0"


def _values(image: Any, values: str) -> Any:
    """Return the float32 pixels that a network takes."""
    pixels = image.astype(np.float32)
    if values == "imagenet":
        return (pixels - _MEAN) / _DEVIATION
    return pixels / np.float32(255) if values == "0-1" else pixels


def _line(error: BaseException) -> str:
    """Return the message of an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
