"""What plugins offer: cheap descriptions, made without importing a framework.

Wherever code is named, it is either an import string ``"package.module:function"``, imported only in the process that
needs it, or the function itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from segharness.errors import PluginError
from segharness.plugin.import_strings import Reference, is_reference
from segharness.plugin.options import Option

NAME = re.compile(r"[a-z0-9._-]+(/[a-z0-9._-]+)*")
MODEL_NAME = re.compile(r"[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*")
"""Names of models are those that their frameworks give them."""


def slug(name: str) -> str:
    """Return the id of a name in paths and node ids: ``torchvision/maskrcnn`` -> ``torchvision-maskrcnn``."""
    return re.sub(r"[/+]", "-", name).lower()


def _check(spec: Any, *references: Any) -> None:
    """Raise PluginError when a spec's name or code reference has the wrong form."""
    kind = type(spec).__name__
    form = MODEL_NAME if isinstance(spec, ModelSpec) else NAME
    if not isinstance(spec.name, str) or not form.fullmatch(spec.name):
        raise PluginError(f"{kind} name {spec.name!r} must match {form.pattern}")
    for reference in references:
        if not is_reference(reference):
            raise PluginError(
                f"{kind} `{spec.name}`: {reference!r} is neither a function nor 'package.module:function'"
            )
    for name in ("tags", "corruptions", "categories"):
        values = getattr(spec, name, ())
        if name == "categories" and values is None and isinstance(spec, ModelSpec):
            continue  # its categories are known only when it is loaded
        if not isinstance(values, (tuple, list)) or not all(isinstance(value, str) for value in values):
            raise PluginError(f"{kind} `{spec.name}`: {name} must be a tuple of strings, not {values!r:.60}")
    if not isinstance(getattr(spec, "severities", ()), (tuple, list)):
        raise PluginError(f"{kind} `{spec.name}`: severities must be a tuple of whole numbers")
    options = getattr(spec, "options", {})
    if not isinstance(options, Mapping) or not all(isinstance(option, Option) for option in options.values()):
        raise PluginError(f"{kind} `{spec.name}`: options must map names to `Option`s")


def _is_shipped(reference: Any) -> bool:
    """Return whether a reference names a file inside a top-level package."""
    if not isinstance(reference, str) or not re.fullmatch(r"[A-Za-z_]\w*:[^:]+", reference):
        return False
    path = PurePosixPath(reference.partition(":")[2])
    return not path.is_absolute() and ".." not in path.parts


def _is_foreign(reference: Any) -> bool:
    """Return whether a reference names a function of a Python file inside a top-level package."""
    if not isinstance(reference, str):
        return False
    file, _, function = reference.rpartition(":")
    return _is_shipped(file) and file.endswith(".py") and function.isidentifier()


ANY = "any"


@dataclass(frozen=True)
class Needs:
    """What a model needs of the device it runs on.

    Attributes:
        device: its kind, as in torch's names without the number: ``"cuda"``, ``"cpu"`` ..., or ``"any"``.
        memory: GiB that the loaded model takes there at batch 1. An accelerator that has less does not get it; workers on
            processors load it only as often as the machine's memory holds.
    """

    device: str = ANY
    memory: float = 0.0

    def problem(self) -> str | None:
        """Return what is wrong with the values, or None."""
        if not isinstance(self.device, str) or not re.fullmatch(r"[a-z]+", self.device):
            return f"device is {self.device!r}, not a kind such as cuda or cpu"
        if isinstance(self.memory, bool) or not isinstance(self.memory, (int, float)) or not 0 <= self.memory < 2**20:
            return f"memory is {self.memory!r}, not a number of GiB"
        return None


