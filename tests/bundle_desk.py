"""A desk at which bundles are made and checked: a sealed protocol of the sample's squares, and a run under it."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
from segharness.store import ShardFiles, read_shard, write_shard
from segharness.testing import CommandLine
from segharness_leaderboard.bundle.bundle import BLOBS, Bundle, write_blob

SAMPLE = ("-p", "segharness.testing.sample")
BOOTSTRAP = ("--bootstrap", "100")
PROTOCOL = "sealed/squares-1.0"
CARD = (
    "--name", "A model", "--team", "A team", "--licence", "MIT", "--trained-on", "nothing",
    "--training-corruptions", "none", "--resize", "none", "--yes",
)  # fmt: skip
"""The flags of a model card that has everything that it must have."""

SUITE = """
segharness: 1
name: squares-1.0
seed: 3
models: [{id: finder, model: sample/finder}]
reference: finder
datasets: [{id: squares, dataset: sample/squares}]
conditions: [clean, {name: dims, corruptions: [sample/dim], severities: [1, 3]}]
scoring: {tasks: [segm, bbox]}
"""

MODEL = '''
"""A model that finds the sample's squares, and moves those of dark images by a pixel."""
import numpy as np
from segharness.testing.sample import Finder


class Shaky(Finder):
    def _find(self, image):
        found = super()._find(image)
        if image.max() > 200:
            return found
        masks = np.roll(found.masks, 4, axis=2)
        return type(found)(found.boxes, found.scores, found.labels, masks)


def build():
    return Shaky()
'''


class Desk(CommandLine):
    """The command line of a submitter who has run a model under the protocol, and of the board that checks its bundle."""

    def pack(self, run: str, out: str, *more: str, env=None):
        """Pack a run, and return the command's result."""
        shutil.rmtree(self.folder / out, ignore_errors=True)
        return self("submit", "pack", run, "-o", out, "--protocol", PROTOCOL, *CARD, *SAMPLE, *more, env=env)

    def check(self, bundle: str, *more: str):
        """Check a bundle as the board does, and return the command's result."""
        return self("submit", "check", bundle, "--protocol", PROTOCOL, *SAMPLE, *BOOTSTRAP, *more)

    def report(self, bundle: str, *more: str):
        """Check a bundle, and return the report."""
        done = self.check(bundle, "--json", *more)
        assert done.code in (0, 1), done.err
        return json.loads(done.out)

    def copy(self, bundle: str, name: str) -> Path:
        """Copy a bundle, and return the folder."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return Path(shutil.copytree(self.folder / bundle, self.folder / name, symlinks=True))


def replaced(folder: Path, path: str, data: bytes) -> None:
    """Replace a file of a bundle as its author would: with its digest, and the root over all of them."""
    bundle, findings = Bundle.read(folder)
    assert bundle is not None and not findings
    file = write_blob(folder, path, data)
    old = next(f for f in bundle.files if f.path == path)
    if old.sha256 != file.sha256:
        (folder / BLOBS / old.sha256).unlink()
    files = sorted([*(f for f in bundle.files if f.path != path), file], key=lambda f: f.path)
    Bundle(bundle.protocol, bundle.model, bundle.card, bundle.made, files).write(folder)


def blob(folder: Path, path: str) -> Path:
    """Return the blob of a file of a bundle."""
    bundle, _ = Bundle.read(folder)
    assert bundle is not None
    return folder / BLOBS / next(f.sha256 for f in bundle.files if f.path == path)


def edited_shard(folder, change, cell, number="00000"):
    """Write the first shard of a cell again, with tables or inputs that `change` replaces, as its author would."""
    paths = {kind: f"{kind}/{cell}/{number}.arrow" for kind in ("predictions", "images")}
    with tempfile.TemporaryDirectory() as scratch:
        files = ShardFiles(Path(scratch, "p.arrow"), Path(scratch, "i.arrow"))
        for kind, file in (("predictions", files.predictions), ("images", files.images)):
            file.write_bytes(blob(folder, paths[kind]).read_bytes())
        stored = read_shard(files)
        parts = {"predictions": stored.predictions, "images": stored.images, "inputs": dict(stored.inputs)}
        parts |= change(stored)
        write_shard(files, parts["predictions"], parts["images"], parts["inputs"], stored.predictable)
        for kind, file in (("predictions", files.predictions), ("images", files.images)):
            replaced(folder, paths[kind], file.read_bytes())


def column(table, schema, name, values):
    number = table.schema.get_field_index(name)
    return table.set_column(number, schema.field(name), pa.array(values, schema.field(name).type))
