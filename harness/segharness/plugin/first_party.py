"""Which first-party distribution offers a name, for messages on machines that do not have it.

``first_party.json`` is made from the installed plugins by ``tools/first_party_names.py``, and a test holds it to them.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("first_party.json")


def distribution_of(kind: str, name: str) -> str | None:
    """Return the distribution that offers a name of a namespace, or that owns the name's family; None if none does.

    Args:
        kind: a value of `segharness.plugin.host.NAMESPACES`, such as ``model``.
        name: of a model, corruption, command ...
    """
    names = _names().get(kind, {})
    return names.get(name) or names.get(f"{name.partition('/')[0].lower()}/" if "/" in name else "")


def first_party_distributions() -> set[str]:
    """Return the names of the distributions that segharness's own developers publish."""
    return {distribution for names in _names().values() for distribution in names.values()} | {"segharness-torch"}


def is_installed(distribution: str) -> bool:
    """Return whether a distribution is installed, loaded or not."""
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@functools.cache
def _names() -> dict[str, dict[str, str]]:
    content: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return content
