"""The files that a network is made of: an ONNX file may keep its tensors in files beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segharness import UsageError


def weights_files(path: Path) -> list[Path]:
    """Return a network's file and those that it keeps tensors in (ONNX's external data), sorted.

    Raises:
        UsageError: a file that it names is missing, or does not lie beside or below it.
    """
    if path.suffix != ".onnx":
        return [path]
    import onnx
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # noqa: BLE001  protobuf has an error of its own; the runtime says what is wrong with the file
        return [path]
    names = {ExternalDataInfo(tensor).location for tensor in _tensors(model.graph) if uses_external_data(tensor)}
    for function in model.functions:
        for node in function.node:
            names |= {ExternalDataInfo(t).location for t in _tensors_of_node(node) if uses_external_data(t)}
    folder, files = path.parent.resolve(), [path]
    for name in sorted(names):
        file = path.parent / name
        if folder not in file.resolve().parents:
            raise UsageError(f"{path}: keeps tensors in `{name}`, which is not in its folder")
        if not file.is_file():
            raise UsageError(f"{path}: keeps tensors in `{name}`, which is missing: it belongs beside it")
        files.append(file)
    return sorted(files)


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield the tensors of a graph and of the graphs in its nodes."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _tensors_of_node(node)


def _tensors_of_node(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        yield from (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors)
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from _tensors(graph)
