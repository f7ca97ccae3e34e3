"""COCO result files of another program become a run under a protocol, which `pack` can pack."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from segharness import ModelSpec, PluginHost, UsageError, nearest, run
from segharness.protocols import NamedProtocol, protocol_run
from segharness.store import RunFolder

from segharness_leaderboard.bundle.bundle import BUNDLE


def is_results_folder(folder: Path) -> bool:
    """Return whether a folder holds result files and no run."""
    known = any((folder / name).exists() for name in ("manifest.json", BUNDLE))
    return folder.is_dir() and not known and next(folder.rglob("*.json"), None) is not None


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
    if host.find("coco-results", ModelSpec) is None:
        raise UsageError(f"{folder}: COCO result files are read by segharness-coco: pip install segharness-coco")
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
        _check_names(source, [condition.name for condition in protocol_run(named).suite.conditions], named.name)
        with warnings.catch_warnings(record=True):  # what failed is said below
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


def _check_names(folder: Path, conditions: Sequence[str], protocol: str) -> None:
    """Raise UsageError, with a line for each file that is missing or unknown, if the files are not the conditions'."""
    names = {path.name for path in folder.glob("*.json")}
    if not names:
        parts = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir())[:5])
        raise UsageError(
            f"{folder}: has no result files{f'; it has the folders {parts}: give one of them' if parts else ''}"
        )
    kinds = [kind for kind in ("segm", "bbox") if any(name.endswith(f".{kind}.json") for name in names)]
    known = {f"{condition}{ending}" for condition in conditions for ending in (".json", ".segm.json", ".bbox.json")}
    problems = [
        f"{folder / name}: is no condition of {protocol}{nearest(name, known, listed=False)}"
        for name in sorted(names - known)
    ]
    for condition in conditions:
        whole = f"{condition}.json"
        wanted = [f"{condition}.{kind}.json" for kind in kinds] or [whole]
        problems += [f"{folder / name}: is missing" for name in wanted if name not in names and whole not in names]
    if problems:
        more = [f"and {len(problems) - 20} more"] if len(problems) > 20 else []
        raise UsageError([*problems[:20], *more])
