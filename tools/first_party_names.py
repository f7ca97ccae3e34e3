"""Writes which first-party distribution offers which name, for the message to who lacks it.

    python tools/first_party_names.py

Run it when a first-party plugin gets a name without a family, or a new family; a test says when it must be.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from segharness import PluginHost

REPOSITORY = Path(__file__).resolve().parents[1]
FILE = REPOSITORY / "harness/segharness/plugin/first_party.json"


def names() -> dict[str, dict[str, str]]:
    """Return, by kind, the distribution of every name, or of its family (``torchvision/``) if all of it is theirs."""
    first_party = {folder.name for folder in (REPOSITORY / "plugins").iterdir()}
    owners: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    members: dict[str, dict[str, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for plugin in PluginHost.load().plugins:
        if plugin.distribution in first_party:
            for kind, name in plugin.offers:
                kind = {"mixture": "corruption", "condition set": "corruption", "model set": "model"}.get(kind, kind)
                family = f"{name.partition('/')[0]}/" if "/" in name else name
                owners[kind][family].add(plugin.distribution)
                members[kind][family].append((name, plugin.distribution))
    content: dict[str, dict[str, str]] = {}
    for kind in sorted(owners):
        content[kind] = {}
        for family in sorted(owners[kind]):
            if len(owners[kind][family]) == 1:
                content[kind][family] = next(iter(owners[kind][family]))
            else:
                content[kind] |= dict(sorted(members[kind][family]))
    return content


if __name__ == "__main__":
    FILE.write_text(json.dumps(names(), indent=1) + "\n", encoding="utf-8")
