"""Checks everything that an installed plugin offers, for ``segharness plugins check``."""

from __future__ import annotations

import argparse
import importlib.metadata
import inspect
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segharness.data.open_dataset import open_dataset
from segharness.errors import ContractError, PluginError, UsageError, nearest
from segharness.model.interface import has_stored_predictions
from segharness.model.labels import Labels
from segharness.model.load import load_model
from segharness.model.resolve import ResolvedWeights, resolve_environment, resolve_weights
from segharness.plugin.host import Plugin, PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import (
    ANY,
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
    PublishedSpec,
    ReporterSpec,
    SuiteSpec,
)
from segharness.plugin.weights import RANDOM
from segharness.records import Dataset
from segharness.score.published import read_published
from segharness.suite import DatasetEntry, ModelEntry, Overrides, load_suite, make_plan
from segharness.suite.from_arguments import dataset_from_argument
from segharness.suite.missing import Missing
from segharness.testing.corruption_checks import corruption_findings
from segharness.testing.dataset_checks import dataset_findings
from segharness.testing.findings import Finding, raised
from segharness.testing.labelled_images import LabelledImage, labelled_images, photographs
from segharness.testing.model_checks import device_finding, model_findings
from segharness.testing.run_checks import check_executor, check_metric, check_reporter

if TYPE_CHECKING:
    from segharness.records import Image

_MANY = 1000
"""A data set of more images is checked only if it is named: its ground truth may take minutes to read or to make."""

_PLANNED = "segharness: 1\nname: check\nconditions: [clean]\n"


@dataclass(frozen=True)
class CheckArguments:
    """What a check is given.

    Attributes:
        models: ``NAME[,KEY=VALUE...]``: these models of the plugin, with options and weights; all if there are none.
        datasets: ``NAME[,KEY=VALUE...]``: data sets whose images and ground truth models are checked on, of any plugin.
        images: further images, uint8 RGB (H, W, 3).
        variables: the values of ``--var``.
        every: whether models that share a factory are all checked, instead of the first of them.
        plugins: the values of ``-p``, for runs that checks make.
    """

    models: Sequence[str] = ()
    datasets: Sequence[str] = ()
    images: Sequence[Image] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    every: bool = False
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartReport:
    """What was found of one part of a plugin.

    Attributes:
        kind, name: such as ``model`` and ``acme/tiny``.
        findings: one for each check.
    """

    kind: str
    name: str
    findings: Sequence[Finding]

    @property
    def ok(self) -> bool:
        """Whether no rule is broken."""
        return all(finding.problem is None for finding in self.findings)

    @property
    def checked(self) -> bool:
        """Whether any rule was checked."""
        return any(not finding.skipped for finding in self.findings)


@dataclass(frozen=True)
class PluginReport:
    """What was found of a plugin.

    Attributes:
        plugin: which one.
        parts: a report for each part.
    """

    plugin: Plugin
    parts: Sequence[PartReport]

    @property
    def ok(self) -> bool:
        """Whether no rule is broken."""
        return all(part.ok for part in self.parts)

    def text(self) -> str:
        """Return the report as plain text that can be pasted into an issue; it names no folder and no user."""
        versions = ", ".join(f"{name} {_version(name)}" for name in ("numpy", "torch", "pyarrow") if _version(name))
        lines = [
            f"segharness plugins check {self.plugin.name}",
            f"{self.plugin.distribution} {self.plugin.version}, segharness {_version('segharness')}, "
            f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {versions}",
        ]
        for part in self.parts:
            lines += ["", f"{part.kind} {part.name}"]
            fine = [finding.rule for finding in part.findings if finding.problem is None and not finding.skipped]
            if fine:
                lines.append(f"  ok      {', '.join(dict.fromkeys(fine))}")
            for finding in part.findings:
                if finding.problem is not None:
                    lines += [f"  FAILED  {finding.rule}: {finding.problem}", f"          look at: {finding.look_at}"]
                elif finding.skipped:
                    lines.append(f"  -       {finding.rule}: not checked: {finding.skipped}")
        failed = sum(not part.ok for part in self.parts)
        unchecked = sum(not part.checked for part in self.parts)
        lines += ["", f"{len(self.parts)} parts: {failed} with mistakes, {unchecked} not checked"]
        return "\n".join(lines)


