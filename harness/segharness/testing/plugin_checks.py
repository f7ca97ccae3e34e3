"""Checks everything that an installed plugin offers, for ``segharness plugins check``."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import tempfile
import traceback
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
from segharness.plugin.failures import text_of
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
    ProtocolSpec,
    PublishedSpec,
    ReporterSpec,
    SuiteSpec,
)
from segharness.plugin.weights import RANDOM, is_weights_name
from segharness.protocols import find_protocol
from segharness.records import Dataset
from segharness.score.published import read_published
from segharness.suite import DatasetEntry, ModelEntry, Overrides, load_suite, make_plan
from segharness.suite.from_arguments import dataset_from_argument
from segharness.suite.missing import Missing
from segharness.testing.corruption_checks import corruption_findings
from segharness.testing.dataset_checks import dataset_findings
from segharness.testing.dataset_digest import digest_finding
from segharness.testing.findings import Finding, raised
from segharness.testing.labelled_images import LabelledImage, labelled_images, photographs
from segharness.testing.model_checks import model_findings
from segharness.testing.plugin_report import PartReport, PluginReport
from segharness.testing.process_state import restored_state
from segharness.testing.run_checks import check_executor, check_metric, check_reporter
from segharness.testing.state_checks import device_finding

if TYPE_CHECKING:
    from segharness.records import Image

_MANY = 1000
"""A data set of more images is checked only if it is named: its ground truth may take minutes to read or to make."""

_LABELLED = 12
"""On so many images with known objects a model is checked, of several data sets if there are some."""

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


def check_plugin(host: PluginHost, name: str, arguments: CheckArguments | None = None) -> PluginReport:
    """Check everything that a plugin offers, with the plugin ``segharness.testing.sample`` for what it lacks.

    Args:
        host: the plugins, ``segharness.testing.sample`` among them.
        name: of the plugin, or of its distribution, whose plugins are then all checked.
        arguments: options, weights and data.

    Raises:
        UsageError: there is no such plugin, or the arguments are wrong.
    """
    arguments = arguments or CheckArguments()
    plugins = plugins_named(host, name)
    offered = {spec.name for spec in host.all(ModelSpec) if host.owner(spec) in plugins}
    for text in arguments.models:
        if not _names_in(text) & offered:
            raise UsageError(f"--model: plugin `{plugins[0].name}` offers no model `{text.split(',')[0]}`")
        _suite_of(text, host)
    opened = []
    for text in arguments.datasets:
        entry = dataset_from_argument(text, host, variables=arguments.variables, flag="--dataset")
        opened.append(open_dataset(entry, host).dataset)
    parts: list[PartReport] = []
    for plugin in plugins:
        if plugin.quarantined:
            finding = Finding("loads", plugin.quarantined, "segharness plugins -v, which shows the traceback")
            parts.append(PartReport("plugin", Path(plugin.name).name, [finding]))
        else:
            parts += _Checker(host, plugin, arguments, opened).parts()
    for conflict in host.conflicts:
        if any(f"(plugin `{plugin.name}`)" in conflict for plugin in plugins):
            parts.append(PartReport("plugin", plugins[0].name, [Finding("names", conflict, "another name")]))
    return PluginReport(plugins[0], parts)


def plugins_named(host: PluginHost, name: str) -> list[Plugin]:
    """Return the plugin of a name, or all plugins of a distribution.

    Raises:
        UsageError: there is none.
    """
    for same in (
        [plugin for plugin in host.plugins if name == plugin.name],
        [plugin for plugin in host.plugins if name == plugin.distribution],
        [plugin for plugin in host.plugins if name in (Path(plugin.name).name, Path(plugin.name).stem)],
    ):
        if same:
            return same
    names = [n for plugin in host.plugins for n in (plugin.name, plugin.distribution)]
    raise UsageError(f"no plugin `{name}` is installed{nearest(name, names, listed=False)}; see `segharness plugins`")


def _names_in(text: str) -> set[str]:
    """Return the names that a model of the command line may have: a longer one may end in the value of an option."""
    name = text.split(",")[0]
    return {name, name.partition("/")[0]}


class _Checker:
    """Checks the parts of one plugin; data sets first, since models are checked on them."""

    def __init__(self, host: PluginHost, plugin: Plugin, arguments: CheckArguments, opened: Sequence[Dataset]) -> None:
        self._host, self._plugin, self._arguments = host, plugin, arguments
        self._given = list(opened)
        self._opened: list[Dataset] = list(opened)

    def parts(self) -> Iterator[PartReport]:
        """Yield the report of every part, or of the models that were named."""
        if self._arguments.models:
            own = {spec.name: spec for spec in self._own(ModelSpec)}
            for text in self._arguments.models:
                for name in sorted(_names_in(text) & own.keys(), key=len)[-1:]:
                    yield self._part("model", text.split(",")[0], lambda n=name, t=text: self._model(own[n], t))  # type: ignore[misc]
            return
        for spec, others in self._representatives(self._own(DatasetSpec), lambda spec: spec.factory):
            yield self._part("dataset", spec.name, lambda s=spec, o=others: [*self._dataset(s), *o])  # type: ignore[misc]
        for spec, others in self._representatives(
            self._own(ModelSpec), lambda spec: (spec.factory, spec.foreign, spec.imports)
        ):
            yield self._part("model", spec.name, lambda s=spec, o=others: [*self._model(s, s.name), *o])  # type: ignore[misc]
        for kind, name, check in (
            (CorruptionSpec, "corruption", self._corruption),
            (SuiteSpec, "suite", self._suite),
            (MetricSpec, "metric", lambda spec: _called("metric", lambda: check_metric(spec))),
            (ReporterSpec, "reporter", lambda spec: _called("reporter", lambda: check_reporter(spec))),
            (ExecutorSpec, "executor", self._executor),
            (CommandSpec, "command", lambda spec: _called("command", lambda: self._command(spec))),
            (PublishedSpec, "published table", self._published),
            (ProtocolSpec, "protocol", lambda spec: _called("protocol", lambda: find_protocol(spec.name, self._host))),
            (CategorySet, "category set", lambda spec: [Finding("names")]),
            (ModelSet, "model set", lambda spec: self._named(spec.models.values(), ModelSpec)),
            (
                MixtureSpec,
                "mixture",
                lambda spec: self._named([n for stage in spec.stages for n in stage], CorruptionSpec),
            ),
            (ConditionSet, "condition set", lambda spec: self._named(spec.corruptions, CorruptionSpec, MixtureSpec)),
        ):
            for spec in self._own(kind):
                yield self._part(name, spec.name, lambda s=spec, c=check: c(s))  # type: ignore[misc]

    def _part(self, kind: str, name: str, check: Callable[[], list[Finding]]) -> PartReport:
        """Return the report of one part, whatever its code raises and changes in this process."""
        with restored_state() as changed:
            findings, problem = raised(check)
        if findings is None:
            findings = [Finding("runs", problem, f"the code of the {kind}; -v shows where")]
        findings = [
            *findings,
            *(Finding("state", f"it changes {what}", "what it sets for all code") for what in changed),
        ]
        return PartReport(kind, name, findings)

    def _own(self, kind: type[Any]) -> list[Any]:
        return [spec for spec in self._host.all(kind) if self._host.owner(spec) is self._plugin]

    # ------------------------------------------------------------------------------------------------- data, pixels

    def _dataset(self, spec: DatasetSpec) -> list[Finding]:
        texts = [text for text in self._arguments.datasets if text.split(",")[0] == spec.name]
        if texts:
            dataset = self._given[self._arguments.datasets.index(texts[0])]
            findings = dataset_findings(dataset)
            if any(finding.problem for finding in findings):
                self._opened.remove(dataset)
            return findings
        try:
            entry = dataset_from_argument(spec.name, self._host, variables=self._arguments.variables)
        except UsageError as error:
            return [Finding("opens", skipped=_brief(error))]
        opened, problem = raised(lambda: open_dataset(entry, self._host))
        if problem is not None or opened is None:
            return [Finding("opens", problem, "the factory, with the options that it has on this machine")]
        if (count := len(opened.samples)) > _MANY:
            return [Finding("others", skipped=f"{count} images: --dataset {spec.name} checks them")]
        findings = dataset_findings(opened.dataset)
        if not any(finding.problem for finding in findings):
            self._opened.append(opened.dataset)  # models are not judged by a ground truth that is wrong
            findings.append(
                digest_finding(spec.name, opened.dataset.digest, self._arguments.plugins, self._arguments.variables)
            )
        return findings

    def _corruption(self, spec: CorruptionSpec) -> list[Finding]:
        if spec.unavailable:
            return [Finding("runs", skipped=spec.unavailable)]
        function, problem = raised(lambda: load(spec.apply))
        if problem is not None or function is None:
            return [Finding("loads", problem, f"{spec.apply}")]
        return corruption_findings(function, spec.severities, smallest=spec.smallest)

    # ------------------------------------------------------------------------------------------------------- models

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
        settings = {setting.partition("=")[0] for setting in text.split(",")[1:]}
        if "weights" not in settings and spec.weights.use == "required" and spec.weights.shipped is None:
            if not takes_random(spec):
                return [Finding("loads", skipped="it needs weights: --model NAME,weights=FILE")]
            text += f",weights={RANDOM}"
        try:
            entry, dataset = _suite_of(text, self._host)
            resolve_environment(entry, self._host)
            weights = resolve_weights(entry, dataset.id, self._host)
        except UsageError as error:
            return [Finding("loads", skipped=_brief(error))]
        model: Any
        model, problem = raised(lambda: load_model(entry, dataset, self._host, "cpu", weights))
        if problem is not None or model is None:
            return [Finding("loads", problem, "the factory, with the options given")]
        if has_stored_predictions(model):
            return [Finding("runs", skipped="it has stored predictions and gets no images")]
        images, labelled = [*self._arguments.images, *photographs()], self._labelled(model)
        findings = [Finding("loads"), *model_findings(model, images, labelled=labelled)]
        if not any(finding.problem for finding in findings):
            seen = [item.pixels for item in labelled] + images
            findings.append(self._on_accelerator(spec, entry, dataset, weights, model, seen))
        return findings

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
        """Return images of the first data sets that have categories of the model, and ground truth."""
        found: list[LabelledImage] = []
        sample = open_dataset(dataset_from_argument("sample/squares", self._host), self._host).dataset
        for dataset in (*self._opened, sample):
            try:
                if getattr(model, "prompt", None) is None:
                    Labels(model.categories, dataset.categories)
            except ContractError:
                continue
            images, _ = raised(lambda dataset=dataset: labelled_images(dataset, 4))  # type: ignore[misc]
            found += images or []
            if len(found) >= _LABELLED or (found and dataset in self._given):
                break
        return found

    # -------------------------------------------------------------------------------------------------- other parts

    def _command(self, spec: CommandSpec) -> None:
        parser = argparse.ArgumentParser(prog=spec.name)
        configure = load(spec.configure)
        configure(parser, self._host) if "host" in inspect.signature(configure).parameters else configure(parser)
        parser.format_help()
        load(spec.execute)

    def _executor(self, spec: ExecutorSpec) -> list[Finding]:
        return _called("executor", lambda: check_executor(spec.name, plugins=self._arguments.plugins))

    def _published(self, spec: PublishedSpec) -> list[Finding]:
        return _called("published table", lambda: [read_published(spec, metric) for metric in spec.tables])

    def _suite(self, spec: SuiteSpec) -> list[Finding]:
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
                return [Finding("plans", skipped=f"it needs {', '.join(sorted(needed))}")]
            return [Finding("plans", (unknown or list(error.problems))[0], "the file, and what it names")]
        return [Finding("plans")]

    def _named(self, names: Any, *kinds: type[Any]) -> list[Finding]:
        for name in names:
            if self._host.find(name, *kinds) is None:
                return [Finding("names", self._host.unknown_message(name, *kinds), "the names that it lists")]
        return [Finding("names")]


def _suite_of(text: str, host: PluginHost) -> tuple[ModelEntry, DatasetEntry]:
    """Return the entries that a suite has for a model of the command line, and for the sample's data set."""
    identified = text if any(setting.startswith("id=") for setting in text.split(",")[1:]) else f"{text},id=checked"
    with tempfile.TemporaryDirectory(prefix="segharness-") as folder:
        file = Path(folder) / "check.yaml"
        file.write_text(_PLANNED, encoding="utf-8")
        suite = load_suite(file, host, overrides=Overrides([identified], ["sample/squares"]), only_plan=True).suite
    return suite.models[0], suite.datasets[0]


def takes_random(spec: ModelSpec) -> bool:
    """Return whether a model can be made with random weights."""
    return is_weights_name(spec, RANDOM)


def _called(kind: str, check: Callable[[], Any]) -> list[Finding]:
    """Return the finding of a check that raises what is wrong."""
    try:
        check()
    except AssertionError as error:
        text = str(error).strip().splitlines() or ["AssertionError"]
        return [Finding("contract", text[0], f"the contract of a {kind} in the documentation, under Plugins")]
    except (UsageError, PluginError) as error:
        return [Finding("contract", _brief(error), f"the {kind}, and what it names")]
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may raise anything
        frames = traceback.extract_tb(error.__traceback__)
        where = f", in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        return [
            Finding(
                "runs", f"{type(error).__name__}: {text_of(error)}".splitlines()[0] + where, f"the code of the {kind}"
            )
        ]
    return [Finding("contract")]


def _brief(error: UsageError) -> str:
    """Return the first problem of an error without the flag or file that it begins with, and how many more there are."""
    more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
    first = error.problems[0]
    for mark in ("--model: ", "DATASET: "):
        first = first.removeprefix(mark)
    return first + more
