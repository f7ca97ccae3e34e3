"""The files of a SavedModel. Needs only Python, 3.8 or later."""

from __future__ import annotations

from pathlib import Path

FILES = ("saved_model.pb", "saved_model.pbtxt", "variables/*", "assets/**/*")
"""The files of a folder that predictions depend on."""

_GRAPHS = ("saved_model.pb", "saved_model.pbtxt")


def problem(weights: str) -> str | None:
    """Return why weights are no SavedModel, in a line; None if they look like one.

    Args:
        weights: the absolute path of a folder, or of what was given instead.
    """
    path = Path(weights)
    if not path.is_dir():
        return _problem_with_file(path)
    if any((path / name).is_file() for name in _GRAPHS):
        return None
    below = sorted(file.parent for name in _GRAPHS for file in path.glob(f"*/{name}"))
    if below:
        return f"{path} has no saved_model.pb, but {below[0]} has one: give that folder"
    if (path / "frozen_inference_graph.pb").is_file():
        return f"{path} holds a frozen graph of TensorFlow 1, not a SavedModel, a folder with saved_model.pb"
    if (path / "keras_metadata.pb").is_file() or (path / "config.json").is_file():
        return f"{path} has no saved_model.pb; export the model as a SavedModel (`model.export(folder)` in Keras 3)"
    return f"{path} has no saved_model.pb, which every SavedModel has"


def _problem_with_file(path: Path) -> str:
    if not path.exists():
        return f"there is no folder {path}"
    if path.name in _GRAPHS:
        return f"{path} is a part of a SavedModel: give its folder, {path.parent}"
    if path.suffix in (".h5", ".hdf5", ".keras"):
        return (
            f"{path} is a model of Keras, not a SavedModel: load it and export it (`model.export(folder)` in Keras 3)"
        )
    if path.suffix in (".pb", ".pbtxt"):
        return f"{path} is a frozen graph of TensorFlow 1, not a SavedModel, a folder with saved_model.pb and variables"
    if path.suffix == ".tflite":
        return f"{path} is a model of TensorFlow Lite, not a SavedModel, a folder with saved_model.pb and variables"
    return f"{path} is a file, not a SavedModel, a folder with saved_model.pb and variables"
