"""What a signature of a SavedModel takes and gives. Needs no framework; Python 3.8 or later."""

from __future__ import annotations

from typing import Any

DEFAULT = "serving_default"
_TAKEN = "taken are signatures with one image, uint8 or float32 [1 or None, height, width, 3]"
_SCENES = ("predicted_masks", "logits", "semantic_logits", "category_mask", "panoptic_outputs")
_UNFILTERED = ("decoded_boxes", "raw_boxes")


class Signature:
    """A signature that takes one image and gives detections.

    Args:
        function: a concrete function, as in the ``signatures`` of a loaded SavedModel.
        name: the signature's.

    Raises:
        ValueError: it takes something else, or gives no detections; the message says what.

    Attributes:
        function: as given.
        input: the name of the image.
        dtype: of the image: ``"uint8"`` or ``"float32"``.
        size: the (height, width) that an image must have; None if it may have any.
        outputs: the names of what it gives.
    """

    def __init__(self, function: Any, name: str) -> None:
        where = f"the signature {name}"
        inputs = function.structured_input_signature[1]
        if len(inputs) != 1:
            raise ValueError(f"{where} takes {', '.join(sorted(inputs)) or 'nothing'}; {_TAKEN}")
        [(self.input, spec)] = inputs.items()
        self.function, self.dtype = function, str(spec.dtype.name)
        if self.dtype == "string":
            raise ValueError(
                f"{where} takes encoded images or tf.Examples ({self.input}, strings); {_TAKEN}: export the model with "
                "`input_type` image_tensor"
            )
        shape = [None] * 4 if spec.shape.rank is None else spec.shape.as_list()
        if self.dtype not in ("uint8", "float32") or len(shape) != 4 or shape[3] not in (3, None):
            raise ValueError(f"{where} takes {self.input}, {self.dtype} {shape}; {_TAKEN}")
        if shape[0] not in (1, None):
            raise ValueError(f"{where} takes {shape[0]} images at a time; {_TAKEN}: export the model with batch size 1")
        if (shape[1] is None) != (shape[2] is None):
            raise ValueError(f"{where} takes {self.input} {shape}: height and width must be both fixed, or neither")
        self.size = None if shape[1] is None else (shape[1], shape[2])
        self.outputs = tuple(sorted(function.structured_outputs))
        self._check_outputs(where)

    def _check_outputs(self, where: str) -> None:
        gives = f"{where} gives {', '.join(self.outputs)}"
        if any(name in self.outputs for name in _UNFILTERED):
            raise ValueError(f"{gives}: export the model with its non-maximum suppression (`apply_nms`)")
        missing = [
            name for name in ("detection_boxes", "detection_classes", "detection_scores") if name not in self.outputs
        ]
        if missing and any(name in self.outputs for name in _SCENES):
            raise ValueError(f"{gives}: a semantic segmentation model, which gives no instances")
        if missing:
            raise ValueError(f"{gives}, but not {', '.join(missing)}, which a detector of TensorFlow's zoos gives")


def find_signature(signatures: Any, name: str | None) -> Signature:
    """Return a signature of a SavedModel.

    Args:
        signatures: concrete functions by name.
        name: of one of them; if None, ``serving_default``, or the only one.

    Raises:
        ValueError: there is no such signature, or `Signature` refuses it.
    """
    names = sorted(signatures)
    if not names:
        raise ValueError("it has no signature: export it with one (`tf.saved_model.save(..., signatures=...)`)")
    if name is None:
        name = names[0] if len(names) == 1 else DEFAULT
    if name not in names:
        raise ValueError(f"it has no signature {name}, but {', '.join(names)}: give one as the option `signature`")
    return Signature(signatures[name], name)
