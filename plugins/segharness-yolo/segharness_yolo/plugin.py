"""The model that this distribution registers with segharness."""

from __future__ import annotations

from segharness import ModelSpec, WeightsSpec, hookimpl

from segharness_yolo.options import OPTIONS


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            "yolo/seg",
            factory="segharness_yolo.model:YoloSeg",
            description="a YOLO export (.tflite or .onnx) of v5, v8, 11 and the like, decoded by this plugin",
            licence="Apache-2.0 (this code; weights have licences of their own)",
            tags=("yolo", "one-stage"),
            version="2",
            weights=WeightsSpec("required", files="segharness_yolo.weights_files:weights_files"),
            options=OPTIONS,
        )
    ]
