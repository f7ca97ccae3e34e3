"""What a prediction file was made from: a dictionary of all inputs, and its hash.

Never in it: device count, paths, batch size, time.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segharness.data.dataset import Shard
from segharness.digests import content_digest, digest, file_digest
from segharness.plugin.host import BESIDE_SUITE, PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.options import Option
from segharness.plugin.specs import CorruptionSpec, DatasetSpec, MixtureSpec, ModelSpec
from segharness.plugin.weights import files_of_weights, is_name, weights_of
from segharness.records import Condition
from segharness.suite import ModelEntry, Suite
from segharness.suite.local_models import local_reference, sources

VERSION = 1


def source_digest(file: Path) -> str:
    """Return a digest of a Python file and of all that it imports from its own folder and below."""
    folder = file.resolve().parent
    return digest([[str(path.relative_to(folder)), file_digest(path)] for path in sources(file)])


def model_inputs(entry: ModelEntry, dataset: str, host: PluginHost, fetching: bool = True) -> dict[str, Any]:
    """Return what of a model decides its predictions on a data set: spec, options, weights, local source.

    Without `fetching`, weights that have a name are known by what their spec says of them.
    """
    inputs: dict[str, Any] = {}
    known: Mapping[str, Option] = {}
    if (local := entry.local) is not None:
        inputs["source"] = source_digest(local[0])
        inputs["function"] = local[1]
    elif (spec := host.find(entry.model, ModelSpec)) is not None:
        inputs["name"], inputs["version"], known = spec.name, spec.version, spec.options
        inputs |= _source_of(spec, host)
    else:
        inputs["name"] = entry.model
    inputs["weights"] = weights_inputs(entry, dataset, host, fetching)[1]
    inputs["options"] = _by_content(entry.options_on(dataset), known)
    return inputs


def weights_inputs(entry: ModelEntry, dataset: str, host: PluginHost, fetching: bool = True) -> tuple[Path | None, Any]:
    """Return where the weights of a model on a data set lie, and what is known of their content: None without any."""
    path = Path(entry.weights) if entry.weights else None
    spec = host.find(entry.model, ModelSpec) if entry.local is None else None
    if spec is None:
        found = content_digest(path) if path else {}
        return path, found.get("sha256") or found or None
    named = entry.weights is not None and is_name(spec, entry.weights)
    path = weights_of(spec, entry.weights, entry.options_on(dataset)) if fetching or not named else None
    found = {}
    if path is not None:
        found = content_digest(path, files_of_weights(spec, path))
    if named:
        digits = {"sha256": spec.weights_names.get(str(entry.weights), "")}
        return path, {"name": entry.weights, **(found or digits)}
    return path, found.get("sha256") or found or None


def _by_content(options: Mapping[str, Any], known: Mapping[str, Option]) -> dict[str, Any]:
    """Return what options decide: every one that names a file, a folder or code as a digest of its content."""
    found = {key: value for key, value in options.items() if key not in known or known[key].decides}
    for key, value in options.items():
        option = known.get(key)
        if option is None or not option.decides:
            continue
        if option.code and (code := local_reference(str(value))) is not None:
            found[key] = {"source": source_digest(Path(code[0])), "function": code[1]}
            continue
        path = Path(str(value))
        if option.path and path.exists():
            found[key] = content_digest(path, load(option.files)(path) if option.files is not None else None)
    return found


def dataset_inputs(name: str, dataset_digest: str, host: PluginHost) -> dict[str, Any]:
    """Return what a data set is; its plugin's version of it only where it is not the first."""
    version = host.get(name, DatasetSpec).version
    found = {"name": name, "digest": dataset_digest}
    return found if version == "1" else {**found, "version": version}


def condition_inputs(condition: Condition, seed: int, host: PluginHost) -> dict[str, Any]:
    """Return what decides the pixels; of a corruption that a plugin beside the suite offers, its source too."""
    if condition.corruption is None:
        return {"name": condition.name}
    inputs = {"name": condition.name, "corruption": condition.corruption, "version": condition.version, "seed": seed}
    return inputs | _source_of(host.get(condition.corruption, CorruptionSpec, MixtureSpec), host)


def _source_of(spec: Any, host: PluginHost) -> dict[str, str]:
    """Return the digest of the local plugin that offers a spec; nothing for one that is installed and has a version."""
    owner = Path(host.owner(spec).name)
    return {"source": source_digest(owner)} if owner.name == BESIDE_SUITE else {}


@dataclass(frozen=True)
class Inputs:
    """What every file of a run is made from; kept in the manifest, so that scoring needs no model.

    `models` is keyed by model id and data set id, the others by the id of what they describe.
    """

    models: Mapping[str, Mapping[str, Any]]
    datasets: Mapping[str, Any]
    conditions: Mapping[str, Any]

    @classmethod
    def gather(
        cls,
        suite: Suite,
        host: PluginHost,
        dataset_digests: Mapping[str, str],
        selected: Collection[str],
        objects: Collection[str] = (),
    ) -> Inputs:
        """Hash what the suite names.

        Args:
            suite, host: whose.
            dataset_digests: of the data sets, by id.
            selected: the ids of models that will run; only their weights are fetched.
            objects: the ids of models that are objects, known to this run only.

        Raises:
            UsageError: weights cannot be fetched.
        """
        once = uuid.uuid4().hex
        return cls(
            {
                m.id: {
                    d.id: {"object": once} if m.id in objects else model_inputs(m, d.id, host, m.id in selected)
                    for d in suite.datasets
                }
                for m in suite.models
            },
            {d.id: dataset_inputs(d.dataset, dataset_digests[d.id], host) for d in suite.datasets},
            {c.name: condition_inputs(c, suite.seed, host) for c in suite.conditions},
        )

    def of(self, model: str, dataset: str, condition: str, shard: Shard) -> dict[str, Any]:
        """Return all inputs of one shard's files."""
        return {
            "identity": VERSION,
            "model": self.models[model][dataset],
            "dataset": self.datasets[dataset],
            "condition": self.conditions[condition],
            "shard": [shard.index, shard.start, shard.stop],
        }

    def keeping(self, before: Inputs, selected: Collection[tuple[str, str]]) -> Inputs:
        """Return these inputs, with `before`'s for every model on a data set that is not `selected`."""
        models = {
            model: {
                dataset: inputs if (model, dataset) in selected else before.models.get(model, {}).get(dataset, inputs)
                for dataset, inputs in on.items()
            }
            for model, on in self.models.items()
        }
        return Inputs(models, self.datasets, self.conditions)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def protocol_inputs(suite: Suite, inputs: Inputs) -> dict[str, Any]:
    """Return what makes two results comparable: data, conditions, seed and scoring, but no model."""
    return {
        "identity": VERSION,
        "datasets": {d.id: {**inputs.datasets[d.id], "limit": d.limit, **d.policy} for d in suite.datasets},
        "conditions": [inputs.conditions[name] for name in sorted(c.name for c in suite.conditions)],
        "scoring": suite.scoring.to_json(),
    }


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Return one line for every input that differs, ``model.options.threshold: 0.5 -> 0.7``."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        lines = []
        for key in sorted({*old, *new}):
            lines += differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        return lines
    return [] if old == new else [f"{path}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