@dataclass(frozen=True)
class ModelSpec:
    """A model on offer.

    `factory(**options)` returns a `Model`; a parameter named `device` gets the worker's device (``"cpu"``, ``"cuda:0"``),
    a parameter named `weights` the suite's weights file. `version` changes when the same options begin to give other
    predictions. `weights` says whether a suite gives a weights file: ``"none"``, ``"optional"`` or ``"required"``;
    `weights_file` is one that comes with the plugin, ``"package:path/in/it"``, used when a suite gives none; the
    package is a top-level one.
    `weights_names` are names that a suite may give instead of a file, each with the sha256 of those weights, or its first
    digits, as far as known. `fetch(weights, ...)` returns the file or folder that a name stands for, and gets it there
    first; it may have parameters that are options. It is called before the first cell, and where the model is made: the
    factory gets the path. Without `fetch` the factory gets the name, as it gets ``random``. `weights_pattern` is a regular
    expression of further names that `fetch` takes, called `weights_form` in messages, and folders may be given too, of which
    the files count that match `weights_files`, patterns below it.
    `check(weights, **options)` returns what is wrong with weights and options together, in a line, or None. It may have
    parameters that are options or `fixed`, is called before the first cell with a path, a name or None, and imports no
    framework.
    `fixed` are arguments of the factory that no suite changes. `imports` is the framework's module, which the factory's
    process must have; where a suite names no interpreter it is that of ``segharness config set python.<imports>``, or this.
    `weights_digest` is the sha256 of that file or, without it, of the one that a suite must give. `metadata` is free:
    backbone, normalisation ... `categories` are the model's, for ``segharness collect --labels``, which loads it where they
    are None; a model that has others is refused. `tail` names the option that the rest of a longer name gives: with it
    ``coco-results/DIR`` is the model `coco-results` on that folder. `needs` says which devices can run it. `foreign`,
    ``"package:path/in/it.py:function"``, is a file that needs nothing of our world: where a suite says ``python: PATH`` the
    model is made by that function under that interpreter; a model that lives only there has no `factory`. That file may
    import modules of `foreign_packages`, packages of ours, that themselves import nothing of ours.
    """

    name: str
    factory: Reference | None
    description: str = ""
    licence: str = ""
    paper: str = ""
    tags: tuple[str, ...] = ()
    version: str = "1"
    weights: str = "none"
    weights_file: str | None = None
    weights_digest: str | None = None
    weights_names: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tail: str | None = None
    needs: Needs = Needs()
    foreign: str | None = None
    categories: tuple[str, ...] | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    fetch: Reference | None = None
    weights_pattern: str | None = None
    weights_form: str = ""
    weights_files: tuple[str, ...] = ("**/*",)
    check: Reference | None = None
    imports: str | None = None
    foreign_packages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self, *([self.factory] if self.factory is not None or self.foreign is None else []))
        _check(self, *(hook for hook in (self.fetch, self.check) if hook is not None))
        if self.foreign is not None and not _is_foreign(self.foreign):
            raise PluginError(
                f"ModelSpec `{self.name}`: foreign is {self.foreign!r}, not 'package:path/in/it.py:function'"
            )
        if not isinstance(self.needs, Needs) or (problem := self.needs.problem()) is not None:
            raise PluginError(
                f"ModelSpec `{self.name}`: needs: {problem if isinstance(self.needs, Needs) else self.needs!r}"
            )
        if self.tail is not None and self.tail not in self.options:
            raise PluginError(f"ModelSpec `{self.name}`: its tail `{self.tail}` is none of its options")
        if self.weights not in ("none", "optional", "required"):
            raise PluginError(f"ModelSpec `{self.name}`: weights is {self.weights!r}, not none, optional or required")
        if self.weights_file is not None and not _is_shipped(self.weights_file):
            raise PluginError(
                f"ModelSpec `{self.name}`: weights_file is {self.weights_file!r}, not 'package:path/in/it'"
            )
        digest = self.weights_digest
        if digest is not None and not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)):
            raise PluginError(f"ModelSpec `{self.name}`: weights_digest is {digest!r}, not a sha256: 64 of 0-9 and a-f")
        if self.weights_file is not None and (self.weights_digest is None or self.weights == "required"):
            raise PluginError(
                f"ModelSpec `{self.name}`: a weights_file needs its weights_digest, and makes weights optional"
            )


@dataclass(frozen=True)
class ModelSet:
    """Models that a suite may name together, such as those of a paper: `models` maps an id to the name of each."""

    name: str
    models: Mapping[str, str]
    description: str = ""

    def __post_init__(self) -> None:
        _check(self)
        ids = self.models if isinstance(self.models, Mapping) else {}
        if not ids or not all(NAME.fullmatch(id) and "/" not in id for id in ids):
            raise PluginError(f"ModelSet `{self.name}`: models must map ids, {NAME.pattern} without /, to names")


