"""Checks that a release can be made, and builds it. It publishes nothing: .github/workflows/publish.yml does.

    python tools/release.py [--dist DIR] [--tag v0.2.0] [--skip-readme]

The checklist, in order: all distributions have one version, which is the tag's; the changelog has its section, with a
date; nothing is uncommitted; every wheel and sdist builds and passes the index's checks; from the wheels alone, a fresh
environment runs ``robustness`` in an empty folder; README's two commands run in fresh environments.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import tomlkit

REPOSITORY = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = (REPOSITORY, *sorted((REPOSITORY / "plugins").iterdir()))
README_COMMANDS = (
    "pip install -r requirements.txt && segharness run suites/robustness.yaml",
    "pip install -r requirements-dev.txt && pytest",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checklist; return 1 at the first point that does not hold."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--dist", type=Path, default=REPOSITORY / "dist", help="where wheels and sdists go; default dist/"
    )
    parser.add_argument("--tag", help="the tag of the release, which must be v and the version")
    parser.add_argument(
        "--skip-readme", action="store_true", help="leave out README's two commands, which take an hour"
    )
    arguments = parser.parse_args(argv)
    try:
        version = the_version()
        check(f"all {len(DISTRIBUTIONS)} distributions have version {version}")
        if arguments.tag is not None and arguments.tag != f"v{version}":
            raise Failed(f"the tag is {arguments.tag}, not v{version}")
        changelog(version)
        check(f"CHANGELOG.md has the dated section {version}")
        clean_tree()
        check("nothing is uncommitted")
        files = build(arguments.dist)
        check(f"{len(files)} files are built and pass the index's checks: {arguments.dist}")
        from_wheels(arguments.dist)
        check("from the wheels alone, `segharness run robustness` works in an empty folder")
        if not arguments.skip_readme:
            for command in README_COMMANDS:
                readme_command(command)
                check(f"README: {command}")
    except Failed as failed:
        print(f"[ ] {failed}", file=sys.stderr)
        return 1
    print(
        f"version {version} can be released: tag v{version} and make a release of it; the workflow `Publish` uploads it"
    )
    return 0


class Failed(Exception):  # noqa: N818  it says what failed
    """A point of the checklist does not hold."""


def check(text: str) -> None:
    """Print a point that holds."""
    print(f"[x] {text}", flush=True)


def the_version() -> str:
    """Return the version of all distributions."""
    versions: dict[str, list[str]] = {}
    for folder in DISTRIBUTIONS:
        project = tomlkit.parse((folder / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
        versions.setdefault(project["version"], []).append(project["name"])
    if len(versions) > 1:
        raise Failed(
            "distributions differ in version: " + "; ".join(f"{v}: {', '.join(n)}" for v, n in versions.items())
        )
    return next(iter(versions))


def changelog(version: str, text: str | None = None) -> None:
    """Check that the changelog has a section of a version, with a date and something in it."""
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8") if text is None else text
    section = re.search(rf"^## {re.escape(version)} \(([^)\n]*)\)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if section is None or not re.sub(r"<!--.*?-->", "", section[2], flags=re.DOTALL).strip():
        raise Failed(f"CHANGELOG.md has no section `## {version} (DATE)`, or an empty one")
    try:
        datetime.date.fromisoformat(section[1])
    except ValueError:
        raise Failed(
            f"CHANGELOG.md: the section of {version} says ({section[1]}), not a date such as (2026-12-01)"
        ) from None


def clean_tree() -> None:
    """Check that the tree is what its commit says."""
    done = subprocess.run(["git", "status", "--porcelain"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    if done.stdout.strip():
        raise Failed(f"uncommitted: {done.stdout.splitlines()[0].strip()} ...")


def build(dist: Path) -> list[Path]:
    """Build every distribution into a folder that holds nothing else, and check the files as the index does."""
    dist = dist.resolve()
    if dist.exists() and any(dist.iterdir()):
        raise Failed(f"{dist} is not empty: remove it, so that nothing old is published")
    for folder in DISTRIBUTIONS:
        run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(folder)])
    files = sorted(dist.iterdir())
    if len(files) != 2 * len(DISTRIBUTIONS):
        raise Failed(f"{len(files)} files were built of {len(DISTRIBUTIONS)} distributions")
    run([sys.executable, "-m", "twine", "check", "--strict", *map(str, files)])
    return files


def from_wheels(dist: Path) -> None:
    """Install ``segharness[toy]`` from the built wheels and run the default suite on few images."""
    dist = dist.resolve()
    with tempfile.TemporaryDirectory() as folder:
        python = fresh_environment(Path(folder) / "env")
        run([str(python), "-m", "pip", "install", "-q", "--find-links", str(dist), "segharness[toy]"])
        (Path(folder) / "empty").mkdir()
        run([str(python.with_name("segharness")), "run", "robustness", "--limit", "4"], Path(folder) / "empty")


def readme_command(command: str) -> None:
    """Run one of README's commands in a fresh environment, in a copy of the committed tree."""
    with tempfile.TemporaryDirectory() as folder:
        python = fresh_environment(Path(folder) / "env")
        run(["git", "clone", "-q", str(REPOSITORY), str(Path(folder) / "copy")])
        run(
            ["bash", "-c", command], Path(folder) / "copy", {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
        )


def fresh_environment(folder: Path) -> Path:
    """Make an environment and return its interpreter."""
    run([sys.executable, "-m", "venv", str(folder)])
    return folder / "bin/python"


def run(command: Sequence[str], folder: Path = REPOSITORY, environment: dict[str, str] | None = None) -> None:
    """Run a command, and fail with the end of what it printed."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise Failed(f"{' '.join(command)[:200]}: exit code {done.returncode}\n{end}")


if __name__ == "__main__":
    raise SystemExit(main())
