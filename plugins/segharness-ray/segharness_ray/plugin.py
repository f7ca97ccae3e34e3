"""The executor that this distribution registers with segharness. Does not import Ray."""

from __future__ import annotations

from segharness import ExecutorSpec, hookimpl


@hookimpl
def segharness_executors():
    return [
        ExecutorSpec(
            "ray",
            "segharness_ray.executor:make",
            "actors on a Ray cluster, one for each device",
            configure="segharness_ray.arguments:configure",
        )
    ]