@dataclass(frozen=True)
class DatasetSpec:
    """A data set on offer; `factory(**options)` returns a `Dataset` or raises `DataError`.

    `version` changes when the same files begin to be another data set: other categories, aliases, numbers of annotations.
    The rest helps to set it up: `download` says how to get it, `size` how much that is, `tree` how its files must lie, and
    `parts` maps the values of the option `part` (``split``, ``domain``) to how many images each has, where that is known.
    """

    name: str
    factory: Reference
    description: str = ""
    licence: str = ""
    homepage: str = ""
    tags: tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    download: str = ""
    size: str = ""
    tree: str = ""
    version: str = "1"
    part: str = ""
    parts: Mapping[str, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self, self.factory)
        if self.parts and self.part not in self.options:
            raise PluginError(f"DatasetSpec `{self.name}`: its part `{self.part}` is none of its options")


@dataclass(frozen=True)
class CategorySet:
    """A named list of categories that suites may use as a split, such as ``voc``."""

    name: str
    categories: tuple[str, ...]
    description: str = ""

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class CorruptionSpec:
    """A corruption on offer; `apply` is the `Corruption` itself.

    `version` changes whenever pixels change. `parameters` maps a severity to what it means, for display. `unavailable`
    says why it cannot be used here and what to install; suites that name it are refused with that.
    """

    name: str
    apply: Reference
    category: str = ""
    description: str = ""
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    version: str = "1"
    parameters: Mapping[int, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    unavailable: str = ""

    def __post_init__(self) -> None:
        _check(self, self.apply)
        if not self.severities or any(type(s) is not int or not 1 <= s <= 100 for s in self.severities):
            raise PluginError(f"CorruptionSpec `{self.name}`: severities must be whole numbers from 1 to 100")


@dataclass(frozen=True)
class MixtureSpec:
    """A mixed corruption: each image draws one corruption from every stage and gets them in the order of the stages."""

    name: str
    stages: tuple[tuple[str, ...], ...]
    description: str = ""
    severities: tuple[int, ...] = (1,)
    version: str = "1"
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self)
        if not self.stages or not all(isinstance(stage, (tuple, list)) and stage for stage in self.stages):
            raise PluginError(f"MixtureSpec `{self.name}`: every stage needs at least one corruption")


@dataclass(frozen=True)
class ConditionSet:
    """A named list of corruptions at given severities, such as ``paper15``."""

    name: str
    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    description: str = ""

    def __post_init__(self) -> None:
        _check(self)
        if not self.corruptions or not self.severities:
            raise PluginError(f"ConditionSet `{self.name}` is empty")


@dataclass(frozen=True)
class MetricSpec:
    """A way to score one cell, named after its evaluation (``coco``).

    `score(request: segharness.ScoreRequest)` returns `segharness.Score` values. `ground_truth` is the kind
    asked of the data set, `also` are further kinds, used where it has them; `tasks` are those it can score (``segm``,
    ``bbox`` ...; a single one is scored whatever the suite asks for); `metrics` what it gives; `engines` the
    implementations there are, the default first. An evaluation that takes options has
    `configure(options) -> names of the metrics`, which raises `UsageError` for wrong ones.
    """

    name: str
    score: Reference
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    ground_truth: str = "instances"
    engines: tuple[str, ...] = ()
    description: str = ""
    also: tuple[str, ...] = ()
    configure: Reference | None = None

    def __post_init__(self) -> None:
        _check(self, self.score, *([self.configure] if self.configure is not None else []))


@dataclass(frozen=True)
class ExecutorSpec:
    """A way to execute units; `factory(options: segharness.execution.Options)` returns a `segharness.execution.Executor`.

    `configure(group: argparse's)` adds arguments to ``segharness run``, all of which begin with ``--<name>-``; their values
    are in `Options.arguments`.
    """

    name: str
    factory: Reference
    description: str = ""
    configure: Reference | None = None

    def __post_init__(self) -> None:
        _check(self, self.factory, *([self.configure] if self.configure is not None else []))


@dataclass(frozen=True)
class ReporterSpec:
    """A way to show results; `render(report: segharness.Report)` returns the text of one document."""

    name: str
    render: Reference
    suffix: str
    description: str = ""

    def __post_init__(self) -> None:
        _check(self, self.render)


@dataclass(frozen=True)
class CommandSpec:
    """A subcommand of ``segharness``.

    `configure(parser: argparse.ArgumentParser)` adds the arguments (and gets the plugins too if it has a parameter `host`);
    `execute(args: argparse.Namespace)` returns the exit
    code. Both are imported only when the command is called.
    """

    name: str
    help: str
    configure: Reference
    execute: Reference

    def __post_init__(self) -> None:
        _check(self, self.configure, self.execute)
