"""What was found of a plugin, part by part, as text that can be pasted into an issue."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segharness.plugin.host import Plugin
from segharness.redaction import without_credentials, without_folders
from segharness.testing.findings import Finding


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
        name = Path(self.plugin.name).name
        installed = f"{self.plugin.distribution} {self.plugin.version}, " if self.plugin.version else ""
        lines = [
            f"segharness plugins check {name}",
            f"{installed}segharness {_version('segharness')}, Python {platform.python_version()}, {platform.system()} "
            f"{platform.machine()}, {versions}",
        ]
        for part in self.parts:
            lines += ["", f"{part.kind} {part.name}"]
            fine = [finding.rule for finding in part.findings if finding.problem is None and not finding.skipped]
            if fine:
                lines.append(f"  ok      {', '.join(dict.fromkeys(fine))}")
            for finding in part.findings:
                if finding.problem is not None:
                    lines.append(f"  FAILED  {finding.rule}: {_shareable(finding.problem)}")
                    lines.append(f"          look at: {_shareable(finding.look_at)}")
                elif finding.skipped:
                    lines.append(f"  -       {finding.rule}: not checked: {_shareable(finding.skipped)}")
        failed = sum(not part.ok for part in self.parts)
        unchecked = sum(not part.checked for part in self.parts)
        lines += ["", f"{len(self.parts)} parts: {failed} with mistakes, {unchecked} not checked"]
        for rule in ("labels", "channels"):
            blind = [part.name for part in self.parts for f in part.findings if f.rule == rule and f.skipped]
            if blind:
                lines.append(f"{rule} of {', '.join(blind[:3])}{' ...' if len(blind) > 3 else ''} are NOT CHECKED")
        return "\n".join(lines)


def _shareable(text: str) -> str:
    """Return a text of a plugin in one line, without credentials and without the folders of this user."""
    return without_folders(without_credentials(" ".join(text.split())))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
