"""A run's folder: where everything is, who holds it, and its manifest."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from segharness.errors import StoreError
from segharness.store.atomic import write_atomic
from segharness.store.schemas import SCHEMA_VERSION, check_version
from segharness.store.shards import ShardFiles

try:
    import fcntl
except ImportError:  # a system without it gets no lock, and Windows is not supported
    fcntl = None  # type: ignore[assignment]


class RunFolder:
    """``runs/<suite>/``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def results(self) -> Path:
        return self.path / "results.arrow"

    @property
    def failures(self) -> Path:
        return self.path / "failures.json"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def shard(self, model: str, dataset: str, condition: str, shard: int) -> ShardFiles:
        name = f"{shard:05d}.arrow"
        parts = Path(model) / dataset / condition / name
        return ShardFiles(self.path / "predictions" / parts, self.path / "images" / parts)

    def forget(self, model: str, dataset: str, condition: str) -> None:
        """Delete every shard of a cell."""
        for kind in ("predictions", "images"):
            shutil.rmtree(self.path / kind / model / dataset / condition, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what killed runs left half written; only for who holds the lock."""
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
            found = json.loads(self.manifest.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StoreError(f"{self.path}: not a run folder: it has no manifest.json") from None
        except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
            raise StoreError(f"{self.manifest}: damaged: {error}") from error
        if not isinstance(found, dict):
            raise StoreError(f"{self.manifest}: damaged: not a JSON object")
        found = check_version(found, str(self.manifest))
        if lacking := [key for key in ("suite", "inputs", "plugin_arguments", "protocol") if key not in found]:
            raise StoreError(f"{self.manifest}: damaged: it lacks `{lacking[0]}`")
        return found


class Lock:
    """Held while a run writes into a folder; a second run says so and stops."""

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.path / ".lock"
        self._handle: int | None = None

    def __enter__(self) -> Lock:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(f"{self._path.parent}: cannot be written: {error.strerror}") from error
        if fcntl is not None:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.read(self._handle, 32).decode() or "another process"
                os.close(self._handle)
                self._handle = None
                raise StoreError(
                    f"{self._path.parent}: another run (process {holder}) is writing here; wait for it, or use --out"
                ) from None
        os.ftruncate(self._handle, 0)
        os.write(self._handle, str(os.getpid()).encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
