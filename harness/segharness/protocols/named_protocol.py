"""Finds named protocols: those that plugins offer, and folders of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segharness.errors import UsageError
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import ProtocolSpec
from segharness.protocols.seal import Seal
from segharness.suite import Overrides


@dataclass(frozen=True)
class NamedProtocol:
    """A protocol with its files.

    Attributes:
        name: of it.
        folder: has ``suite.yaml`` and, if it is sealed, the seal and the reference's results.
        seal: what is fixed of it; None for a draft.
        description: one line.
        plugin: the distribution that offers it; "" for a folder of one's own.
    """

    name: str
    folder: Path
    seal: Seal | None
    description: str = ""
    plugin: str = ""

    @property
    def suite(self) -> Path:
        """The suite's file."""
        return self.folder / "suite.yaml"

    @property
    def results(self) -> Path:
        """The results of the reference."""
        return self.folder / "results.arrow"

    @property
    def reference(self) -> str:
        """The reference as ``--reference`` names it: its results, and its id in them.

        Raises:
            UsageError: the protocol is a draft, or its folder cannot be named.
        """
        if "=" in str(self.results):
            raise UsageError(f"{self.folder}: the path of a protocol cannot have a `=`")
        return f"{self.results}::{self.sealed().reference['model']}"

    def overrides(self, models: Sequence[str]) -> Overrides:
        """Return what replaces the models and the reference of its suite when models are run under it.

        Raises:
            UsageError: it is a draft, its folder cannot be named, or there are no models.
        """
        if not models:
            raise UsageError(f"--protocol {self.name}: name the models, --model NAME")
        return Overrides(models, references=[self.reference])

    def sealed(self) -> Seal:
        """Return its seal.

        Raises:
            UsageError: it is a draft.
        """
        if self.seal is None:
            raise UsageError(
                f"the protocol `{self.name}` is a draft: its data and its reference's results have no digests yet. Who has "
                f"them seals it: segharness protocols seal {self.name} -o DIR"
            )
        return self.seal


def find_protocol(name: str, host: PluginHost) -> NamedProtocol:
    """Return a protocol by its name, or by the path of its folder, which contains a ``/``.

    Raises:
        UsageError: there is none.
    """
    if "/" in name:
        folder = Path(name)
        if not (folder / "suite.yaml").is_file():
            raise UsageError(f"{name}: is no folder of a protocol: there is no suite.yaml in it")
        return _opened(folder.resolve().name, folder, "", "")
    spec = host.find(name, ProtocolSpec)
    if spec is None:
        raise UsageError(host.unknown_message(name, ProtocolSpec))
    return _opened(spec.name, spec.path(), spec.description, host.owner(spec).distribution)


def named_protocols(host: PluginHost) -> list[NamedProtocol]:
    """Return all protocols that plugins offer, by name; those whose files are missing or damaged are left out."""
    found = []
    for name in host.names(ProtocolSpec):
        try:
            found.append(find_protocol(name, host))
        except UsageError:  # its files are missing or damaged; whoever names it is told so
            continue
    return found


def _opened(name: str, folder: Path, description: str, plugin: str) -> NamedProtocol:
    file = folder / "seal.json"
    return NamedProtocol(name, folder, Seal.read(file) if file.is_file() else None, description, plugin)
