"""What plugins offer of named protocols: `ProtocolSpec`, a folder with a suite and its seal."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from segharness.errors import PluginError
from segharness.plugin.packaged_file import packaged_file
from segharness.plugin.spec_checks import check_spec, is_packaged_file


@dataclass(frozen=True)
class ProtocolSpec:
    """A protocol with a name and a version, which does not change once it is sealed.

    Attributes:
        name: such as ``toy-1.0``; another version is another name.
        folder: ``"package:path/in/it"``, a folder with ``suite.yaml``, whose only model is the reference. A sealed
            protocol also has there what ``segharness protocols seal`` writes: ``seal.json``, and the reference's
            ``results.arrow`` and ``resamples.arrow``. Without them it is a draft, which cannot be run by its name.
        description: one line.

    Example:
        >>> ProtocolSpec("acme-1.0", folder="segharness_acme:protocols/acme-1.0").name
        'acme-1.0'
    """

    name: str
    _: KW_ONLY
    folder: str
    description: str = ""

    def __post_init__(self) -> None:
        check_spec(self)
        if not is_packaged_file(self.folder):
            raise PluginError(f"ProtocolSpec `{self.name}`: folder is {self.folder!r:.60}, not 'package:path/in/it'")

    def path(self) -> Path:
        """Return the folder.

        Raises:
            PluginError: there is no such package, or no suite in that folder.
        """
        owner = f"ProtocolSpec `{self.name}`: folder"
        path = packaged_file(self.folder, owner)
        if not (path / "suite.yaml").is_file():
            raise PluginError(f"{owner} {self.folder!r}: there is no suite.yaml; install its plugin again")
        return path
