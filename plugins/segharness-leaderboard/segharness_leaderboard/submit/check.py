"""Checks a bundle as a board does: everything is derived again on this machine, and all that is wrong is named at once.

What a bundle says of itself decides nothing: the protocol is looked up by its id, the files that there must be follow from
it, and each is held to the rules of models' answers. Call this in a process with limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from segharness import PluginHost, SegharnessError, UsageError, write_atomic
from segharness.protocols import (
    AdoptedModel,
    AdoptedRun,
    NamedProtocol,
    adopt_run,
    find_protocol,
    named_protocols,
    protocol_run,
)
from segharness.score import BrokenRule, GivenPlaces, ScoreOptions, check_files, recompute

from segharness_leaderboard.bundle.bundle import (
    BUNDLE,
    Bundle,
    expected_paths,
    read_blob,
    strangers_in,
    weights_sha256,
)
from segharness_leaderboard.submit.terms import consent


@dataclass
class Checked:
    """What a check found.

    Attributes:
        findings: all that does not hold; the bundle is accepted if there is nothing.
        bundle: what it says of itself; None if that cannot be read.
        protocol: the name of its protocol on this machine; "" if it is not known.
        results: the recomputed results table; None unless accepted.
        run: its files under the protocol, copied and digested; None if the protocol is not known.
        images: how many digests of pixels were computed again.
        notes: what is to be said of the bundle, though it breaks no rule.
    """

    findings: list[BrokenRule] = field(default_factory=list)
    bundle: Bundle | None = None
    protocol: str = ""
    results: pa.Table | None = None
    run: AdoptedRun | None = None
    images: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether the bundle is accepted in tier 2: its numbers were recomputed."""
        return not self.findings and self.results is not None


