"""What plugins offer: cheap descriptions, made without importing a framework.

Wherever code is named, it is either an import string ``"package.module:function"``, imported only in the process that
needs it, or the function itself. The specs of models are in `segharness.plugin.model_specs`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from segharness.errors import PluginError
from segharness.plugin.import_strings import Reference
from segharness.plugin.model_specs import ANY, ModelSet, ModelSpec, Needs
from segharness.plugin.options import Option
from segharness.plugin.spec_checks import MODEL_NAME, NAME, check_spec

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
    "MetricSpec",
    "MixtureSpec",
    "ModelSet",
    "ModelSpec",
    "Needs",
    "ReporterSpec",
    "slug",
]


def slug(name: str) -> str:
    """Return the id of a name in paths and node ids.

    Example:
        >>> slug("torchvision/MaskRCNN+FPN")
        'torchvision-maskrcnn-fpn'
    """
    return re.sub(r"[/+]", "-", name).lower()


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
    """

    name: str
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
        check_spec(self, self.apply)
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
    """

    name: str
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
    """

    name: str
    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    description: str = ""

    def __post_init__(self) -> None:
        check_spec(self)
        if not self.corruptions or not self.severities:
            raise PluginError(f"ConditionSet `{self.name}` is empty")


@dataclass(frozen=True)
class MetricSpec:
    """An evaluation: a way to score one cell.

    Attributes:
        name: of the evaluation, such as ``coco``.
        score: ``score(request: segharness.ScoreRequest)`` returns `segharness.Score` values.
        tasks: those it can score: ``segm``, ``bbox`` ... If there is only one, it is scored whatever a suite asks for.
        metrics: the names of the numbers it gives.
        ground_truth: the kind of ground truth that the data set must have.
        engines: the implementations it can use, the default first.
        description: one line.
        also: further kinds of ground truth, used if the data set has them.
        configure: ``configure(options)`` returns the names of the metrics under a suite's options, or raises
            `UsageError` if the options are wrong. None for an evaluation without options.
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
        check_spec(self, self.score, *([self.configure] if self.configure is not None else []))


@dataclass(frozen=True)
class ExecutorSpec:
    """A way to execute the units of a run.

    Attributes:
        name: what ``--executor`` calls it.
        factory: ``factory(options: segharness.execution.ExecutorOptions)`` returns a `segharness.execution.Executor`.
        description: one line.
        configure: ``configure(group)`` adds arguments to an argparse group of ``segharness run``. All begin with
            ``--<name>-``; their values are in `ExecutorOptions.arguments`. None for an executor without arguments.
    """

    name: str
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
        render: ``render(report: segharness.Report)`` returns the text of one document.
        suffix: of the document's file, such as ``.csv``.
        description: one line.
    """

    name: str
    render: Reference
    suffix: str
    description: str = ""

    def __post_init__(self) -> None:
        check_spec(self, self.render)


@dataclass(frozen=True)
class CommandSpec:
    """A subcommand of ``segharness``. Its code is imported only when the command is called.

    Attributes:
        name: of the command.
        help: one line, for ``segharness --help``.
        configure: ``configure(parser: argparse.ArgumentParser)`` adds the arguments. If it has a parameter `host`, it
            also gets the `PluginHost`.
        execute: ``execute(args: argparse.Namespace)`` returns the exit code.
    """

    name: str
    help: str
    configure: Reference
    execute: Reference

    def __post_init__(self) -> None:
        check_spec(self, self.configure, self.execute)
