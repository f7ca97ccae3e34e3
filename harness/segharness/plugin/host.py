"""The plugin host: finds plugins, leaves broken ones out, and knows what each offers.

As in pytest, plugins are the entry points of the group ``segharness`` (unless ``SEGHARNESS_DISABLE_PLUGIN_AUTOLOAD`` is
set), modules and files named by ``-p NAME``, and a ``segharness_plugins.py`` beside a suite; ``-p no:NAME`` keeps a
plugin out. What segharness itself offers (commands, evaluations, executors, reporters) comes in the same way, as the
plugin ``segharness``.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pluggy

from segharness.errors import PluginError, coded, nearest
from segharness.plugin import hookspecs, specs
from segharness.plugin.compatibility import failure_of_a_newer_api, required_version, unmet
from segharness.plugin.deprecation import collected
from segharness.plugin.failures import text_of
from segharness.plugin.first_party import distribution_of, is_installed
from segharness.plugin.import_file import import_file

GROUP = "segharness"
"""The group of plugins' entry points."""

AUTOLOAD_OFF = "SEGHARNESS_DISABLE_PLUGIN_AUTOLOAD"
"""The environment variable that keeps out all entry points."""

BESIDE_SUITE = "segharness_plugins.py"
"""The file beside a suite that is a plugin, too."""

HOOK_SPECS: dict[str, tuple[type, ...]] = {
    "segharness_commands": (specs.CommandSpec,),
    "segharness_models": (specs.ModelSpec, specs.ModelSet),
    "segharness_datasets": (specs.DatasetSpec, specs.CategorySet),
    "segharness_corruptions": (specs.CorruptionSpec, specs.MixtureSpec, specs.ConditionSet),
    "segharness_suites": (specs.SuiteSpec,),
    "segharness_protocols": (specs.ProtocolSpec,),
    "segharness_executors": (specs.ExecutorSpec,),
    "segharness_metrics": (specs.MetricSpec,),
    "segharness_reporters": (specs.ReporterSpec,),
    "segharness_published": (specs.PublishedSpec,),
}
"""The specs that each hook may return."""

NAMESPACES: dict[type, str] = {
    specs.CommandSpec: "command",
    specs.ModelSpec: "model",
    specs.ModelSet: "model",
    specs.DatasetSpec: "dataset",
    specs.CategorySet: "category set",
    specs.CorruptionSpec: "corruption",
    specs.MixtureSpec: "corruption",
    specs.ConditionSet: "corruption",
    specs.SuiteSpec: "suite",
    specs.ProtocolSpec: "protocol",
    specs.ExecutorSpec: "executor",
    specs.MetricSpec: "metric",
    specs.ReporterSpec: "reporter",
    specs.PublishedSpec: "published table",
}
"""The namespace of each spec. Names are unique within it; sets share it with their members."""

_KIND = {specs.MixtureSpec: "mixture", specs.ConditionSet: "condition set", specs.ModelSet: "model set"}

Spec = TypeVar("Spec")


@dataclass
class Plugin:
    """A plugin, whether it works or not.

    Attributes:
        name: of the entry point, module, or file.
        distribution, version: what pip installed; for a module or file that is not an entry point, its name or path,
            and "".
        quarantined: why the plugin is left out, in one line; None if it works.
        detail: the traceback that belongs to `quarantined`.
        offers: (kind, name) of every spec it offers.
        needs: the versions of segharness that its distribution requires, such as ``>=0.1``; "" if it does not say.
        deprecated: what it uses that a later segharness will not have, a line each.
    """

    name: str
    distribution: str
    version: str
    quarantined: str | None = None
    detail: str = ""
    offers: tuple[tuple[str, str], ...] = ()
    needs: str = ""
    deprecated: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PluginArguments:
    """Which plugins to load. Workers get these arguments, and load the same plugins.

    Attributes:
        include: the values of ``-p``: ``NAME`` or ``no:NAME``.
        folders: those that may hold a ``segharness_plugins.py``.
        strict: whether a broken plugin is an error.
    """

    include: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    strict: bool = False


