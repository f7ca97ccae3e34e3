"""The manifest of a copy of a data set: what it is made from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segharness.data.open_dataset import OpenDataset
from segharness.errors import StoreError
from segharness.records import Condition
from segharness.store.atomic import write_atomic

SCHEMA_VERSION = 1
"""Of the manifest; a newer one is refused."""


@dataclass
class CopyManifest:
    """The inputs of a copy; written first, so that copies of other inputs are not mixed into its folder."""

    file: Path
    content: dict[str, Any]

    @classmethod
    def open(
        cls, opened: OpenDataset, conditions: Sequence[Condition], seed: int, kind: str, folder: Path
    ) -> CopyManifest:
        """Return the manifest of a copy, including the conditions that its folder already has; write nothing.

        Args:
            opened: the data set.
            conditions: of this copy.
            seed: of the random draws.
            kind: the image format.
            folder: of the copy.

        Raises:
            StoreError: the folder holds a copy of other inputs, or files that are not a copy.
        """
        entry, dataset = opened.entry, opened.dataset
        content: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "complete": False,
            "dataset": {
                "name": entry.dataset, "digest": dataset.digest, "images": len(opened.samples)
            },
            "seed": seed,
            "format": kind,
            "conditions": {
                c.name: {"corruption": c.corruption, "severity": c.severity, "version": c.version}
                for c in conditions
            },
        }  # fmt: skip
        file = folder / "manifest.json"
        if file.exists():
            content["conditions"] = _continued(file, content) | content["conditions"]
        elif folder.exists() and any(path.name != ".lock" for path in folder.iterdir()):
            raise StoreError(f"{folder}: is not empty and holds no export; give -o another folder")
        return cls(file, content)

    def write(self) -> None:
        """Write the file."""
        write_atomic(self.file, json.dumps(self.content, indent=1).encode())

    def finish(self, indices: Mapping[str, Mapping[str, Any]]) -> None:
        """Add what `CopiedImages.finish` returned for each condition, and write the file."""
        for name, index in indices.items():
            self.content["conditions"][name].update(index)
        self.content["complete"] = all("images" in c for c in self.content["conditions"].values())
        self.write()


def _continued(file: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the conditions that a folder already has; raise StoreError if it is a copy of other inputs."""
    try:
        before = json.loads(file.read_bytes())
        conditions: dict[str, Any] = {name: dict(entry) for name, entry in before["conditions"].items()}
        schema = int(before["schema_version"])
        data = dict(before["dataset"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise StoreError(f"{file}: damaged; give -o another folder") from error
    if schema > SCHEMA_VERSION:
        raise StoreError(f"{file}: was written by a newer segharness (schema {schema}); upgrade")
    changed = [key for key in ("seed", "format") if before.get(key) != content[key]]
    changed += [f"{key} of the data set" for key, value in content["dataset"].items() if data.get(key) != value]
    changed += [
        f"version of {name}"
        for name, entry in content["conditions"].items()
        if name in conditions and conditions[name].get("version") != entry["version"]
    ]
    if changed:
        raise StoreError(
            f"{file.parent}: holds an export of other inputs ({', '.join(changed)}); "
            "give -o another folder or remove it"
        )
    return conditions