def check_plugin(host: PluginHost, name: str, arguments: CheckArguments | None = None) -> PluginReport:
    """Check everything that a plugin offers, with the plugin ``segharness.testing.sample`` for what it lacks.

    Args:
        host: the plugins, ``segharness.testing.sample`` among them.
        name: of the plugin or of its distribution.
        arguments: options, weights and data.

    Raises:
        UsageError: there is no such plugin, or the arguments are wrong.
    """
    plugin = _plugin(host, name)
    if plugin.quarantined:
        finding = Finding("loads", plugin.quarantined, "segharness plugins -v, which shows the traceback")
        return PluginReport(plugin, [PartReport("plugin", plugin.name, [finding])])
    return PluginReport(plugin, list(_Checker(host, plugin, arguments or CheckArguments()).parts()))


def _plugin(host: PluginHost, name: str) -> Plugin:
    named = [plugin for plugin in host.plugins if name in (plugin.name, plugin.distribution, Path(plugin.name).name)]
    if not named:
        names = [n for plugin in host.plugins for n in (plugin.name, plugin.distribution)]
        raise UsageError(
            f"no plugin `{name}` is installed{nearest(name, names, listed=False)}; see `segharness plugins`"
        )
    return named[0]


class _Checker:
    """Checks the parts of one plugin; data sets first, since models are checked on them."""

    def __init__(self, host: PluginHost, plugin: Plugin, arguments: CheckArguments) -> None:
        self._host, self._plugin, self._arguments = host, plugin, arguments
        self._opened: list[Dataset] = []
        own = {spec.name for spec in self._own(ModelSpec)}
        for text in arguments.models:
            if not {text.split(",")[0], text.split(",")[0].partition("/")[0]} & own:
                raise UsageError(f"--model: plugin `{plugin.name}` offers no model `{text.split(',')[0]}`")
        for text in arguments.datasets:
            entry = dataset_from_argument(text, host, variables=arguments.variables, flag="--dataset")
            self._opened.append(open_dataset(entry, host).dataset)

    def parts(self) -> Iterator[PartReport]:
        """Yield the report of every part."""
        for spec, others in self._representatives(self._own(DatasetSpec), lambda spec: spec.factory):
            yield PartReport("dataset", spec.name, [*self._dataset(spec), *others])
        yield from self._models()
        for spec in self._own(CorruptionSpec):
            yield PartReport("corruption", spec.name, self._corruption(spec))
        for spec in self._own(SuiteSpec):
            yield PartReport("suite", spec.name, [self._suite(spec)])
        for kind, check in (
            (MetricSpec, lambda spec: check_metric(spec)),
            (ReporterSpec, lambda spec: check_reporter(spec)),
            (ExecutorSpec, lambda spec: check_executor(spec.name, plugins=self._arguments.plugins)),
            (CommandSpec, self._command),
            (PublishedSpec, lambda spec: [read_published(spec, metric) for metric in spec.tables]),
            (CategorySet, lambda spec: spec.categories),
            (ModelSet, lambda spec: self._named(spec.models.values(), ModelSpec)),
            (MixtureSpec, lambda spec: self._named([n for stage in spec.stages for n in stage], CorruptionSpec)),
            (ConditionSet, lambda spec: self._named(spec.corruptions, CorruptionSpec, MixtureSpec)),
        ):
            for spec in self._own(kind):
                yield PartReport(_KINDS[kind], spec.name, [_called(_KINDS[kind], lambda s=spec, c=check: c(s))])  # type: ignore[misc]

    def _own(self, kind: type[Any]) -> list[Any]:
        return [spec for spec in self._host.all(kind) if self._host.owner(spec) is self._plugin]

    # ------------------------------------------------------------------------------------------------- data, pixels

    def _dataset(self, spec: DatasetSpec) -> list[Finding]:
        if any(text.split(",")[0] == spec.name for text in self._arguments.datasets):
            dataset = self._opened[[text.split(",")[0] for text in self._arguments.datasets].index(spec.name)]
            return dataset_findings(dataset)
        try:
            entry = dataset_from_argument(spec.name, self._host, variables=self._arguments.variables)
        except UsageError as error:
            return [Finding("opens", skipped=_brief(error))]
        opened, problem = raised(lambda: open_dataset(entry, self._host))
        if problem is not None or opened is None:
            return [Finding("opens", problem, "the factory, with the options that it has on this machine")]
        if (count := len(opened.samples)) > _MANY:
            return [Finding("opens"), Finding("others", skipped=f"{count} images: --dataset {spec.name} checks them")]
        self._opened.append(opened.dataset)
        return dataset_findings(opened.dataset)

    def _corruption(self, spec: CorruptionSpec) -> list[Finding]:
        if spec.unavailable:
            return [Finding("runs", skipped=spec.unavailable)]
        function, problem = raised(lambda: load(spec.apply))
        if problem is not None or function is None:
            return [Finding("loads", problem, f"{spec.apply}")]
        return corruption_findings(function, spec.severities, smallest=spec.smallest)

    # ------------------------------------------------------------------------------------------------------- models

    def _models(self) -> Iterator[PartReport]:
        own = {spec.name: spec for spec in self._own(ModelSpec)}
        if self._arguments.models:
            for text in self._arguments.models:
                name = next(n for n in (text.split(",")[0], text.split(",")[0].partition("/")[0]) if n in own)
                yield PartReport("model", text.split(",")[0], self._model(own[name], text))
            return
        for spec, others in self._representatives(
            list(own.values()), lambda spec: (spec.factory, spec.foreign, spec.imports)
        ):
            yield PartReport("model", spec.name, [*self._model(spec, spec.name), *others])

    def _representatives(self, specs: Sequence[Any], key: Callable[[Any], Any]) -> Iterator[tuple[Any, list[Finding]]]:
        """Yield the first spec of each key, or every spec with --all; and a finding if others were left out."""
        alike: dict[Any, list[Any]] = {}
        for spec in specs:
            alike.setdefault(key(spec), []).append(spec)
        for members in alike.values():
            if self._arguments.every:
                yield from ((spec, []) for spec in members)
                continue
            more = f"{len(members) - 1} more with the same factory are checked with --all"
            yield members[0], [Finding("others", skipped=more)] if len(members) > 1 else []

    def _model(self, spec: ModelSpec, text: str) -> list[Finding]:
        if "weights=" not in text and spec.weights.use == "required" and spec.weights.shipped is None:
            text += f",weights={RANDOM}"
        if "id=" not in text:
            text += ",id=checked"
        try:
            with tempfile.TemporaryDirectory(prefix="segharness-") as folder:
                file = Path(folder) / "check.yaml"
                file.write_text(_PLANNED, encoding="utf-8")
                suite = load_suite(file, self._host, overrides=Overrides([text], ["sample/squares"])).suite
            entry, dataset = suite.models[0], suite.datasets[0]
            resolve_environment(entry, self._host)
            weights = resolve_weights(entry, dataset.id, self._host)
        except UsageError as error:
            return [Finding("loads", skipped=_brief(error))]
        model: Any
        model, problem = raised(lambda: load_model(entry, dataset, self._host, "cpu", weights))
        if problem is not None or model is None:
            return [Finding("loads", problem, "the factory, with the options given")]
        if has_stored_predictions(model):
            return [Finding("loads"), Finding("runs", skipped="it has stored predictions and gets no images")]
        images, labelled = [*self._arguments.images, *photographs()], self._labelled(model)
        findings = [Finding("loads"), *model_findings(model, images, labelled=labelled)]
        return [*findings, self._on_accelerator(spec, entry, dataset, weights, model, images)]

    def _on_accelerator(
        self,
        spec: ModelSpec,
        entry: ModelEntry,
        dataset: DatasetEntry,
        weights: ResolvedWeights,
        model: Any,
        images: Any,
    ) -> Finding:
        """Compare with the model on the first accelerator, if there is one and the model runs there."""
        torch: Any = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_available():
            return Finding("device", skipped="this machine has no CUDA device, or the model no PyTorch")
        if spec.needs.device not in (ANY, "cuda") or getattr(model, "prompt", None) is not None:
            return Finding("device", skipped="it runs on the processor alone, or takes prompts")
        other, problem = raised(lambda: load_model(entry, dataset, self._host, "cuda:0", weights))
        if problem is not None:
            return Finding("device", f"on cuda:0: {problem}", "the factory's parameter `device`")
        other_model: Any = other
        return device_finding(model, other_model, images, "cuda:0")

    def _labelled(self, model: Any) -> list[LabelledImage]:
        """Return images of the first data set that has categories of the model, and ground truth."""
        for dataset in self._opened:
            try:
                if getattr(model, "prompt", None) is None:
                    Labels(model.categories, dataset.categories)
            except ContractError:
                continue
            images, problem = raised(lambda dataset=dataset: labelled_images(dataset))  # type: ignore[misc]
            if problem is None and images:
                return images
        return []

    # -------------------------------------------------------------------------------------------------- other parts

    def _command(self, spec: CommandSpec) -> None:
        parser = argparse.ArgumentParser(prog=spec.name)
        configure = load(spec.configure)
        configure(parser, self._host) if "host" in inspect.signature(configure).parameters else configure(parser)
        parser.format_help()
        load(spec.execute)

    def _suite(self, spec: SuiteSpec) -> Finding:
        """Plan a suite; what it needs of plugins that are not installed leaves it unchecked."""
        try:
            suite = load_suite(spec.path(), self._host, shown=spec.name, only_plan=True).suite
            make_plan(suite, self._host)
        except UsageError as error:
            mistakes = [problem for problem in error.problems if not isinstance(problem, Missing)]
            needed = {
                word for problem in mistakes for word in re.findall(r"is installed: pip install ([\w-]+)", problem)
            }
            unknown = [problem for problem in mistakes if "is installed: pip install" not in problem]
            if needed and not unknown:
                return Finding("plans", skipped=f"it needs {', '.join(sorted(needed))}")
            return Finding("plans", (unknown or list(error.problems))[0], "the file, and what it names")
        return Finding("plans")

    def _named(self, names: Any, *kinds: type[Any]) -> None:
        for name in names:
            self._host.get(name, *kinds)


_KINDS: Mapping[type, str] = {
    MetricSpec: "metric",
    ReporterSpec: "reporter",
    ExecutorSpec: "executor",
    CommandSpec: "command",
    PublishedSpec: "published table",
    CategorySet: "category set",
    ModelSet: "model set",
    MixtureSpec: "mixture",
    ConditionSet: "condition set",
}


def _called(kind: str, check: Callable[[], Any]) -> Finding:
    """Return the finding of a check that raises what is wrong."""
    try:
        check()
    except AssertionError as error:
        text = str(error).strip().splitlines() or ["AssertionError"]
        return Finding("contract", text[0], f"the contract of a {kind} in docs/plugins.md")
    except (UsageError, PluginError) as error:
        return Finding("contract", _brief(error), f"the {kind}, and what it names")
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may raise anything
        return Finding("runs", f"{type(error).__name__}: {error}".splitlines()[0], f"the code of the {kind}")
    return Finding("contract")


def _brief(error: UsageError) -> str:
    """Return the first problem of an error without the flag or file that it begins with, and how many more there are."""
    more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
    first = error.problems[0]
    for mark in ("--model: ", "DATASET: "):
        first = first.removeprefix(mark)
    return first + more


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
