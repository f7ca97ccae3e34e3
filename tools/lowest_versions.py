"""Tries every distribution with the lowest versions that its dependencies allow.

    python tools/lowest_versions.py [NAME ...]

uv resolves the lowest versions of direct dependencies for which this Python has wheels, in a fresh environment for each
distribution; the plugin must then load and pass its check. Needs `pip install uv`. Distributions that need PyTorch or Ray
are left out, because their old builds are gigabytes each.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = ("ray", "segharness-torch", "torch")
"""Distributions that need one of these are tried without resolving it again."""


def main() -> int:
    """Print a line for every distribution; return 1 if one does not work."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="distributions; all when absent")
    arguments = parser.parse_args()
    folders = [REPOSITORY, *sorted((REPOSITORY / "plugins").iterdir())]
    failed = 0
    for folder in folders:
        name = "segharness" if folder == REPOSITORY else folder.name
        if not arguments.names or name in arguments.names:
            text, ok = tried(name, folder)
            failed += not ok
            print(f"{name}: {text}", flush=True)
    return int(failed > 0)


def tried(name: str, folder: Path) -> tuple[str, bool]:
    """Install a distribution with the lowest versions, and check it; return a line and whether it worked."""
    text = (folder / "pyproject.toml").read_text(encoding="utf-8").split("[project.optional-dependencies]")[0]
    if any(f'"{heavy}>=' in text for heavy in HEAVY):
        return "left out: it needs PyTorch or Ray, whose old builds are gigabytes", True
    with tempfile.TemporaryDirectory() as temporary:
        environment = Path(temporary) / "env"
        python = environment / "bin/python"
        uv = [sys.executable, "-m", "uv"]
        sources = dict.fromkeys([str(REPOSITORY), *own_dependencies(text), str(folder)])
        lowest = ["--resolution", "lowest-direct", "--only-binary", ":all:"]
        install = [*uv, "pip", "install", "-q", "--python", str(python), *lowest]
        for command in (
            [*uv, "venv", "-q", "--python", sys.executable, str(environment)],
            [*install, *(word for source in sources for word in ("-e", source))],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return " ".join(done.stderr.split())[-400:], False
        for command in (["plugins", "--strict-plugins"], ["plugins", "check", name]):
            done = subprocess.run(
                [str(python), "-m", "segharness", *command], capture_output=True, text=True, cwd=temporary, check=False
            )
            if done.returncode not in (0, 5):
                return f"{' '.join(command)}: {(done.stdout + done.stderr)[-600:]}", False
        frozen = [*uv, "pip", "freeze", "--python", str(python)]
        listed = subprocess.run(frozen, capture_output=True, text=True, check=True).stdout
        return "works with " + ", ".join(line for line in listed.splitlines() if not line.startswith("-e")), True


def own_dependencies(text: str) -> list[str]:
    """Return the folders of first-party distributions that a project requires."""
    return [
        str(REPOSITORY / "plugins" / name) for name in re.findall(r'"(segharness-\w+)', text.split("dependencies")[1])
    ]


if __name__ == "__main__":
    sys.exit(main())
