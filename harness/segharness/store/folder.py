"""A run folder: the paths of its files, and its manifest."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segharness.errors import StoreError
from segharness.store.arrow_file import Limits, read_regular
from segharness.store.atomic import write_atomic
from segharness.store.remote import StorePath, store_path
from segharness.store.schemas import SCHEMA_VERSION, check_version
from segharness.store.shards import ShardFiles, StoredShard, read_shard

_MANIFEST = Limits(inflated=256 << 20)
"""The largest manifest that is read."""


class RunFolder:
    """A run folder, ``runs/<suite>/``, on this machine or on an object store.

    Attributes:
        path: of the folder.
    """

    def __init__(self, path: StorePath) -> None:
        self.path = path

    @classmethod
    def from_text(cls, text: str | os.PathLike[str]) -> RunFolder:
        """Return the folder that a path or URL names.

        Raises:
            StoreError: it is a file.
        """
        path = store_path(text)
        if isinstance(path, Path) and path.is_file():
            raise StoreError(f"{text}: is a file; give the folder of a run, such as runs/{path.stem}")
        return cls(path)

    @property
    def manifest(self) -> StorePath:
        """The file that says what the run was made from."""
        return self.path / "manifest.json"

    @property
    def results(self) -> StorePath:
        """The table of all numbers; see `segharness.store.results`."""
        return self.path / "results.arrow"

    @property
    def failures(self) -> StorePath:
        """The cells that failed; see `segharness.store.failures`."""
        return self.path / "failures.json"

    @property
    def status(self) -> StorePath:
        """The progress of the run, for ``segharness status``."""
        return self.path / "status.json"

    @property
    def logs(self) -> Path:
        """The folder for what workers of this machine and their models print. It is never on an object store."""
        if isinstance(self.path, Path):
            return self.path / "logs"
        return _logs_of_store(self.path)

    def shard_files(self, model: str, dataset: str, condition: str, shard: int) -> ShardFiles:
        """Return the files of one shard of a cell; `shard` is its index."""
        name = f"{shard:05d}.arrow"
        parts = f"{model}/{dataset}/{condition}/{name}"
        return ShardFiles(self.path / "predictions" / parts, self.path / "images" / parts)

    def stored_shards(self, model: str, dataset: str, condition: str) -> list[StoredShard]:
        """Return the shards of a cell that were made from the manifest's inputs, verified, in order.

        There may be fewer than the cell needs, and their images may have errors. Scoring knows both.

        Raises:
            StoreError: this is not a run folder, or a file is damaged.
        """
        manifest = self.read_manifest()
        inputs = manifest["inputs"]
        limits = {entry["id"]: entry.get("limit") for entry in manifest["suite"]["datasets"]}
        files: list[StorePath] = list(self.shard_files(model, dataset, condition, 0).images.parent.glob("*.arrow"))
        found = []
        for file in sorted(files, key=str):
            if not re.fullmatch(r"[0-9]{5}\.arrow", file.name):
                continue
            try:
                shard = read_shard(self.shard_files(model, dataset, condition, int(file.name[:5])))
                parts = (inputs["models"][model][dataset], inputs["datasets"][dataset], inputs["conditions"][condition])
            except FileNotFoundError as error:
                raise StoreError(f"{file}: has no predictions beside it") from error
            except KeyError as error:
                raise StoreError(f"{self.manifest}: its inputs have no {error}") from error
            made_from = tuple(shard.inputs.get(key) for key in ("model", "dataset", "condition"))
            limit = limits.get(dataset)
            if made_from == parts and (limit is None or shard.inputs["shard"][2] <= limit):
                found.append(shard)
        return found

    def delete_cell(self, model: str, dataset: str, condition: str) -> None:
        """Delete every shard of a cell."""
        for kind in ("predictions", "images"):
            folder = self.path / kind / model / dataset / condition
            if isinstance(folder, Path):
                shutil.rmtree(folder, ignore_errors=True)
            else:
                folder.remove_tree()

    def delete_partial_files(self) -> None:
        """Delete temporary files that killed runs left. Only the holder of the lock may call this."""
        if isinstance(self.path, Path):
            for path in self.path.rglob("*.part"):
                if path.is_symlink() or not path.is_dir():
                    path.unlink(missing_ok=True)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest, with the schema version.

        Raises:
            StoreError: it cannot be written.
        """
        content = {"schema_version": SCHEMA_VERSION, **manifest}
        content["checksum"] = _checksum(content)
        text = json.dumps(content, indent=1, sort_keys=True)
        try:
            write_atomic(self.manifest, (text + "\n").encode())
        except OSError as error:
            raise StoreError(f"{self.manifest}: cannot be written: {error.strerror}") from error

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest.

        Raises:
            StoreError: this is not a run folder, or its manifest is damaged.
            SchemaError: a newer segharness wrote it.
        """
        try:
            manifest = json.loads(read_regular(self.manifest, _MANIFEST).decode())
        except FileNotFoundError:
            raise StoreError(f"{self.path}: not a run folder: it has no manifest.json") from None
        except (ValueError, RecursionError, OSError) as error:  # ValueError: not JSON, or not UTF-8
            raise StoreError(f"{self.manifest}: damaged: {str(error)[:200]}") from error
        if not isinstance(manifest, dict):
            raise StoreError(f"{self.manifest}: damaged: not a JSON object")
        has_one = "checksum" in manifest or "origins" in manifest  # earlier versions wrote neither
        if has_one and manifest.get("checksum") != _checksum(manifest):
            raise StoreError(f"{self.manifest}: damaged: its checksum does not match its content")
        manifest = {**check_version(manifest, str(self.manifest)), "schema_version": SCHEMA_VERSION}
        manifest.pop("checksum", None)
        if lacking := [key for key in ("suite", "inputs", "plugin_arguments", "protocol") if key not in manifest]:
            raise StoreError(f"{self.manifest}: damaged: it lacks `{lacking[0]}`")
        inputs = manifest["inputs"]
        if not isinstance(inputs, dict) or inputs.keys() != {"models", "datasets", "conditions"}:
            raise StoreError(f"{self.manifest}: damaged: its `inputs` are not those of a run")
        return manifest


@functools.cache
def _logs_of_store(path: StorePath) -> Path:
    """Return a folder of this process for the logs of a run on a store; nobody else can know or write its name."""
    folder = Path(tempfile.mkdtemp(prefix="segharness-"))
    atexit.register(_remove_if_empty, folder)
    return folder / "logs"


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def mapping_in(manifest: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a mapping of a manifest, which may come from anybody; an empty one in the place of anything else.

    Example:
        >>> mapping_in({"packages": {"numpy": "2"}, "origins": 3}, "origins")
        {}
    """
    value = manifest.get(key)
    return value if isinstance(value, Mapping) else {}


def _checksum(manifest: Mapping[str, Any]) -> str:
    """Return a hash of a manifest without its own checksum."""
    text = json.dumps({k: v for k, v in manifest.items() if k != "checksum"}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