class PluginHost:
    """The plugins of this process. Make one with `load`.

    Attributes:
        arguments: those it was made with.
        plugins: all plugins, also those left out.
        conflicts: one message for every name that two plugins offer.

    Example:
        >>> from segharness import CommandSpec
        >>> PluginHost.load(PluginArguments(include=("no:coco",))).get("explain", CommandSpec).name
        'explain'
    """

    def __init__(self, arguments: PluginArguments) -> None:
        self.arguments = arguments
        self.plugins: list[Plugin] = []
        self.conflicts: list[str] = []
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._offers: dict[tuple[str, str], tuple[Any, Plugin]] = {}
        self._blocked = {name[3:] for name in arguments.include if name.startswith("no:")}

    # -------------------------------------------------------------------------------------------------- finding

    @classmethod
    def load(cls, arguments: PluginArguments | None = None, *, warn: Callable[[str], None] | None = None) -> PluginHost:
        """Find and load every plugin.

        Args:
            arguments: which plugins to load; None for the entry points alone.
            warn: called with one line for each plugin that is left out.

        Raises:
            PluginError: there is no plugin or module for a name of ``-p``, or a plugin is broken and `arguments` are
                strict.
        """
        host = cls(arguments or PluginArguments())
        host._add(
            "segharness", "segharness", _own_version(), lambda: importlib.import_module("segharness.plugin.builtin")
        )
        if not os.environ.get(AUTOLOAD_OFF):
            for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: e.name):
                host._add_entry_point(entry)
        for name in host.arguments.include:
            if not name.startswith("no:"):
                host._add_named(name)
        for folder in host.arguments.folders:
            host._add_beside_suite(Path(folder) / BESIDE_SUITE)
        host._register_offers()
        broken = [p for p in host.plugins if p.quarantined]
        if host.arguments.strict and broken:
            raise PluginError([f"plugin `{p.name}` ({p.distribution}): {p.quarantined}" for p in broken])
        for plugin in broken:
            if warn:
                warn(f"plugin `{plugin.name}` ({plugin.distribution}) is left out: {plugin.quarantined}")
        for plugin in host.plugins:
            for line in plugin.deprecated if warn else ():
                warn(f"plugin `{plugin.name}` ({plugin.distribution}): {line}")  # type: ignore[misc]
        return host

    def _add_entry_point(self, entry: importlib.metadata.EntryPoint) -> None:
        if entry.dist is None:
            self._add(entry.name, entry.value, "", entry.load)
            return
        metadata = entry.dist.metadata  # parsed at every access
        needs = required_version(metadata.get_all("Requires-Dist"))
        name, version = ([*(metadata.get_all(key) or ()), ""][0] for key in ("Name", "Version"))
        self._add(entry.name, name or entry.value, version, entry.load, needs)

    def _add_named(self, name: str) -> None:
        if any(p.name == name for p in self.plugins):
            return
        for entry in importlib.metadata.entry_points(group=GROUP, name=name):
            self._add_entry_point(entry)
            return
        if name.endswith(".py"):
            if not Path(name).is_file():
                raise PluginError(f"-p {name}: no such file")
            file = Path(name).absolute()
            if not any(p.name == str(file) for p in self.plugins):
                self._add(str(file), str(file), "", lambda: import_file(file, file.stem))
            return
        top, folder = name.partition(".")[0], str(Path.cwd())
        if importlib.util.find_spec(top) is None and folder not in sys.path:
            sys.path.append(folder)  # `python -m segharness` has it; the installed command does not
            importlib.invalidate_caches()
        if importlib.util.find_spec(top) is None:
            names = [e.name for e in importlib.metadata.entry_points(group=GROUP)]
            raise PluginError(f"-p {name}: no plugin or module of that name is installed{nearest(name, names)}")
        self._add(name, name, "", lambda: importlib.import_module(name))

    def _add_beside_suite(self, file: Path) -> None:
        if file.is_file() and not any(p.name == str(file) for p in self.plugins):
            self._add(str(file), str(file), "", lambda: import_file(file, BESIDE_SUITE.removesuffix(".py")))

    def _add(self, name: str, distribution: str, version: str, importer: Callable[[], Any], needs: str = "") -> None:
        if name in self._blocked:
            return
        if any(p.name == name for p in self.plugins):  # two distributions may use one name for their entry points
            name = f"{distribution}:{name}"
        plugin = Plugin(name, distribution, version, needs=needs)
        self.plugins.append(plugin)
        if (reason := unmet(needs, _own_version())) is not None:
            self._quarantine(plugin, reason)
            return
        try:
            with collected(plugin.deprecated):
                module = importer()
            for hook in dir(module):
                if hook not in HOOK_SPECS and self._manager.parse_hookimpl_opts(module, hook) is not None:
                    ends = [known.removeprefix("segharness_") for known in HOOK_SPECS]
                    hint = nearest(hook.removeprefix("segharness_"), ends, listed=False)
                    hint = hint.replace("`", "`segharness_", 1) or "; it may be one of a newer segharness"
                    raise PluginError(f"there is no hook `{hook}`{hint}")
            if self._manager.is_registered(module):  # -p names the module of an entry point
                self.plugins.remove(plugin)
                return
            self._manager.register(module, name)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._quarantine(plugin, _reason(error), _traceback(error))

    def _quarantine(self, plugin: Plugin, reason: str, detail: str = "") -> None:
        plugin.quarantined, plugin.detail, plugin.offers = reason, detail, ()
        if self._manager.has_plugin(plugin.name):
            self._manager.unregister(name=plugin.name)

    # ------------------------------------------------------------------------------------------------- offering

    def _register_offers(self) -> None:
        for plugin in self.plugins:
            if plugin.quarantined is None:
                offered = self._ask(plugin)
                for kind, spec in offered:
                    self._offer(plugin, kind, spec)
                plugin.offers = tuple((_KIND.get(type(spec), kind), spec.name) for kind, spec in offered)

    def _ask(self, plugin: Plugin) -> list[tuple[str, Any]]:
        """Return (namespace, spec) of all that a plugin offers; a failure or a malformed spec quarantines it."""
        offered: list[tuple[str, Any]] = []
        for hook_name, allowed in HOOK_SPECS.items():
            for implementation in getattr(self._manager.hook, hook_name).get_hookimpls():
                if implementation.plugin_name != plugin.name:
                    continue
                try:
                    with collected(plugin.deprecated):
                        answer = implementation.function()
                        if isinstance(answer, allowed):
                            raise TypeError(f"it returned one {type(answer).__name__}, not a list of them")
                        returned = list(answer)
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    self._quarantine(plugin, _reason(error, f"{hook_name} raised "), _traceback(error))
                    return []
                for spec in returned:
                    if not isinstance(spec, allowed):
                        expected = " or ".join(kind.__name__ for kind in allowed)
                        self._quarantine(plugin, f"{hook_name} returned a {type(spec).__name__}, not a {expected}")
                        return []
                    offered.append((NAMESPACES[type(spec)], spec))
        return offered

    def _offer(self, plugin: Plugin, kind: str, spec: Any) -> None:
        first_spec, first_plugin = self._offers.setdefault((kind, spec.name), (spec, plugin))
        if first_plugin is not plugin or first_spec is not spec:
            self.conflicts.append(
                f"{kind} `{spec.name}` is offered by both {first_plugin.distribution} (plugin `{first_plugin.name}`) "
                f"and {plugin.distribution} (plugin `{plugin.name}`); keep one out with `-p no:{plugin.name}`"
            )

    # --------------------------------------------------------------------------------------------------- asking

    def all(self, kind: type[Spec]) -> list[Spec]:
        """Return every spec of a class, such as `ModelSpec`, sorted by name."""
        return sorted((s for s, _ in self._offers.values() if type(s) is kind), key=lambda s: s.name)  # type: ignore[attr-defined]

    def find(self, name: str, *kinds: type[Spec]) -> Spec | None:
        """Return the spec of that name, of one of these classes, or None. The classes share a namespace."""
        spec, _ = self._offers.get((NAMESPACES[kinds[0]], name), (None, None))
        return spec if isinstance(spec, kinds) else None

    def names(self, *kinds: type) -> list[str]:
        """Return the names of all specs of these classes, sorted."""
        return sorted(spec.name for spec, _ in self._offers.values() if type(spec) in kinds)

    def get(self, name: str, *kinds: type[Spec]) -> Spec:
        """Return the spec of that name, of one of these classes.

        Raises:
            PluginError: no plugin offers it. The message has the nearest name, and the plugins that were left out.
        """
        spec = self.find(name, *kinds)
        if spec is None:
            raise PluginError(self.unknown_message(name, *kinds))
        return spec

    def unknown_message(self, name: str, *kinds: type) -> str:
        """Return the message for a name that no plugin offers."""
        names = self.names(*kinds)
        family = f"{name.partition('/')[0].lower()}/"
        message = f"no {NAMESPACES[kinds[0]]} `{name}`{nearest(name, names)}"
        if message.endswith("`") and any(offered.startswith(family) for offered in names):
            message += f"; those of {family[:-1]}: `segharness {NAMESPACES[kinds[0]]}s {family[:-1]}`"
        distribution = distribution_of(NAMESPACES[kinds[0]], name)
        if distribution is not None and all(plugin.distribution != distribution for plugin in self.plugins):
            message = f"no {NAMESPACES[kinds[0]]} `{name}` is installed: pip install {distribution}"
            if is_installed(distribution):
                message = (
                    f"{NAMESPACES[kinds[0]]} `{name}` is offered by {distribution}, which is installed and switched off: "
                    f"by `-p no:NAME` or {AUTOLOAD_OFF}"
                )
        broken = [f"`{p.name}` ({p.quarantined})" for p in self.plugins if p.quarantined]
        return coded("T07", message + (f"; left out: {', '.join(broken)}" if broken else ""))

    def owner(self, spec: Any) -> Plugin:
        """Return the plugin that offers a spec."""
        return self._offers[NAMESPACES[type(spec)], spec.name][1]

    def check_conflicts(self) -> None:
        """Raise PluginError if two plugins offer one name. Every command but ``segharness plugins`` calls this."""
        if self.conflicts:
            raise PluginError(self.conflicts)


def _reason(error: BaseException, before: str = "") -> str:
    """Return in one line why a plugin is left out that raised an error."""
    newer = failure_of_a_newer_api(text_of(error), _own_version())
    return newer or f"{before}{type(error).__name__}: {text_of(error)}".splitlines()[0]


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as other:  # noqa: BLE001  an error may raise when it is shown
        return f"{type(error).__name__}, which cannot be shown: {type(other).__name__}\n"


@functools.cache
def _own_version() -> str:
    return importlib.metadata.version("segharness")
