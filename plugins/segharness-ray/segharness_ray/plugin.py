"""The executor that this distribution registers with segharness. Does not import Ray."""

from __future__ import annotations

from segharness import ExecutorSpec, hookimpl


@hookimpl
def segharness_executors() -> list[ExecutorSpec]:
    return [
        ExecutorSpec(
            "ray",
            factory="segharness_ray.executor:make",
            description="actors on a Ray cluster, one for each device",
            configure="segharness_ray.arguments:configure",
        )
    ]
