"""Every hook that a plugin may implement, in the order in which a run calls them.

A plugin is a module (or object) behind an entry point of the group ``segharness``. It implements the hooks it needs
with ``@segharness.hookimpl``. A hook takes no argument and returns a list or an iterator of specs, which may be empty.
Every command calls all hooks, once per process, so they must be quick and must not import a framework. If a hook raises,
its plugin is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from segharness.plugin.specs import (
    CategorySet,
    CommandSpec,
    ConditionSet,
    CorruptionSpec,
    DatasetSpec,
    ExecutorSpec,
    MetricSpec,
    MixtureSpec,
    ModelSet,
    ModelSpec,
    ProtocolSpec,
    PublishedSpec,
    ReporterSpec,
    SuiteSpec,
)

hookspec = pluggy.HookspecMarker("segharness")
hookimpl = pluggy.HookimplMarker("segharness")


# ------------------------------------------------------------------------------------------------ the command line


@hookspec
def segharness_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Return subcommands of ``segharness``. Also called for ``--help``, which does not import the commands' code."""


# ------------------------------------------------------------------------------------- what a suite may name


@hookspec
def segharness_models() -> Iterable[ModelSpec | ModelSet]:  # type: ignore[empty-body]
    """Return models, and named sets of models.

    A factory is called only in the worker that runs the model. A set may name models of other plugins.
    """


@hookspec
def segharness_datasets() -> Iterable[DatasetSpec | CategorySet]:  # type: ignore[empty-body]
    """Return data sets, and named sets of categories for splits.

    A data set's factory is called in the process that plans a run, in every worker that reads images, and for scoring.
    """


@hookspec
def segharness_corruptions() -> Iterable[CorruptionSpec | MixtureSpec | ConditionSet]:  # type: ignore[empty-body]
    """Return corruptions, mixtures of corruptions, and named sets of conditions.

    A mixture or set may name corruptions of other plugins. If no plugin offers a name, suites that use it are refused.
    """


@hookspec
def segharness_suites() -> Iterable[SuiteSpec]:  # type: ignore[empty-body]
    """Return suites that ``segharness run`` and ``extends`` know by name. A path that exists wins over a name."""


@hookspec
def segharness_protocols() -> Iterable[ProtocolSpec]:  # type: ignore[empty-body]
    """Return protocols with names, sealed or drafts, for ``segharness run --protocol`` and ``segharness protocols``."""


# -------------------------------------------------------------------------------------------------------- running


@hookspec
def segharness_executors() -> Iterable[ExecutorSpec]:  # type: ignore[empty-body]
    """Return executors, which run the units of a run. The one that ``--executor`` names is made once per run."""


# -------------------------------------------------------------------------------------------------------- scoring


@hookspec
def segharness_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Return evaluations. Each is called once per cell and task, with stored predictions; it never sees a model."""


# ------------------------------------------------------------------------------------------------------ reporting


@hookspec
def segharness_reporters() -> Iterable[ReporterSpec]:  # type: ignore[empty-body]
    """Return formats of documents for ``segharness report``. Each gets the finished results and writes files."""


@hookspec
def segharness_published() -> Iterable[PublishedSpec]:  # type: ignore[empty-body]
    """Return printed tables, for ``segharness published``. They stand beside measured numbers and are never mixed."""
