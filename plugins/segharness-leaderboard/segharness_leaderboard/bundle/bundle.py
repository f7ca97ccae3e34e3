"""A bundle on disk: ``bundle.json``, and ``blobs/`` with the files that it lists, each named by its SHA-256.

The path of a file says what it holds; nothing is opened by it. The root is a Merkle root: its first leaf is what
``bundle.json`` says beside the files, and each file is one more.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segharness import SegharnessError, write_atomic
from segharness.score import BrokenRule

from segharness_leaderboard.bundle.json_values import DIGEST, keys_problems, strict_json, text_problem
from segharness_leaderboard.bundle.merkle import merkle_root
from segharness_leaderboard.bundle.model_card import ModelCard

BUNDLE = "bundle.json"
BLOBS = "blobs"

SCHEMA_VERSION = 1
"""The version of the form of bundles."""

LARGEST_RECORD = 64 << 20
"""No ``bundle.json`` has more bytes."""

LARGEST_BLOB = 200 << 20
"""No file of a bundle has more bytes."""

LARGEST_TOTAL = 64 << 30
"""A bundle has no more bytes in all."""

MOST_FILES = 200_000
"""A bundle has no more files."""

_KEYS: Mapping[str, type[Any]] = {
    "schema_version": int,
    "protocol": dict,
    "model": dict,
    "card": dict,
    "made": dict,
    "files": list,
    "root": str,
}


@dataclass(frozen=True)
class BundleFile:
    """A file of a bundle: what it holds, its size in bytes, and its digest, which is its name."""

    path: str
    size: int
    sha256: str

    def leaf(self) -> bytes:
        """Return what the Merkle tree holds of it."""
        return _canonical(asdict(self))


@dataclass(frozen=True)
class Made:
    """What the predictions were made with: the version of segharness, packages, and whether pixels are known.

    Attributes:
        pixels: ``known`` if each image has the digest of the pixels that the model saw, else ``unknown``.
        packages: versions, by the name of the package.
    """

    pixels: str
    packages: Mapping[str, str]


@dataclass(frozen=True)
class Bundle:
    """A bundle, read or to be written.

    Attributes:
        protocol: the ``name`` and the ``id`` of the protocol.
        model: ``id``, ``name`` (as its plugin offers it), ``options``, ``options_for`` and ``inputs``, by data set.
        card: what the submitter says of the model.
        made: what the predictions were made with.
        files: in the order of their paths.
    """

    protocol: Mapping[str, str]
    model: Mapping[str, Any]
    card: ModelCard
    made: Made
    files: Sequence[BundleFile]

    def head(self) -> dict[str, Any]:
        """Return what ``bundle.json`` says beside the files and the root."""
        return {
            "schema_version": SCHEMA_VERSION,
            "protocol": dict(self.protocol),
            "model": dict(self.model),
            "card": self.card.to_json(),
            "made": {"pixels": self.made.pixels, "packages": dict(self.made.packages)},
        }

    @property
    def root(self) -> str:
        """The digest of the whole bundle, as hex."""
        return merkle_root([_canonical(self.head()), *(file.leaf() for file in self.files)])

    def write(self, folder: Path) -> None:
        """Write ``bundle.json``; the files are there already."""
        content = {**self.head(), "files": [asdict(file) for file in self.files], "root": self.root}
        write_atomic(folder / BUNDLE, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())

    @classmethod
    def read(cls, folder: Path) -> tuple[Bundle | None, list[BrokenRule]]:
        """Return the bundle in a folder, and everything that is wrong with its ``bundle.json``.

        It is None if a key is wrong; with a wrong root alone it is there. Nothing else is opened.
        """
        try:
            content = strict_json(read_bounded(folder / BUNDLE, LARGEST_RECORD))
        except (OSError, ValueError) as error:
            text = (getattr(error, "strerror", None) or str(error)).splitlines()[0]
            return None, [BrokenRule(BUNDLE, None, f"cannot be read: {text[:200]}")]
        if isinstance(content, Mapping) and type(content.get("schema_version")) is int:
            version = content["schema_version"]
            if version > SCHEMA_VERSION:
                newer = f"has the version {version}, and this one reads {SCHEMA_VERSION}: "
                return None, [BrokenRule(BUNDLE, None, f"{newer}pip install -U segharness-leaderboard")]
        findings = [
            BrokenRule(BUNDLE, None, f"`{place}` {problem}" if place else problem)
            for place, problem in _problems(content)
        ]
        if findings:
            return None, findings
        model_card = ModelCard.from_json(content["card"])
        files = [BundleFile(**file) for file in content["files"]]
        bundle = cls(content["protocol"], content["model"], model_card, Made(**content["made"]), files)
        if content["root"] != bundle.root:
            rule = "`root` is not that of its content: something was changed after packing; pack the run again"
            findings.append(BrokenRule(BUNDLE, None, rule))
        return bundle, findings


def _problems(content: Any) -> Iterator[tuple[str, str]]:
    """Yield the wrong keys of a ``bundle.json``, and what is wrong."""
    wrong = list(keys_problems(content, _KEYS))
    yield from wrong
    if wrong:
        return
    if content["schema_version"] != SCHEMA_VERSION:
        yield "schema_version", f"is {content['schema_version']}, not {SCHEMA_VERSION}"
    yield from _under("protocol", keys_problems(content["protocol"], {"name": str, "id": str}))
    yield from _under("card", ModelCard.problems_of(content["card"]))
    yield from _under("model", _model_problems(content["model"]))
    yield from _under("made", _made_problems(content["made"]))
    yield from _file_problems(content["files"])
    if not DIGEST.fullmatch(content["root"]):
        yield "root", "is no SHA-256"


def _under(name: str, problems: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    yield from ((f"{name}.{key}" if key else name, problem) for key, problem in problems)


def _model_problems(model: Any) -> Iterator[tuple[str, str]]:
    kinds = {"id": str, "name": str, "options": dict, "options_for": dict, "inputs": dict}
    wrong = list(keys_problems(model, kinds))
    yield from wrong
    if wrong:
        return
    for key in ("id", "name"):
        if problem := text_problem(model[key]):
            yield key, problem
    if not re.fullmatch(r"[a-z0-9._-]{1,200}", model["id"]) or not model["id"].strip("."):
        yield "id", "is not one of lower-case letters, digits, `.`, `_` and `-`"
    for key in ("options_for", "inputs"):
        if not all(isinstance(value, dict) for value in model[key].values()):
            yield key, "is not an object for each data set"


def _made_problems(made: Any) -> Iterator[tuple[str, str]]:
    wrong = list(keys_problems(made, {"pixels": str, "packages": dict}))
    yield from wrong
    if wrong:
        return
    if made["pixels"] not in ("known", "unknown"):
        yield "pixels", f"is {made['pixels']!r:.40}, not known or unknown"
    for name, version in made["packages"].items():
        if text_problem(name) or text_problem(version):
            yield "packages", f"is not a version for {name!r:.60}"


def _file_problems(files: list[Any]) -> Iterator[tuple[str, str]]:
    if len(files) > MOST_FILES:
        yield "files", f"has {len(files)} entries, more than {MOST_FILES}"
        return
    wrong = False
    for number, file in enumerate(files):
        problems = list(keys_problems(file, {"path": str, "size": int, "sha256": str}))
        if not problems:
            if text_problem(file["path"], 500):
                problems.append(("path", f"{text_problem(file['path'], 500)}"))
            if not DIGEST.fullmatch(file["sha256"]):
                problems.append(("sha256", "is no SHA-256"))
            if not 0 <= file["size"] <= LARGEST_BLOB:
                problems.append(("size", f"is {file['size']}; no file has more than {LARGEST_BLOB} bytes"))
        yield from ((f"files[{number}].{key}" if key else f"files[{number}]", problem) for key, problem in problems)
        wrong = wrong or bool(problems)
    if wrong:
        return
    if (total := sum(file["size"] for file in files)) > LARGEST_TOTAL:
        yield "files", f"have {total} bytes in all, more than {LARGEST_TOTAL}"
    paths = [file["path"] for file in files]
    if paths != sorted(set(paths)):
        yield "files", "are not in the order of their paths, or a path stands twice"


def weights_sha256(inputs: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 of the weights in a model's inputs; None if they are no single file.

    Example:
        >>> weights_sha256({"weights": {"name": "coco", "sha256": "ab"}}), weights_sha256({"weights": None})
        ('ab', None)
    """
    weights = inputs.get("weights")
    digest = weights.get("sha256") if isinstance(weights, Mapping) else weights
    return digest if isinstance(digest, str) else None