def check_bundle(
    folder: Path,
    host: PluginHost,
    scratch: Path,
    given: GivenPlaces | None = None,
    options: ScoreOptions | None = None,
    *,
    protocol: str | None = None,
    scored: bool = True,
) -> Checked:
    """Check a bundle, and recompute its numbers.

    Args:
        folder: of the bundle. Nothing is written into it.
        host: the plugins, which offer protocols, data sets, corruptions and metrics.
        scratch: an empty folder for copies of the files, which become a run folder.
        given: where the protocol's data lie; None for what this machine remembers.
        options: the engine and the number of resamples; None for the defaults.
        protocol: the name or the folder of the protocol to hold it to; None for the one of its id on this machine.
        scored: whether pixels are made again and numbers are recomputed; otherwise files are checked alone.

    Raises:
        UsageError: it cannot be decided on this machine: there is no such folder, the protocol is not installed, or its
            data are not known.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder of a bundle; `segharness submit pack` makes one")
    if (folder / "manifest.json").exists() and not (folder / BUNDLE).exists():
        raise UsageError(f"{folder}: is a run; make a bundle of it first: segharness submit pack {folder} -o BUNDLE")
    checked = Checked()
    checked.bundle, checked.findings = Bundle.read(folder)
    bundle = checked.bundle
    if bundle is None:
        return checked
    checked.findings += _blobs_folder(folder, bundle)
    named = _protocol(bundle, host, protocol)
    if named is None:
        if checked.findings:
            return checked
        known = ", ".join(n.name for n in named_protocols(host) if n.seal is not None) or "there is none"
        said = f"{bundle.protocol['name']!r:.60} ({bundle.protocol['id']!r:.40})"
        wanted = protocol or f"any of those on this machine: {known}"
        raise UsageError(f"{folder}: its protocol {said} is not {wanted}")
    checked.protocol = named.name
    if named.plugin and bundle.protocol["name"] != named.name:
        checked.findings.append(
            BrokenRule(BUNDLE, None, f"`protocol.name` is not that of its id, which is {named.name}")
        )
    if dict(bundle.card.consent) != consent():
        rule = "`card.consent` is to no version of the terms that is known here; see `segharness submit terms`"
        checked.findings.append(BrokenRule(BUNDLE, None, rule))
    model = AdoptedModel(bundle.model["id"], bundle.model["name"], bundle.model["inputs"])
    datasets = sorted(entry.id for entry in protocol_run(named).suite.datasets)
    if sorted(model.inputs) != datasets:
        rule = f"`model.inputs` are on {', '.join(sorted(model.inputs))[:200]}, and the data are {', '.join(datasets)}"
        checked.findings.append(BrokenRule(BUNDLE, None, rule))
        return checked
    checked.run = adopt_run(named, host, scratch / "run", model, given)
    _copy(folder, bundle, checked.run, checked.findings)
    _recompute(checked, host, options, scored)
    return checked


def _blobs_folder(folder: Path, bundle: Bundle) -> Iterator[BrokenRule]:
    try:
        yield from strangers_in(folder, bundle)
    except OSError as error:
        yield BrokenRule("blobs", None, f"cannot be read: {error.strerror}")


def _protocol(bundle: Bundle, host: PluginHost, name: str | None) -> NamedProtocol | None:
    """Return the protocol of a bundle: the one that was named, or the one of its id among those of this machine."""
    candidates = [find_protocol(name, host)] if name is not None else named_protocols(host)
    for named in candidates:
        if named.seal is not None and named.seal.id == bundle.protocol["id"]:
            return named
    return None


def _copy(folder: Path, bundle: Bundle, run: AdoptedRun, findings: list[BrokenRule]) -> None:
    """Copy the files of a bundle to where a run has them, each with its digest computed again."""
    [model] = run.run.suite.models
    shards = {id: len(opened.shards) for id, opened in run.sources.datasets.items()}
    wanted = expected_paths(shards, [condition.name for condition in run.run.suite.conditions])
    files = {file.path: file for file in bundle.files}
    findings += [BrokenRule(path, None, "is not a file of the protocol") for path in files if path not in set(wanted)]
    for path in wanted:
        if path not in files:
            findings.append(BrokenRule(path, None, "is missing"))
            continue
        try:
            data = read_blob(folder, files[path])
        except SegharnessError as error:
            findings.append(BrokenRule(path, None, str(error)))
            continue
        kind, _, rest = path.partition("/")
        write_atomic(run.folder.path / kind / model.id / rest, data)


def _recompute(checked: Checked, host: PluginHost, options: ScoreOptions | None, scored: bool) -> None:
    run, bundle = checked.run, checked.bundle
    assert run is not None and bundle is not None
    [model] = run.run.suite.models
    named = {finding.file for finding in checked.findings}
    found = recompute(run.folder, host, run.sources, options) if scored else check_files(run.folder, run.sources)
    checked.results, checked.images = found.results, found.images
    for broken in found.broken:
        kind, _, rest = broken.file.partition("/")
        path = f"{kind}/{rest.removeprefix(f'{model.id}/')}" if rest else broken.file
        pair = {path, path.replace("images/", "predictions/", 1)}
        if broken.row is None and pair & named:
            continue  # it was said why the file is not there
        checked.findings.append(BrokenRule(path, broken.row, broken.rule))
    if found.unknown_pixels and bundle.made.pixels == "known":
        rule = f"says that pixels are known, and {found.unknown_pixels} images have no digest of theirs"
        checked.findings.append(BrokenRule(BUNDLE, None, rule))
    if bundle.made.pixels == "unknown":
        checked.notes.append("what pixels the model saw is not known: tier 2 at most")
    if bundle.card.weights is not None:
        used = {weights_sha256(on) for on in bundle.model["inputs"].values()} - {None}
        if used and bundle.card.weights.sha256 not in used:
            checked.findings.append(BrokenRule(BUNDLE, None, "`card.weights.sha256` is not that of the model's inputs"))
    if found.undecided and not checked.findings:
        raise UsageError(
            [f"it cannot be decided on this machine: {reason}" for reason in dict.fromkeys(found.undecided)]
        )
    if checked.findings:
        checked.results = None


def headline(checked: Checked) -> list[dict[str, Any]]:
    """Return the numbers that a board shows first: clean and mixed AP, averages, CD and rCD; none if it is not accepted."""
    if checked.results is None or checked.run is None:
        return []
    conditions = checked.run.run.suite.conditions
    whole = {condition.name for condition in conditions if condition.corruption is None or condition.mixture}
    keys = ("dataset", "evaluation", "task", "condition", "metric", "value", "ci_low", "ci_high", "reason")
    rows = [row for row in checked.results.to_pylist() if row["category"] is None and row["split"] == "all"]
    averaged = {"AP_avg", "CD", "rCD", "PQ_avg"}
    return [
        {key: row[key] for key in keys}
        for row in rows
        if (row["metric"] in averaged and "/" not in row["condition"])
        or (row["metric"] in ("AP", "PQ") and row["condition"] in whole)
    ]
