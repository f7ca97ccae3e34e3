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
            description="a YOLOv8-seg or YOLO11-seg export (.tflite or .onnx), decoded by this plugin",
            licence="Apache-2.0 (this code; weights have licences of their own)",
            tags=("yolo", "one-stage"),
            weights=WeightsSpec("required"),
            options=OPTIONS,
        )
    ]