def expected_paths(shards: Mapping[str, int], conditions: Sequence[str]) -> list[str]:
    """Return the paths of the files that a bundle under a protocol has, sorted.

    Args:
        shards: the number of shards, by the id of the data set.
        conditions: the names of the conditions.

    Example:
        >>> expected_paths({"coco": 1}, ["clean"])
        ['images/coco/clean/00000.arrow', 'predictions/coco/clean/00000.arrow']
    """
    return sorted(
        f"{kind}/{dataset}/{condition}/{shard:05d}.arrow"
        for kind in ("images", "predictions")
        for dataset, count in shards.items()
        for condition in conditions
        for shard in range(count)
    )


def read_bounded(file: Path, most: int) -> bytes:
    """Return the bytes of a regular file; no link is followed.

    Raises:
        ValueError: it is a link, a pipe, a device or a folder, or has more than `most` bytes.
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(file.lstat().st_mode):
        raise ValueError("it is not a regular file")
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as opened:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is not a regular file")
        data = opened.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most} bytes")
    return data


def read_blob(folder: Path, file: BundleFile) -> bytes:
    """Return the bytes of a file of a bundle.

    Raises:
        SegharnessError: it is missing, or is not what ``bundle.json`` says.
    """
    try:
        data = read_bounded(folder / BLOBS / file.sha256, file.size)
    except FileNotFoundError as error:
        raise SegharnessError(f"its blob {file.sha256[:12]}... is missing") from error
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise SegharnessError(f"its blob {file.sha256[:12]}... cannot be read: {text}") from error
    if len(data) != file.size:
        raise SegharnessError(f"its blob has {len(data)} bytes, and `size` is {file.size}")
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise SegharnessError("its blob has another SHA-256")
    return data


def write_blob(folder: Path, path: str, data: bytes) -> BundleFile:
    """Write a file into a bundle, and return its entry."""
    file = BundleFile(path, len(data), hashlib.sha256(data).hexdigest())
    (folder / BLOBS).mkdir(parents=True, exist_ok=True)
    write_atomic(folder / BLOBS / file.sha256, data)
    return file


def strangers_in(folder: Path, bundle: Bundle) -> Iterator[BrokenRule]:
    """Yield the files of a folder that do not belong to its bundle. Links are not followed."""
    known = {BUNDLE, BLOBS}
    blobs = {file.sha256 for file in bundle.files}
    for entry in sorted(path.name for path in folder.iterdir()):
        if entry not in known:
            yield BrokenRule(_shown(entry), None, "does not belong to the bundle")
    if not stat.S_ISDIR((folder / BLOBS).lstat().st_mode):
        yield BrokenRule(BLOBS, None, "is not a folder")
        return
    for entry in sorted(path.name for path in (folder / BLOBS).iterdir()):
        if entry not in blobs:
            yield BrokenRule(f"{BLOBS}/{_shown(entry)}", None, "is listed by no entry of `files`")


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:200]


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
