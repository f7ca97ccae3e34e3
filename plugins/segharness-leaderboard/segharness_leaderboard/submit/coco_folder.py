"""COCO result files of another program become a run under a protocol, which `pack` can pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from segharness import PluginHost, UsageError, run
from segharness.protocols import NamedProtocol, protocol_run
from segharness.store import RunFolder


def is_results_folder(folder: Path) -> bool:
    """Return whether a folder holds result files and no run."""
    return (
        folder.is_dir() and not (folder / "manifest.json").exists() and next(folder.rglob("*.json"), None) is not None
    )


def run_of_results(
    folder: Path,
    named: NamedProtocol,
    host: PluginHost,
    out: Path,
    model: str,
    variables: Mapping[str, str],
    plugins: Sequence[str] = (),
) -> RunFolder:
    """Make a run of the result files in a folder.

    Args:
        folder: has ``CONDITION.json``, or ``CONDITION.segm.json`` and ``CONDITION.bbox.json``, for each condition; in a
            folder for each data set, called by its id, unless the protocol has only one.
        named: the protocol.
        host: the plugins; `coco-results` of segharness-coco is needed.
        out: the run folder to write.
        model: the id of the model.
        variables: the values of ``${NAME}`` in the protocol's suite.
        plugins: names to load or keep out, as ``-p``.

    Raises:
        UsageError: a file is missing or broken.
    """
    datasets = [entry.id for entry in protocol_run(named).suite.datasets]
    for dataset in datasets if len(datasets) > 1 else ():  # `-k` takes a word anywhere in the name of a cell
        others = [other for other in (model, named.name, *datasets) if other != dataset]
        if clash := next((other for other in others if dataset in other), None):
            raise UsageError(
                f"the data set `{dataset}` cannot be told from `{clash}`: give the run itself, or another --model"
            )
    for dataset in datasets:
        part = folder / dataset
        source = part if part.is_dir() or len(datasets) > 1 else folder
        if not source.is_dir():
            raise UsageError(f"{source}: is not there; a folder of each data set holds its result files")
        if any(character in str(source) for character in ",="):
            raise UsageError(f"{source}: a `,` or `=` in this path cannot be given to a model; rename the folder")
        results = run(
            protocol=named.name if named.plugin else str(named.folder),
            models=[f"coco-results/{source},id={model}"],
            variables=variables,
            k=dataset if len(datasets) > 1 else "",
            out=out,
            plugins=plugins,
            bootstrap=0,
            progress=False,
        )
        reasons = {
            f"{row['condition']}: {row['reason']}": None
            for row in results.to_pylist()
            if row["dataset"] == dataset and row["value"] is None and row["metric"] == "AP" and row["category"] is None
        }
        if reasons:
            raise UsageError([f"{folder}: {reason}" for reason in list(reasons)[:20]])
    return RunFolder(out)
