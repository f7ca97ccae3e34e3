"""Every hook that a plugin may implement, in the order in which a run calls them.

A plugin is a module (or object) behind an entry point of the group ``segharness``. It implements what it needs with
``@segharness.hookimpl``; every hook takes no argument and returns a list (an empty one is fine). Hooks are called once
a process, in any command, so they must be quick and must not import a framework. A hook that raises quarantines its plugin.
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
    ReporterSpec,
)

hookspec = pluggy.HookspecMarker("segharness")
hookimpl = pluggy.HookimplMarker("segharness")


# ------------------------------------------------------------------------------------------------ the command line


@hookspec
def segharness_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Return subcommands of ``segharness``. Called first, also for ``--help``; the commands' code is not imported then."""


# ------------------------------------------------------------------------------------- what a suite may name


@hookspec
def segharness_models() -> Iterable[ModelSpec | ModelSet]:  # type: ignore[empty-body]
    """Return the models on offer, and named sets of models.

    A factory is called only in the worker that runs the model. A set may name models of other plugins.
    """


@hookspec
def segharness_datasets() -> Iterable[DatasetSpec | CategorySet]:  # type: ignore[empty-body]
    """Return the data sets on offer, and named sets of categories for splits.

    A data set's factory is called in the process that plans a run, in every worker that reads the images, and when scoring.
    """


@hookspec
def segharness_corruptions() -> Iterable[CorruptionSpec | MixtureSpec | ConditionSet]:  # type: ignore[empty-body]
    """Return corruptions, mixtures of corruptions, and named sets of conditions.

    A mixture or set may name corruptions of other plugins; a name that nobody offers is an error when a suite uses it.
    """


# -------------------------------------------------------------------------------------------------------- running


@hookspec
def segharness_executors() -> Iterable[ExecutorSpec]:  # type: ignore[empty-body]
    """Return ways to execute the units of a run. The one named by ``--executor`` is made once a run."""


# -------------------------------------------------------------------------------------------------------- scoring


@hookspec
def segharness_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Return evaluations. Each is called once a cell, with stored predictions; it never sees a model."""


# ------------------------------------------------------------------------------------------------------ reporting


@hookspec
def segharness_reporters() -> Iterable[ReporterSpec]:  # type: ignore[empty-body]
    """Return document formats for ``segharness report``. Each gets the finished results and returns a text."""
