"""Specs of models: one model, a named set of models, and what a model needs of its device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segharness.errors import PluginError
from segharness.plugin.import_strings import Reference
from segharness.plugin.options import Option
from segharness.plugin.spec_checks import NAME, check_spec, is_foreign_reference, is_packaged_file

ANY = "any"
"""The kind of device of a model that runs on all."""


@dataclass(frozen=True)
class Needs:
    """What a model needs of the device it runs on.

    Attributes:
        device: the kind, as in torch's names without the number: ``"cuda"``, ``"cpu"`` ..., or ``"any"``.
        memory: GiB that the loaded model takes there at batch size 1. The model is not run on an accelerator that has
            less. On CPUs, only as many workers load it at once as the machine's memory allows.
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
    """A model that suites may name.

    Code is named as in every spec: by a function, or by an import string ``"package.module:function"``.

    Attributes:
        name: what suites call the model, such as ``acme/tiny``. Its form is `MODEL_NAME`.
        factory: ``factory(**options)`` returns a `Model`. If it has a parameter named `device`, it gets the worker's
            device (``"cpu"``, ``"cuda:0"``); if it has one named `weights`, it gets the path or name of the weights.
            None for a model that only has `foreign`.

        Description, for ``segharness models``:

        description: one line.
        licence: of the code and the weights.
        paper: its address or citation.
        tags: selected by ``-m``.
        metadata: anything else, such as backbone or normalisation.
        categories: the model's, for ``segharness collect --labels``; if None, that command loads the model to learn
            them. A model whose categories differ from these is refused.

        Options:

        version: changes when the same options begin to give other predictions. Part of identities.
        options: what a suite may set, by name.
        fixed: further arguments of the factory, which suites cannot change.
        tail: the option that takes the rest of a longer name. With ``tail="folder"``, ``coco-results/DIR`` is the model
            ``coco-results`` with the option ``folder: DIR``.
        check: ``check(weights, **options)`` returns, in one line, what is wrong with weights and options together, or
            None. It gets those options and `fixed` arguments that it has parameters for. It is called before the first
            cell, with a path, a name or None as weights, and imports no framework.

        Weights:

        weights: whether a suite gives weights: ``"none"``, ``"optional"`` or ``"required"``.
        weights_file: a file that comes with the plugin, used if a suite gives none: ``"package:path/in/it"``, where
            the package is a top-level one. Needs `weights_digest`; `weights` is then not ``"required"``.
        weights_digest: the sha256 (64 hexadecimal digits) of `weights_file` or, without it, of the file that a suite
            must give.
        weights_names: names that a suite may give instead of a file. Each is mapped to the sha256 of those weights, its
            first digits, or ``""`` if it is unknown.
        weights_pattern: a regular expression of further names that `fetch` takes. With it, a suite may also give a
            folder.
        weights_form: what messages call such names.
        weights_files: glob patterns of the files that count in a folder of weights.
        fetch: ``fetch(weights, ...)`` returns the file or folder that a name stands for, and downloads it first if
            needed. It gets those options and `fixed` arguments that it has parameters for. It is called once,
            before the first cell; the factory gets the path, and workers refuse weights that changed since. Without
            `fetch`, and for the name ``random``, the factory gets the name.

        Environment:

        needs: which devices can run the model.
        imports: the framework's module, which the factory's process must be able to import.
        foreign: ``"package:path/in/it.py:function"``, a function in a file that imports nothing of segharness. It makes
            the model in another environment: under the interpreter of the suite's ``python: PATH`` or, if the suite
            names none, of ``segharness config set python.<imports> PATH``. Without either, `factory` makes the model in
            this environment.
        foreign_packages: packages of this environment that the foreign file may import. They import nothing of
            segharness.
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
        factories = [self.factory] if self.factory is not None or self.foreign is None else []
        check_spec(self, *factories, is_model=True)
        check_spec(self, *(function for function in (self.fetch, self.check) if function is not None), is_model=True)
        if self.foreign is not None and not is_foreign_reference(self.foreign):
            raise PluginError(
                f"ModelSpec `{self.name}`: foreign is {self.foreign!r}, not 'package:path/in/it.py:function'"
            )
        if not isinstance(self.needs, Needs) or (problem := self.needs.problem()) is not None:
            raise PluginError(
                f"ModelSpec `{self.name}`: needs: {problem if isinstance(self.needs, Needs) else self.needs!r}"
            )
        if self.tail is not None and self.tail not in self.options:
            raise PluginError(f"ModelSpec `{self.name}`: its tail `{self.tail}` is not one of its options")
        if self.weights not in ("none", "optional", "required"):
            raise PluginError(f"ModelSpec `{self.name}`: weights is {self.weights!r}, not none, optional or required")
        if self.weights_file is not None and not is_packaged_file(self.weights_file):
            raise PluginError(
                f"ModelSpec `{self.name}`: weights_file is {self.weights_file!r}, not 'package:path/in/it'"
            )
        digest = self.weights_digest
        if digest is not None and not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)):
            raise PluginError(f"ModelSpec `{self.name}`: weights_digest is {digest!r}, not a sha256: 64 of 0-9 and a-f")
        if self.weights_file is not None and (self.weights_digest is None or self.weights == "required"):
            raise PluginError(
                f"ModelSpec `{self.name}`: a weights_file needs a weights_digest, and weights that are not 'required'"
            )


@dataclass(frozen=True)
class ModelSet:
    """Models that a suite may name together, such as those of a paper.

    Attributes:
        name: what suites call the set. It shares a namespace with the names of models.
        models: maps the id that each model gets in a suite to the model's name. Models may be those of other plugins.
        description: one line, for ``segharness models``.
    """

    name: str
    models: Mapping[str, str]
    description: str = ""

    def __post_init__(self) -> None:
        check_spec(self)
        ids = self.models if isinstance(self.models, Mapping) else {}
        if not ids or not all(NAME.fullmatch(id) and "/" not in id for id in ids):
            raise PluginError(f"ModelSet `{self.name}`: models must map ids, {NAME.pattern} without /, to names")
