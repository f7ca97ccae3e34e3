"""The model that this distribution registers with segharness."""

from __future__ import annotations

from segharness import ModelSpec, hookimpl

from segharness_yolo.options import OPTIONS


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            "yolo/seg",
            "segharness_yolo.model:YoloSeg",
            "a YOLOv8-seg or YOLO11-seg export (.tflite or .onnx), decoded by this plugin",
            licence="Apache-2.0 (this code; weights have licences of their own)",
            tags=("yolo", "one-stage"),
            weights="required",
            options=OPTIONS,
        )
    ]
