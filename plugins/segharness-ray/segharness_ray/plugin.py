"""What this distribution offers; imports no Ray."""

from __future__ import annotations

from segharness import ExecutorSpec, hookimpl


@hookimpl
def segharness_executors():
    return [
        ExecutorSpec(
            "ray",
            "segharness_ray.executor:make",
            "actors on a Ray cluster, one a device",
            configure="segharness_ray.arguments:configure",
        )
    ]
