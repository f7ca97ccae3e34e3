"""The protocols and commands that this distribution registers with segharness."""

from __future__ import annotations

from collections.abc import Iterator

from segharness import CommandSpec, DatasetSpec, Option, ProtocolSpec, hookimpl

_DESCRIPTIONS = {
    "toy-1.0": "500 images of the toy problem: clean, 15 corruptions, mixed; reference watershed",
    "robustness-1.0": "COCO val2017: clean, the paper's 15 corruptions, mixed; reference Mask R-CNN R50-FPN 3x",
    "robustness-1.0-mini": "the same on 500 images, drawn by a fixed rule",
    "imagenet-c-1.0": "COCO val2017: clean, 19 corruptions at 5 severities; reference Mask R-CNN R50-FPN 3x",
    "cross-dataset-1.0": "COCO val2017 to Cityscapes and BDD100K; reference Mask R-CNN R50-FPN 3x",
}


@hookimpl
def segharness_protocols() -> Iterator[ProtocolSpec]:
    for name, description in _DESCRIPTIONS.items():
        yield ProtocolSpec(name, folder=f"segharness_leaderboard:protocols/{name}", description=description)


@hookimpl
def segharness_commands() -> Iterator[CommandSpec]:
    submit = "segharness_leaderboard.submit.command"
    yield CommandSpec(
        "submit",
        help="pack a run into a bundle for a leaderboard, and check a bundle",
        configure=f"{submit}:configure",
        execute=f"{submit}:execute",
    )
    reproduction = "segharness_leaderboard.reproduction.command"
    yield CommandSpec(
        "reproduce",
        help="make a sample of a bundle's predictions again from its published plugin and weights",
        configure=f"{reproduction}:configure",
        execute=f"{reproduction}:execute",
    )


@hookimpl
def segharness_datasets() -> Iterator[DatasetSpec]:
    yield DatasetSpec(
        "leaderboard/drawn",
        factory="segharness_leaderboard.reproduction.drawn_images:DrawnImages",
        description="the images that `segharness reproduce` drew, for the model that it runs",
        options={"folder": Option("the folder that it wrote", required=True, path=True)},
    )
