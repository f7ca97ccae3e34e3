"""What is fixed of a named protocol: everything that can change a number of a model under it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segharness.digests import digest
from segharness.errors import StoreError, UsageError
from segharness.identity import Inputs, differences, protocol_inputs, stored_run
from segharness.store import RunFolder, manifest_of, read_results
from segharness.suite import StoredReference, Suite

SCORER = 1
"""The version of the evaluations and of what is derived from them; raised when a correction changes a number."""

_LARGEST = 1 << 20
"""No seal has more bytes."""


@dataclass(frozen=True)
class Seal:
    """What is fixed of a protocol.

    Attributes:
        protocol: the inputs of the protocol id: data sets with their digests, conditions, seed, scoring.
        sets: the conditions of each set that averages, CD and rCD are over, and the data sets of each shift.
        reference: the id of the reference, and the digest of its numbers.
        scorer: the version of the scorer.
    """

    protocol: Mapping[str, Any]
    sets: Mapping[str, Any]
    reference: Mapping[str, str | None]
    scorer: int

    @property
    def id(self) -> str:
        """The digest of all that, which names the protocol on every machine."""
        return digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the seal as a JSON object."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content

    def differences(self, other: Seal) -> list[str]:
        """Return a line for everything in which another seal differs."""
        return differences(self.to_json(), other.to_json())

    def write(self, file: Path) -> None:
        """Write the seal with its id."""
        file.write_text(json.dumps({"id": self.id, **self.to_json()}, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Seal:
        """Return the seal in a file.

        Raises:
            StoreError: it is no seal, or its id is not that of its content.
        """
        try:
            data = file.read_bytes()
            content = json.loads(data[: _LARGEST + 1]) if len(data) <= _LARGEST else None
        except (OSError, ValueError) as error:
            raise StoreError(f"{file}: cannot be read: {error}") from error
        fields = {"protocol": dict, "sets": dict, "reference": dict, "scorer": int}
        if not isinstance(content, dict) or not all(isinstance(content.get(k), v) for k, v in fields.items()):
            raise StoreError(f"{file}: is no seal of a protocol")
        seal = cls(**{name: content[name] for name in fields})
        if seal.id != content.get("id"):
            raise StoreError(f"{file}: its id is {content.get('id')!r:.40}, and that of its content {seal.id}")
        return seal


def seal_of(suite: Suite, inputs: Inputs, reference: str | None, numbers: str | None) -> Seal:
    """Return what is fixed of the protocol of a suite.

    Args:
        suite: resolved.
        inputs: what its files are made from.
        reference: the id of the reference model.
        numbers: the digest of the reference's numbers.
    """
    sets = {group.name: sorted(group.conditions) for group in suite.condition_groups}
    shifts = {shift.name: [shift.clean, *sorted(shift.datasets)] for shift in suite.shifts}
    protocol = protocol_inputs(suite, inputs)
    return Seal(protocol, {"conditions": sets, "shifts": shifts}, {"model": reference, "numbers": numbers}, SCORER)


def seal_of_results(path: Path) -> Seal:
    """Return what is fixed of the protocol that stored results were made under, with the reference that they name.

    Raises:
        StoreError: there are no results, or they are not what they say.
    """
    content = read_results(path)
    file = path / "results.arrow" if path.is_dir() else path
    manifest = manifest_of(content, file)
    run = stored_run(manifest, file)
    return seal_of_run(run.suite, run.inputs)


def seal_of_run(suite: Suite, inputs: Inputs) -> Seal:
    """Return what is fixed of the protocol of a run, with the stored reference that its suite names."""
    stored = next((group.reference for group in suite.groups if group.reference is not None), None)
    if isinstance(stored, StoredReference):
        return seal_of(suite, inputs, stored.model, stored.digest)
    return seal_of(suite, inputs, stored, None)


def seal_of_folder(folder: RunFolder) -> Seal:
    """Return what is fixed of the protocol that the run in a folder is made under.

    Raises:
        StoreError: the folder holds no run, or its manifest is not what it says.
    """
    run = stored_run(folder.read_manifest(), folder.manifest)
    return seal_of_run(run.suite, run.inputs)


def check_sealed(name: str, seal: Seal, made: Seal) -> None:
    """Raise UsageError, with a line for every difference, if what a run is made under is not a sealed protocol."""
    if seal.scorer != SCORER:
        raise UsageError(
            f"{name} was sealed under the scorer {seal.scorer}, and this segharness has {SCORER}: "
            "install the version of segharness that the protocol names, or a newer protocol"
        )
    found = seal.differences(made)
    if found:
        raise UsageError([f"this is not {name}: {line}" for line in found])
