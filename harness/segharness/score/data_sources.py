"""What scoring needs besides a run folder: its data sets and the stored references of its groups.

A run folder may come from anybody. It says which data it was made on, by digests; where they lie is what the command
line and this machine say. Nothing that a manifest names is opened, except what an installed plugin generates.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from segharness.data.open_dataset import OpenDataset, open_dataset
from segharness.errors import PluginError, StoreError, UsageError, coded, nearest
from segharness.identity import StoredRun, stored_run
from segharness.plugin.host import PluginHost
from segharness.plugin.options import Option
from segharness.plugin.specs import DatasetSpec, MetricSpec
from segharness.score.stored_reference import numbers_digest
from segharness.store import RunFolder, read_results, store_path
from segharness.suite import DatasetEntry, StoredReference
from segharness.suite.from_arguments import dataset_from_argument
from segharness.suite.variables import VARIABLE, Variables
from segharness.user.data_places import recall, remember

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
"""Texts of a manifest that lead to no other folder: the name of a split or of a form of annotations."""


@dataclass(frozen=True)
class DataSources:
    """The data sets of a run, by id, and the stored references of its groups, by the name of the group."""

    datasets: Mapping[str, OpenDataset]
    references: Mapping[str, StoredReference]


@dataclass(frozen=True)
class GivenPlaces:
    """What the command line says of where data lie.

    Attributes:
        datasets: values of ``--dataset``: ``ID=[NAME,]KEY=VALUE[,KEY=VALUE...]``.
        references: values of ``--reference``: ``[GROUP=]RESULTS.arrow[::MODEL]``.
        variables: the values of ``--var``, by name.
    """

    datasets: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def find_data_sources(folder: RunFolder, host: PluginHost, given: GivenPlaces | None = None) -> DataSources:
    """Return the sources of a stored run. Each is the one that the run was made with: digests are compared.

    What the command line says is remembered on this machine, if that can be written. Runs of earlier versions have no
    digest of a stored reference; it is then the one that is given.

    Args:
        folder: of the run.
        host: the plugins that offer its data sets and metrics.
        given: what the command line says; None for what this machine remembers alone.

    Raises:
        StoreError: the folder holds no run, or its manifest is not one.
        PluginError: no plugin offers what the run was made with.
        UsageError: a data set or a reference is not known on this machine, or is another one. The message says what to
            give. The problems of all of them are reported together.
    """
    given = given or GivenPlaces()
    problems: list[str] = []
    run = _run_of(folder, host)
    datasets = _datasets(run, host, given, problems)
    references = _references(run, given, problems)
    if problems:
        raise StoreError(problems)
    sources = DataSources(datasets, references)
    _remember_given(sources, given)
    return sources


def _remember_given(sources: DataSources, given: GivenPlaces) -> None:
    """Remember what a command line said, so that it needs to be said once."""
    if given.datasets or given.references or given.variables:
        with contextlib.suppress(OSError):  # it then has to be said again
            remember_data_sources(sources)


def find_datasets(folder: RunFolder, host: PluginHost, given: GivenPlaces | None = None) -> Mapping[str, OpenDataset]:
    """Return the data sets of a stored run, by id, as `find_data_sources` does."""
    problems: list[str] = []
    datasets = _datasets(_run_of(folder, host, metrics=False), host, given or GivenPlaces(), problems)
    if problems:
        raise StoreError(problems)
    _remember_given(DataSources(datasets, {}), given or GivenPlaces())
    return datasets


def _datasets(run: StoredRun, host: PluginHost, given: GivenPlaces, problems: list[str]) -> dict[str, OpenDataset]:
    finder = _DatasetFinder(run, host, given)
    datasets: dict[str, OpenDataset] = {}
    for entry in run.suite.datasets:
        try:
            datasets[entry.id] = finder.find(entry)
        except UsageError as error:
            problems += error.problems
    ids = [entry.id for entry in run.suite.datasets]
    given_ids = [text.partition("=")[0] for text in given.datasets]
    problems += [f"--dataset {id}: is given twice" for id in dict.fromkeys(given_ids) if given_ids.count(id) > 1]
    for text in given.datasets:
        if (id := text.partition("=")[0]) not in ids:
            problems.append(f"--dataset {text}: write ID=KEY=VALUE; the run has no data set `{id}`{nearest(id, ids)}")
    return datasets


def _run_of(folder: RunFolder, host: PluginHost, metrics: bool = True) -> StoredRun:
    """Return what the manifest of a run says, if the host offers its data sets and, unless not needed, its metrics.

    Raises:
        StoreError: the folder holds no run, or its manifest is not one.
        PluginError: no plugin offers them; the message says which plugins the run had.
    """
    manifest = folder.read_manifest()
    run = stored_run(manifest, folder.manifest)
    names: list[tuple[str, type[Any]]] = [(entry.dataset, DatasetSpec) for entry in run.suite.datasets]
    names += [(entry.metric, MetricSpec) for entry in run.suite.scoring.evaluations if metrics]
    problems = [host.unknown_message(name, kind) for name, kind in names if host.find(name, kind) is None]
    if not problems:
        return run
    recorded = manifest.get("plugins")
    loaded = {plugin.name for plugin in host.plugins}
    absent = [
        Path(plugin["name"]).name
        for plugin in (recorded if isinstance(recorded, list) else ())
        if isinstance(plugin, Mapping) and isinstance(plugin.get("name"), str) and plugin["name"] not in loaded
    ]
    hint = (
        f"; the run had the plugin {', '.join(f'`{name}`' for name in absent)}: if you trust it, install it, or load it "
        "with -p NAME or -p FOLDER/FILE.py"
    )
    raise PluginError([problem + (hint if absent else "") for problem in dict.fromkeys(problems)])


def remember_data_sources(sources: DataSources) -> None:
    """Remember on this machine where data sets and stored references lie.

    Raises:
        OSError: the file cannot be written.
    """
    for opened in sources.datasets.values():
        remember(
            "dataset", opened.dataset.digest, {"name": opened.entry.dataset, "options": dict(opened.entry.options)}
        )
    for reference in sources.references.values():
        if reference.digest is not None:
            remember("results", reference.digest, {"file": str(store_path(reference.results).absolute())})


class _DatasetFinder:
    """Finds the data sets of a stored run on this machine."""

    def __init__(self, run: StoredRun, host: PluginHost, given: GivenPlaces) -> None:
        self._run, self._host = run, host
        self._given = {id: settings for id, _, settings in (text.partition("=") for text in given.datasets)}
        self._variables = Variables.of_process(given.variables)
        self._named = {**self._variables.settings(), **given.variables}  # the environment is not for manifests to read

    def find(self, entry: DatasetEntry) -> OpenDataset:
        """Return a data set of the run, open.

        Raises:
            UsageError: it is not known here, or is another one.
        """
        wanted = self._run.inputs.datasets[entry.id]["digest"]
        if entry.id in self._given:
            opened = open_dataset(self._entry_given(entry), self._host)
            if opened.dataset.digest != wanted:
                lacking = [f"`{key}`" for key in entry.options if key not in opened.entry.options]
                hint = f"; the run also had the option {', '.join(lacking)}" if lacking else ""
                raise StoreError(f"--dataset {entry.id}: this is not the data set of the run: its digest differs{hint}")
            return opened
        spec = self._host.get(entry.dataset, DatasetSpec)
        tried: list[str] = []
        for options in self._candidates(entry, spec, wanted):
            try:
                opened = open_dataset(replace(entry, options=options), self._host)
            except UsageError as error:  # it is not there any more, or another one is
                tried += error.problems
                continue
            if opened.dataset.digest == wanted:
                return opened
            tried.append(f"data set `{entry.id}`: {_place(options)} is another data set now: its digest differs")
        raise StoreError([*dict.fromkeys(tried), self._advice(entry, spec)])

    def _entry_given(self, entry: DatasetEntry) -> DatasetEntry:
        """Return the entry with the options of ``--dataset``, which may leave out the name that plugins offer."""
        settings = self._given[entry.id]
        first = settings.partition(",")[0]
        text = f"{entry.dataset},{settings}" if "=" in first else settings
        if "=" not in first and self._host.find(first, DatasetSpec) is None:
            raise StoreError(f"--dataset {entry.id}={settings}: write {entry.id}=KEY=VALUE[,KEY=VALUE...]")
        spec = self._host.get(entry.dataset, DatasetSpec)
        recorded = {key: self._option(value, spec.options.get(key)) for key, value in entry.options.items()}
        more = {key: str(value) for key, value in recorded.items() if value is not None}
        flag = f"--dataset {entry.id}"
        found = dataset_from_argument(text, self._host, more=more, variables=self._variables.given, flag=flag)
        if found.dataset != entry.dataset:
            raise StoreError(f"--dataset {entry.id}: `{found.dataset}` is not the run's `{entry.dataset}`")
        return replace(entry, options=found.options)

    def _candidates(self, entry: DatasetEntry, spec: DatasetSpec, wanted: str) -> Iterator[Mapping[str, Any]]:
        """Yield options that may open the data set: those remembered on this machine, then those of its variables."""
        for place in recall("dataset", wanted):
            if place.get("name") == entry.dataset and isinstance(place.get("options"), dict):
                yield place["options"]
        options = {key: self._option(value, spec.options.get(key)) for key, value in entry.options.items()}
        for key, option in spec.options.items():
            if options.get(key) is None and option.variable is not None:
                options[key] = self._variables.value(option.variable)
        known = {key: value for key, value in options.items() if value is not None}
        if not any(option.required and key not in known for key, option in spec.options.items()):
            yield known

    def _option(self, value: Any, option: Option | None) -> Any:
        """Return the value of an option that a manifest holds, if it names no place; else what `_inside` makes of it."""
        if option is None or option.code:
            return None
        if option.path:
            return self._inside(value)
        named = isinstance(value, (bool, int, float)) or (isinstance(value, str) and _WORD.fullmatch(value) is not None)
        return value if named and option.problem(value) is None else None

    def _inside(self, text: Any) -> str | None:
        """Return the path that ``${NAME}/part`` names, if the user gave NAME a value, and the path stays below it."""
        match = VARIABLE.match(text) if isinstance(text, str) else None
        root = self._named.get((match[2] or "").partition(":-")[0]) if match else None
        if match is None or root is None:
            return None
        rest = PurePosixPath(text[match.end() :].lstrip("/"))
        if ".." in rest.parts or "$" in str(rest):
            return None
        return str((Path(root).expanduser() / rest).absolute())

    def _advice(self, entry: DatasetEntry, spec: DatasetSpec) -> str:
        """Return what to give, for a data set that was not found."""
        wanted = self._run.inputs.datasets[entry.id]["digest"]
        named = f"data set `{entry.id}` (`{entry.dataset}`, digest {wanted:.12})"
        if not any(option.path for option in spec.options.values()):
            return f"{named}: the plugin on this machine makes another one; is it of another version?"
        needed = {
            key: entry.options.get(key)
            for key, option in spec.options.items()
            if (option.path and (option.required or key in entry.options))
            or (key in entry.options and self._option(entry.options[key], option) is None)
        }
        variables = [
            match[2].partition(":-")[0]
            for value in needed.values()
            if isinstance(value, str) and (match := VARIABLE.match(value)) and match[2]
        ]
        settings = ",".join(
            f"{key}={value if isinstance(value, str) and '/' in value and '$' not in value else 'PATH'}"
            for key, value in needed.items()
        )
        ways = [f"--dataset {shlex.quote(f'{entry.id}={settings}')}"]
        ways += [f"--var {name}=DIR" for name in dict.fromkeys(variables)]
        caution = "; the manifest's own paths are not opened unless you say so" if "/" in settings else ""
        return coded("T19", f"{named}: where it lies on this machine is not known: give {' or '.join(ways)}{caution}")


def _place(options: Mapping[str, Any]) -> str:
    return ", ".join(str(value) for value in options.values() if isinstance(value, str)) or "it"


def _references(run: StoredRun, given: GivenPlaces, problems: list[str]) -> dict[str, StoredReference]:
    """Return the stored references of a run's groups, by the name of the group."""
    groups = {g.name: g.reference for g in run.suite.groups if isinstance(g.reference, StoredReference)}
    files: dict[str, StoredReference] = {}
    for text in given.references:
        name, equals, rest = text.partition("=")
        if not equals or (name not in groups and len(groups) == 1 and _is_file(text.partition("::")[0])):
            name, rest = next(iter(groups), ""), text  # a path may have `=` in it
        if name not in groups or (not equals and len(groups) > 1):
            known = f"; those with one: {', '.join(groups)}" if groups else ": the run has none"
            problems.append(f"--reference {text}: no group of that name has a stored reference{known}")
            continue
        file, _, model = rest.partition("::")
        files[name] = StoredReference(file, model or groups[name].model, groups[name].digest)
    found: dict[str, StoredReference] = {}
    for name, recorded in groups.items():
        candidates = [files[name]] if name in files else []
        if not candidates and recorded.digest is not None:
            places = [place.get("file") for place in recall("results", recorded.digest)]
            candidates = [replace(recorded, results=file) for file in places if isinstance(file, str)]
        tried: list[str] = []
        for candidate in candidates:
            if problem := _reference_problem(candidate):
                tried.append(problem)
                continue
            found[name] = candidate
            break
        else:
            prefix = f"{name}=" if len(groups) > 1 else ""
            advice = f"give --reference {shlex.quote(f'{prefix}RESULTS.arrow')}"
            problems += tried or [f"where the stored reference of `{name}` lies on this machine is not known: {advice}"]
    return found


def _is_file(text: str) -> bool:
    return "://" in text or Path(text).is_file()


def _reference_problem(reference: StoredReference) -> str | None:
    """Return why stored results are not the reference that a run was made with, or None."""
    try:
        content = read_results(reference.results)
    except StoreError as error:
        return str(error)
    if reference.digest is not None and numbers_digest(content, reference.model) != reference.digest:
        return (
            f"{reference.results}: these are not the numbers of the reference that the run was made with; "
            "give that file with --reference, or run the suite again to compare with these"
        )
    return None
