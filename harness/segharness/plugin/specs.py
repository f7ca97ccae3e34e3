"""What plugins offer: cheap descriptions, made without importing a framework.

Wherever code is named, it is either an import string ``"package.module:function"``, imported only in the process that
needs it, or the function itself. The specs of models are in `segharness.plugin.model_specs`, those of evaluations in
`segharness.plugin.metric_specs`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from segharness.errors import PluginError
from segharness.plugin.import_strings import Reference
from segharness.plugin.metric_specs import Metric, MetricSpec
from segharness.plugin.model_specs import ANY, ForeignSpec, ModelSet, ModelSpec, Needs, Origin, WeightsSpec
from segharness.plugin.options import Option
from segharness.plugin.packaged_file import packaged_file
from segharness.plugin.protocol_specs import ProtocolSpec
from segharness.plugin.published_specs import PublishedSpec
from segharness.plugin.spec_checks import MODEL_NAME, NAME, check_spec, is_packaged_file, slug

__all__ = [
    "ANY",
    "MODEL_NAME",
    "NAME",
    "CategorySet",
    "CommandSpec",
    "ConditionSet",
    "CorruptionSpec",
    "DatasetSpec",
    "ExecutorSpec",
    "ForeignSpec",
    "Metric",
    "MetricSpec",
    "MixtureSpec",
    "ModelSet",
    "ModelSpec",
    "Needs",
    "Origin",
    "ProtocolSpec",
    "PublishedSpec",
    "ReporterSpec",
    "SuiteSpec",
    "WeightsSpec",
    "slug",
]


@dataclass(frozen=True)
class DatasetSpec:
    """A data set that suites may name.

    Attributes:
        name: what suites call the data set, such as ``coco/2017``.
        factory: ``factory(**options)`` returns a `Dataset`, or raises `DataError` if its files are missing or broken.
        description: one line, for ``segharness datasets``.
        licence: of images and annotations.
        homepage: its address.
        tags: selected by ``-m``.
        options: what a suite may set, by name.
        download: how to get it.
        size: how much there is to download.
        tree: how its files must lie.
        version: changes when the same files begin to be another data set: other categories, other aliases, or another
            number of annotations. Part of identities.
        part: the option that chooses a part of it, such as ``split`` or ``domain``.
        parts: maps the values of that option to the number of images of each, or to None if it is not known.

    Example:
        >>> DatasetSpec(
        ...     "acme/dots",
        ...     factory="segharness_acme.dataset:Dots",
        ...     options={"root": Option("the folder", path=True, required=True, variable="acme")},
        ... ).name
        'acme/dots'
    """

    name: str
    _: KW_ONLY
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
        check_spec(self, self.factory)
        if self.parts and self.part not in self.options:
            raise PluginError(f"DatasetSpec `{self.name}`: its part `{self.part}` is not one of its options")


@dataclass(frozen=True)
class CategorySet:
    """A named list of categories that suites may use as a split, such as ``voc``.

    Attributes:
        name: what suites call the list.
        categories: the names of the categories.
        description: one line.

    Example:
        >>> CategorySet("pets", categories=("cat", "dog")).categories
        ('cat', 'dog')
    """

    name: str
    _: KW_ONLY
    categories: tuple[str, ...]
    description: str = ""

    def __post_init__(self) -> None:
        check_spec(self)


@dataclass(frozen=True)
class CorruptionSpec:
    """A corruption that suites may name.

    Attributes:
        name: what suites call the corruption, such as ``acme/night``.
        apply: the `Corruption`: ``apply(image, severity, rng)``.
        category: such as blur, noise, digital or weather; selected by ``-m``, too.
        description: one line, for ``segharness corruptions``.
        severities: those it is defined for, whole numbers from 1 to 100.
        version: changes whenever pixels change. Part of identities.
        parameters: maps a severity to what it means, for display.
        tags: selected by ``-m``.
        unavailable: why the corruption cannot be used here, and what to install; empty if it can. Suites that name it
            are refused with this text.
        smallest: the shortest side in pixels of an image that it takes. Runs on smaller ones are refused.

    Example:
        >>> CorruptionSpec("acme/night", apply="segharness_acme.night:night", category="weather").severities
        (1, 2, 3, 4, 5)
    """

    name: str
    _: KW_ONLY
    apply: Reference
    category: str = ""
    description: str = ""
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    version: str = "1"
    parameters: Mapping[int, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    unavailable: str = ""
    smallest: int = 1

    def __post_init__(self) -> None:
        check_spec(self, self.apply)
        if type(self.smallest) is not int or self.smallest < 1:
            raise PluginError(
                f"CorruptionSpec `{self.name}`: smallest is {self.smallest!r:.40}, not a number of pixels"
            )
        if not self.severities or any(type(s) is not int or not 1 <= s <= 100 for s in self.severities):
            raise PluginError(f"CorruptionSpec `{self.name}`: severities must be whole numbers from 1 to 100")


@dataclass(frozen=True)
class MixtureSpec:
    """A mixture: each image draws one corruption from every stage, and gets them in the order of the stages.

    Attributes:
        name: what suites call the mixture. It shares a namespace with the names of corruptions.
        stages: for each stage, the names of the corruptions it draws from. They may be those of other plugins.
        description: one line, for ``segharness corruptions``.
        severities: those it is defined for.
        version: changes whenever the draws change. Part of identities.
        tags: selected by ``-m``.

    Example:
        >>> MixtureSpec("acme/evening", stages=(("acme/night",), ("acme/grain", "acme/rain"))).severities
        (1,)
    """

    name: str
    _: KW_ONLY
    stages: tuple[tuple[str, ...], ...]
    description: str = ""
    severities: tuple[int, ...] = (1,)
    version: str = "1"
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_spec(self)
        if not self.stages or not all(isinstance(stage, (tuple, list)) and stage for stage in self.stages):
            raise PluginError(f"MixtureSpec `{self.name}`: every stage needs at least one corruption")


@dataclass(frozen=True)
class ConditionSet:
    """A named list of corruptions at given severities, such as ``paper15``.

    Attributes:
        name: what suites call the list. It shares a namespace with the names of corruptions.
        corruptions: the names of the corruptions. They may be those of other plugins.
        severities: those at which every one of them is applied.
        description: one line, for ``segharness corruptions``.

    Example:
        >>> ConditionSet("acme-all", corruptions=("acme/night", "acme/grain"), severities=(1, 3)).severities
        (1, 3)
    """

    name: str
    _: KW_ONLY
    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    description: str = ""

    def __post_init__(self) -> None:
        check_spec(self)
        if not self.corruptions or not self.severities:
            raise PluginError(f"ConditionSet `{self.name}` is empty")


@dataclass(frozen=True)
class ExecutorSpec:
    """A way to execute the units of a run.

    Attributes:
        name: what ``--executor`` calls it.
        factory: ``factory(options: segharness.execution.ExecutorOptions)`` returns a `segharness.execution.Executor`.
        description: one line.
        configure: ``configure(group)`` adds arguments to an argparse group of ``segharness run``. All begin with
            ``--<name>-``; their values are in `ExecutorOptions.arguments`. None for an executor without arguments.

    Example:
        >>> ExecutorSpec("acme-one", factory="segharness_acme.executor:OneWorker").name
        'acme-one'
    """

    name: str
    _: KW_ONLY
    factory: Reference
    description: str = ""
    configure: Reference | None = None

    def __post_init__(self) -> None:
        check_spec(self, self.factory, *([self.configure] if self.configure is not None else []))


@dataclass(frozen=True)
class ReporterSpec:
    """A format of documents for ``segharness report``.

    Attributes:
        name: what ``--format`` calls it.
        write: ``write(report: segharness.Report, target: pathlib.Path)`` writes the document to the file `target`. It
            may write further files beside it, whose names begin with the target's stem. It writes into a temporary
            folder, from which segharness moves the files when it has returned; so it refers to them by their names.
        suffix: of the document's file, such as ``.csv``. ``""`` for a format that is a folder: `target` is then an
            empty folder.
        description: one line.

    Example:
        >>> ReporterSpec("acme-json", write="segharness_acme.reports:write", suffix=".json").suffix
        '.json'
    """

    name: str
    _: KW_ONLY
    write: Reference
    suffix: str
    description: str = ""

    def __post_init__(self) -> None:
        check_spec(self, self.write)
        if not isinstance(self.suffix, str) or not re.fullmatch(r"(\.[A-Za-z0-9]+)*", self.suffix):
            raise PluginError(f"ReporterSpec `{self.name}`: suffix is {self.suffix!r:.60}, not an ending such as .csv")


@dataclass(frozen=True)
class SuiteSpec:
    """A suite that users may run, extend and plan by its name.

    Attributes:
        name: what the command line and `extends` call it, such as ``acme/streets``.
        file: ``"package:path/in/it.yaml"``, where ``package`` is a top-level one, or the path of the file. What it
            extends by a path lies beside it.
        description: one line, for ``segharness suites``.

    Example:
        >>> SuiteSpec("acme/streets", file="segharness_acme:suites/streets.yaml").name
        'acme/streets'
    """

    name: str
    _: KW_ONLY
    file: str | Path
    description: str = ""

    def __post_init__(self) -> None:
        check_spec(self)
        if not isinstance(self.file, Path) and not is_packaged_file(self.file):
            raise PluginError(f"SuiteSpec `{self.name}`: file is {self.file!r:.60}, not 'package:path/in/it.yaml'")

    def path(self) -> Path:
        """Return the path of the file.

        Raises:
            PluginError: there is no such package, or no such file in it.
        """
        owner = f"SuiteSpec `{self.name}`: file"
        path = self.file if isinstance(self.file, Path) else packaged_file(self.file, owner)
        if not path.is_file():
            raise PluginError(f"{owner} {str(self.file)!r}: there is no such file; install its plugin again")
        return path


@dataclass(frozen=True)
class CommandSpec:
    """A subcommand of ``segharness``. Its code is imported only when the command is called.

    Attributes:
        name: of the command.
        help: one line, for ``segharness --help``.
        configure: ``configure(parser: argparse.ArgumentParser)`` adds the arguments. If it has a parameter `host`, it
            also gets the `PluginHost`.
        execute: ``execute(args: argparse.Namespace)`` returns the exit code.

    Example:
        >>> code = "segharness_acme.command"
        >>> CommandSpec("acme-best", help="the best model", configure=f"{code}:configure", execute=f"{code}:execute").help
        'the best model'
    """

    name: str
    _: KW_ONLY
    help: str
    configure: Reference
    execute: Reference

    def __post_init__(self) -> None:
        check_spec(self, self.configure, self.execute)
