"""Packs a run into a bundle: its predictions, written again with nothing in them but what a board needs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from segharness import ModelSpec, PluginHost, StoreError, UsageError
from segharness.protocols import NamedProtocol, Seal, find_protocol, named_protocols, seal_of_folder
from segharness.redaction import without_folders
from segharness.score import GivenPlaces, find_data_sources
from segharness.store import RunFolder, ShardFiles, read_shard, write_shard

from segharness_leaderboard.bundle.bundle import Bundle, BundleFile, Made, expected_paths, weights_sha256, write_blob
from segharness_leaderboard.bundle.json_values import text_problem
from segharness_leaderboard.bundle.model_card import ModelCard

_PACKAGES = (
    "hotcoco", "imagecorruptions", "numpy", "opencv-python", "opencv-python-headless", "pillow", "pyarrow", "pycocotools",
    "scikit-image", "scipy", "segharness", "segharness-corruptions", "simplejpeg", "torch", "torchvision",
)  # fmt: skip
"""The packages whose versions are published: those that may decide a pixel or a prediction. Others may be private."""


@dataclass(frozen=True)
class PackedBundle:
    """A bundle that was written.

    Attributes:
        folder: it is in.
        bundle: what it says.
        notes: what will keep it out of a higher tier, a line each.
    """

    folder: Path
    bundle: Bundle
    notes: tuple[str, ...]


def check_target(out: Path) -> None:
    """Raise UsageError if a bundle cannot be written to a folder: there is something already."""
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise UsageError(f"{out}: is there already; a bundle is never replaced")


def protocol_of_run(folder: RunFolder, host: PluginHost, name: str | None = None) -> NamedProtocol:
    """Return the named protocol that a run was made under.

    Args:
        folder: of the run.
        host: the plugins that offer protocols.
        name: of the protocol; None for the one that fits.

    Raises:
        UsageError: none fits. The message says in what the run differs from each.
    """
    made = seal_of_folder(folder)
    candidates = [find_protocol(name, host)] if name is not None else named_protocols(host)
    sealed = [(candidate, candidate.sealed()) for candidate in candidates if candidate.seal is not None or name]
    for candidate, seal in sealed:
        if seal.id == made.id:
            return candidate
    raise UsageError(
        [_not_of(folder, candidate, seal, made) for candidate, seal in sealed]
        or ["no plugin on this machine offers a sealed protocol: pip install segharness-leaderboard"]
    )


def _not_of(folder: RunFolder, candidate: NamedProtocol, seal: Seal, made: Seal) -> str:
    found = seal.differences(made)
    more = f" and {len(found) - 3} more differences" if len(found) > 3 else ""
    return f"{folder.path}: was not made under {candidate.name}: {'; '.join(found[:3])}{more}"


def pack(
    folder: RunFolder,
    host: PluginHost,
    out: Path,
    card: ModelCard,
    *,
    model: str | None = None,
    name: str | None = None,
    given: GivenPlaces | None = None,
    wheel: Path | None = None,
) -> PackedBundle:
    """Pack one model of a run.

    Args:
        folder: of the run; all its cells of the model are complete.
        host: the plugins.
        out: the folder to write; it must not exist, or be empty.
        card: what the submitter says of the model.
        model: its id; None for the only one.
        name: of the protocol; None for the one that the run was made under.
        given: where the run's data lie; None for what this machine remembers.
        wheel: the file of the card's plugin, which has to be the one that offers the model; None without.

    Raises:
        UsageError: the run was made under no named protocol, has several models and none is chosen, lacks cells, or the
            card has a mistake.
    """
    named = protocol_of_run(folder, host, name)
    manifest = folder.read_manifest()
    models = {entry["id"]: entry for entry in manifest["suite"]["models"]}
    if model is None and len(models) != 1:
        raise UsageError(f"{folder.path}: has several models ({', '.join(models)}): choose one with --model")
    chosen = model if model is not None else next(iter(models))
    if chosen not in models:
        raise UsageError(f"{folder.path}: has no model `{chosen}` (it has {', '.join(models)})")
    problems = [f"the card's `{key}` {problem}" for key, problem in ModelCard.problems_of(card.to_json())]
    inputs = manifest["inputs"]["models"][chosen]
    problems += _weights_problems(card, inputs)
    problems += _plugin_problems(wheel, models[chosen]["model"], host) if wheel is not None else []
    if problems:
        raise UsageError(problems)
    check_target(out)
    entry = models[chosen]
    described = {
        "id": chosen,
        "name": entry["model"],
        "options": entry["options"],
        "options_for": {id: options for id, options in entry["options_for"].items() if options},
        "inputs": inputs,
    }
    given = given or GivenPlaces()
    places = GivenPlaces(given.datasets, given.references or (named.reference,), given.variables)
    shards = {id: len(opened.shards) for id, opened in find_data_sources(folder, host, places).datasets.items()}
    conditions = [condition["name"] for condition in manifest["suite"]["conditions"]]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        part = Path(scratch, "bundle")
        files, pixels = _write_files(folder, chosen, expected_paths(shards, conditions), part)
        versions = manifest.get("packages", {})
        packages = {name: versions[name] for name in _PACKAGES if text_problem(versions.get(name)) is None}
        protocol = {"name": named.name, "id": named.sealed().id}
        bundle = Bundle(protocol, described, card, Made(pixels, packages), sorted(files, key=lambda file: file.path))
        bundle.write(part)
        if out.exists():
            out.rmdir()  # it is empty
        part.rename(out)
    return PackedBundle(out, bundle, tuple(_notes(bundle, entry.get("weights") is not None)))


def _weights_problems(card: ModelCard, inputs: Mapping[str, Any]) -> list[str]:
    """Return a line if the weights of the card are not those that the run was made with."""
    if card.weights is None:
        return []
    used = {digest for on in inputs.values() if (digest := weights_sha256(on)) is not None}
    if used and card.weights.sha256 not in used:
        return [f"--weights: has the SHA-256 {card.weights.sha256[:12]}..., the run's weights {min(used)[:12]}..."]
    return []


def _plugin_problems(wheel: Path, model: str, host: PluginHost) -> list[str]:
    """Return a line if a wheel is not of the distribution that offers a model on this machine, in its version."""
    spec = host.find(model, ModelSpec)
    if spec is None:
        return [
            f"--plugin {wheel.name}: the run's model `{model}` is offered by no plugin here; run it by its plugin's name"
        ]
    owner = host.owner(spec)
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        return [f"--plugin {wheel.name}: {error}"]
    if (name, str(version)) != (canonicalize_name(owner.distribution), owner.version):
        return [f"--plugin {wheel.name}: the run's model `{model}` is offered by {owner.distribution} {owner.version}"]
    return []


def _write_files(folder: RunFolder, model: str, paths: list[str], out: Path) -> tuple[list[BundleFile], str]:
    """Write every shard again, and return the entries and whether pixels are known."""
    problems: list[str] = []
    absent: dict[str, int] = {}
    files: list[BundleFile] = []
    unknown = images = 0
    with tempfile.TemporaryDirectory(prefix="segharness-") as scratch:
        targets = ShardFiles(Path(scratch, "predictions.arrow"), Path(scratch, "images.arrow"))
        for path in paths:
            kind, dataset, condition, number = path.split("/")
            if kind != "images":
                continue
            cell = f"{model}::{dataset}::{condition}"
            try:
                stored = read_shard(folder.shard_files(model, dataset, condition, int(number[:5])))
            except FileNotFoundError:
                absent[cell] = absent.get(cell, 0) + 1
                continue
            except StoreError as error:
                problems += error.problems
                continue
            if failed := len(stored.images) - stored.images.column("error").null_count:
                problems.append(f"{cell}: the model failed on {failed} images of shard {int(number[:5])}")
                continue
            facts = {key: without_folders(v) if isinstance(v, str) else v for key, v in stored.facts.items()}
            write_shard(targets, stored.predictions, stored.images, stored.inputs, stored.predictable, facts)
            unknown += stored.images.column("pixels").null_count
            images += len(stored.images)
            for part, target in (("images", targets.images), ("predictions", targets.predictions)):
                files.append(write_blob(out, f"{part}/{dataset}/{condition}/{number}", Path(str(target)).read_bytes()))
    if absent:
        cells = list(absent)
        more = f" and {len(cells) - 1} more cells" if len(cells) > 1 else ""
        goes_on = "the same `segharness run` goes on with it"
        problems.insert(0, f"{folder.path}: {cells[0]}{more} did not run to the end: {goes_on}")
    if 0 < unknown < images:
        problems.append(f"{folder.path}: only some images have a digest of their pixels")
    if problems:
        rest = [f"and {len(problems) - 20} more"] if len(problems) > 20 else []
        raise UsageError([*problems[:20], *rest])
    return files, "unknown" if unknown else "known"


def _notes(bundle: Bundle, given_weights: bool) -> list[str]:
    """Return what will keep a bundle in tier 2, a line each; `given_weights`: the run named weights, which need a file."""
    notes = []
    if bundle.made.pixels == "unknown":
        notes.append("these are result files of another program: what pixels the model saw is not known")
    if bundle.model["name"].endswith(".py") or ".py:" in bundle.model["name"]:
        notes.append("the model is a local file: put it into a plugin (`segharness new plugin`)")
    card = bundle.card
    if card.plugin is None:
        notes.append("the card names no wheel of the model's plugin (--plugin FILE.whl --plugin-url URL)")
    elif not card.plugin.url:
        notes.append("the card does not say where its wheel can be fetched (--plugin-url URL)")
    if given_weights and (card.weights is None or not card.weights.url):
        notes.append("the card does not say where its weights can be fetched (--weights FILE --weights-url URL)")
    if "${" in str([bundle.model["options"], bundle.model["options_for"]]):
        notes.append("an option is the value of a variable, which others do not have")
    return notes
