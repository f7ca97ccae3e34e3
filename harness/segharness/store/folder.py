"""A run's folder: where everything is, and its manifest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segharness.errors import StoreError
from segharness.store.atomic import write_atomic
from segharness.store.remote import StorePath, store_path
from segharness.store.schemas import SCHEMA_VERSION, check_version
from segharness.store.shards import ShardFiles


class RunFolder:
    """``runs/<suite>/``, here or on an object store."""

    def __init__(self, path: StorePath) -> None:
        self.path = path

    @classmethod
    def at(cls, text: str | os.PathLike[str]) -> RunFolder:
        """Return the folder that a path or URL names."""
        return cls(store_path(text))

    @property
    def manifest(self) -> StorePath:
        return self.path / "manifest.json"

    @property
    def results(self) -> StorePath:
        return self.path / "results.arrow"

    @property
    def failures(self) -> StorePath:
        return self.path / "failures.json"

    @property
    def status(self) -> StorePath:
        return self.path / "status.json"

    @property
    def logs(self) -> Path:
        """Where workers of this machine write what they and their models print: never on an object store."""
        if isinstance(self.path, Path):
            return self.path / "logs"
        name = hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"segharness-{name}" / "logs"

    def shard(self, model: str, dataset: str, condition: str, shard: int) -> ShardFiles:
        name = f"{shard:05d}.arrow"
        parts = f"{model}/{dataset}/{condition}/{name}"
        return ShardFiles(self.path / "predictions" / parts, self.path / "images" / parts)

    def forget(self, model: str, dataset: str, condition: str) -> None:
        """Delete every shard of a cell."""
        for kind in ("predictions", "images"):
            folder = self.path / kind / model / dataset / condition
            if isinstance(folder, Path):
                shutil.rmtree(folder, ignore_errors=True)
            else:
                folder.remove_tree()

    def sweep(self) -> None:
        """Delete what killed runs left half written; only for who holds the lock."""
        if isinstance(self.path, Path):
            for path in self.path.rglob("*.part"):
                path.unlink(missing_ok=True)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest.

        Raises:
            StoreError: it cannot be written.
        """
        text = json.dumps({"schema_version": SCHEMA_VERSION, **manifest}, indent=1, sort_keys=True)
        try:
            write_atomic(self.manifest, (text + "\n").encode())
        except OSError as error:
            raise StoreError(f"{self.manifest}: cannot be written: {error.strerror}") from error

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest.

        Raises:
            StoreError: this is no run folder, or its manifest is damaged or of a newer version.
        """
        try:
            manifest = json.loads(self.manifest.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StoreError(f"{self.path}: not a run folder: it has no manifest.json") from None
        except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
            raise StoreError(f"{self.manifest}: damaged: {error}") from error
        if not isinstance(manifest, dict):
            raise StoreError(f"{self.manifest}: damaged: not a JSON object")
        manifest = {**check_version(manifest, str(self.manifest)), "schema_version": SCHEMA_VERSION}
        if lacking := [key for key in ("suite", "inputs", "plugin_arguments", "protocol") if key not in manifest]:
            raise StoreError(f"{self.manifest}: damaged: it lacks `{lacking[0]}`")
        inputs = manifest["inputs"]
        if not isinstance(inputs, dict) or inputs.keys() != {"models", "datasets", "conditions"}:
            raise StoreError(f"{self.manifest}: damaged: its `inputs` are not those of a run")
        return manifest
