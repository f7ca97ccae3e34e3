"""Specs of models: one model with its weights, device and environment, and named sets of models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from segharness.errors import PluginError
from segharness.plugin.import_strings import Reference, is_reference
from segharness.plugin.options import Option
from segharness.plugin.spec_checks import NAME, check_spec, is_foreign_reference, is_packaged_file

RESOLUTIONS = ("model", "original")
"""The sizes at which a network can be given images: as it was published, or as the images are."""

ANY = "any"
"""The kind of device of a model that runs on all."""


@dataclass(frozen=True)
class Needs:
    """What a model needs of the device it runs on.

    Attributes:
        device: the kind, as in torch's names without the number: ``"cuda"``, ``"cpu"`` ..., or ``"any"``.
        memory: GiB that the loaded model takes there at batch size 1, such as ``8``. The model is not run on an
            accelerator that has less. On CPUs, only as many workers load it at once as the machine's memory allows.

    Example:
        >>> Needs("cuda", memory=8).problem() is None
        True
    """

    device: str = ANY
    _: KW_ONLY
    memory: float = 0.0

    def problem(self) -> str | None:
        """Return what is wrong with the values, or None."""
        if not isinstance(self.device, str) or not re.fullmatch(r"[a-z]+", self.device):
            return f"device is {self.device!r}, not a kind such as cuda or cpu"
        if isinstance(self.memory, bool) or not isinstance(self.memory, (int, float)) or not 0 <= self.memory < 2**20:
            return f"memory is {self.memory!r}, not a number of GiB"
        return None


@dataclass(frozen=True)
class Origin:
    """Where fetched weights came from.

    Attributes:
        address: such as ``owner/name@commit``; manifests record it.
        note: what the user should know, such as that the name may stand for other weights tomorrow; else empty.

    Example:
        >>> Origin("acme/tiny@4f2c").note
        ''
    """

    address: str
    note: str = ""


@dataclass(frozen=True)
class WeightsSpec:
    """Which weights a model takes, and where they come from.

    Attributes:
        use: whether a suite gives weights: ``"none"``, ``"optional"`` or ``"required"``.
        sha256: 64 hexadecimal digits, of the file `shipped` or, without it, of the file that a suite must give. None if
            any file will do.

        Weights that come with the plugin:

        shipped: a file that is used if a suite gives none: ``"segharness_acme:weights/tiny.safetensors"``, where
            ``segharness_acme`` is a top-level package. Needs `sha256`; `use` is then not ``"required"``.

        Weights by name:

        names: names that a suite may give instead of a file, such as ``{"COCO_V1": "bf2d0c1e"}``. Each is mapped to the
            sha256 of those weights, its first digits, or ``""`` if it is unknown.
        pattern: a regular expression of further names that `fetch` takes, such as ``r"[a-z]+/[a-z-]+"``. With it, a
            suite may also give a folder.
        pattern_text: what messages call such names, such as ``"owner/name on the hub"``.
        fetch: ``fetch(weights, ...)`` returns the file or folder that a name stands for, and downloads it first if
            needed. It gets those options and `fixed` arguments of the model that it has parameters for. It is called
            once, before the first cell; the factory gets the path, and workers refuse weights that changed since.
            Without `fetch`, and for the name ``random``, the factory gets the name.
        origin: ``origin(path, weights, ...)`` returns the `Origin` of the path that `fetch` returned. It gets options as
            `fetch` does.
        files: ``files(path)`` returns the files whose content is that of the weights, if a file names further ones; it
            raises `UsageError` if one of them is missing.
        in_folder: glob patterns of the files that count in a folder of weights, such as ``("*.safetensors",)``.

    Example:
        >>> WeightsSpec("required", names={"COCO_V1": "bf2d0c1e"}, fetch="segharness_acme.weights:fetch").use
        'required'
    """

    use: str = "none"
    _: KW_ONLY
    sha256: str | None = None
    shipped: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    pattern: str | None = None
    pattern_text: str = ""
    fetch: Reference | None = None
    in_folder: tuple[str, ...] = ("**/*",)
    origin: Reference | None = None
    files: Reference | None = None

    def problem(self) -> str | None:
        """Return what is wrong with the values, or None."""
        if self.use not in ("none", "optional", "required"):
            return f"use is {self.use!r:.60}, not none, optional or required"
        if self.shipped is not None and not is_packaged_file(self.shipped):
            return f"shipped is {self.shipped!r:.60}, not 'package:path/in/it'"
        if self.sha256 is not None and not (
            isinstance(self.sha256, str) and re.fullmatch(r"[0-9a-f]{64}", self.sha256)
        ):
            return f"sha256 is {self.sha256!r:.80}, not 64 of 0-9 and a-f"
        if self.shipped is not None and (self.sha256 is None or self.use == "required"):
            return "a file that is shipped needs its sha256, and a use that is not 'required'"
        if not isinstance(self.names, Mapping) or not all(isinstance(text, str) for text in self.names.values()):
            return f"names is {self.names!r:.60}, not a mapping from names to digits of a sha256"
        if self.fetch is not None and not is_reference(self.fetch):
            return f"fetch is {self.fetch!r:.60}, neither a function nor 'package.module:function'"
        if not isinstance(self.in_folder, (tuple, list)):
            return f"in_folder is {self.in_folder!r:.60}, not a tuple of patterns"
        return None


@dataclass(frozen=True)
class ForeignSpec:
    """How a model is made in another Python environment, in which nothing of segharness is installed.

    Attributes:
        build: ``"package:path/in/it.py:function"``, a function in a file that imports nothing of segharness. It is
            called like the model's factory, under the interpreter of the suite's ``python: PATH`` or, if the suite
            names none, of ``segharness config set python.<imports> PATH``.
        packages: packages of this environment that the file may import, such as ``("segharness_torch",)``. They import
            nothing of segharness.

    Example:
        >>> ForeignSpec("segharness_acme:foreign_model.py:build").problem() is None
        True
    """

    build: str
    _: KW_ONLY
    packages: tuple[str, ...] = ()

    def problem(self) -> str | None:
        """Return what is wrong with the values, or None."""
        if not is_foreign_reference(self.build):
            return f"build is {self.build!r:.60}, not 'package:path/in/it.py:function'"
        if not isinstance(self.packages, (tuple, list)) or not all(isinstance(name, str) for name in self.packages):
            return f"packages is {self.packages!r:.60}, not a tuple of names"
        return None


@dataclass(frozen=True)
class ModelSpec:
    """A model that suites may name.

    Code is named as in every spec: by a function, or by an import string ``"package.module:function"``.

    Attributes:
        name: what suites call the model, such as ``acme/tiny``. Its form is `MODEL_NAME`.
        factory: ``factory(**options)`` returns a `Model`. If it has a parameter named `device`, it gets the worker's
            device (``"cpu"``, ``"cuda:0"``); if it has one named `weights`, it gets the path or name of the weights.
            None for a model that only has `foreign`.

        Description, for ``segharness models``:

        description: one line.
        licence: of the code and the weights, such as ``"Apache-2.0"``.
        paper: its address or citation.
        tags: selected by ``-m``, such as ``("detector", "two-stage")``.
        metadata: anything else, such as ``{"backbone": "R50", "normalisation": "GN"}``. Texts and numbers in it are facts
            of the model in results, which ``segharness report --by`` groups by; `segharness.plugin.facts.KNOWN` has the
            names that several plugins give.
        categories: the model's, for ``segharness collect --labels``; if None, that command loads the model to learn
            them. A model whose categories differ from these is refused.

        Options:

        options: what a suite may set, by name: ``{"score": Option("instances below are dropped")}``.
        fixed: further arguments of the factory, which suites cannot change, such as ``{"name": "r50"}``.
        tail: the option that takes the rest of a longer name. With ``tail="folder"``, ``coco-results/DIR`` is the model
            ``coco-results`` with the option ``folder: DIR``.
        check: ``check(weights, **options)`` returns, in one line, what is wrong with weights and options together, or
            None. It gets those options and `fixed` arguments that it has parameters for. It is called before the first
            cell, with a path, a name or None as weights, and imports no framework.
        stored: whether it is a `StoredPredictions`, which gets no images: they may then be missing, or too small for
            corruptions.
        reads: which files ``segharness score FILE --annotations TRUTH`` gives the model by its option `tail`: by their
            ending, the data set that opens their ground truth with the options ``annotations`` and ``images``, such as
            ``{".json": "coco/instances"}``.
        resolutions: the sizes at which it can be given images. ``"model"``, as it was published, is one of them. A spec
            with ``"original"`` too can take every image at its own size: where a suite says so, its factory gets
            ``resolution="original"``, and the network must get every image unscaled.
        version: changes when the same options begin to give other predictions. Part of identities.

        Weights and environment:

        weights: which weights it takes, such as ``WeightsSpec("required")``.
        needs: which devices can run the model, such as ``Needs("cuda", memory=8)``.
        imports: the framework's module, such as ``"mmdet"``, which the factory's process must be able to import.
        foreign: how it is made in another environment; None if `factory` always makes it in this one.

    Example:
        >>> ModelSpec("acme/tiny", factory="segharness_acme.model:Tiny", weights=WeightsSpec("optional")).weights.use
        'optional'
    """

    name: str
    _: KW_ONLY
    factory: Reference | None = None
    description: str = ""
    licence: str = ""
    paper: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    categories: tuple[str, ...] | None = None
    options: Mapping[str, Option] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    tail: str | None = None
    check: Reference | None = None
    stored: bool = False
    reads: Mapping[str, str] = field(default_factory=dict)
    resolutions: tuple[str, ...] = ("model",)
    version: str = "1"
    weights: WeightsSpec = WeightsSpec()
    needs: Needs = Needs()
    imports: str | None = None
    foreign: ForeignSpec | None = None

    def __post_init__(self) -> None:
        references = [self.factory] if self.factory is not None or self.foreign is None else []
        check_spec(self, *references, *([self.check] if self.check is not None else []), is_model=True)
        if self.tail is not None and self.tail not in self.options:
            raise PluginError(f"ModelSpec `{self.name}`: its tail `{self.tail}` is not one of its options")
        resolutions = self.resolutions if isinstance(self.resolutions, (tuple, list)) else ()
        if "model" not in resolutions or not set(resolutions) <= set(RESOLUTIONS):
            raise PluginError(
                f"ModelSpec `{self.name}`: resolutions is {self.resolutions!r:.60}, "
                "not ('model',) or ('model', 'original')"
            )
        for name, kind in (("weights", WeightsSpec), ("needs", Needs), ("foreign", ForeignSpec)):
            part = getattr(self, name)
            if part is None and name == "foreign":
                continue
            if not isinstance(part, kind):
                raise PluginError(f"ModelSpec `{self.name}`: {name} is {part!r:.60}, not a {kind.__name__}")
            if (problem := part.problem()) is not None:
                raise PluginError(f"ModelSpec `{self.name}`: {name}: {problem}")


@dataclass(frozen=True)
class ModelSet:
    """Models that a suite may name together, such as those of a paper.

    Attributes:
        name: what suites call the set. It shares a namespace with the names of models.
        models: maps the id that each model gets in a suite to the model's name: ``{"r50": "acme/r50"}``. Models may be
            those of other plugins.
        description: one line, for ``segharness models``.

    Example:
        >>> ModelSet("acme/paper", models={"r50": "acme/r50"}).models["r50"]
        'acme/r50'
    """

    name: str
    _: KW_ONLY
    models: Mapping[str, str]
    description: str = ""

    def __post_init__(self) -> None:
        check_spec(self)
        ids = self.models if isinstance(self.models, Mapping) else {}
        if not ids or not all(NAME.fullmatch(id) and "/" not in id for id in ids):
            raise PluginError(f"ModelSet `{self.name}`: models must map ids, {NAME.pattern} without /, to names")
