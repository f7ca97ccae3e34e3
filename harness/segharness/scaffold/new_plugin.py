"""Writes the files of a new plugin from templates, with the parts that one chooses."""

from __future__ import annotations

import datetime
import importlib.metadata
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segharness.errors import UsageError
from segharness.plugin.first_party import first_party_distributions, is_installed

_TEMPLATES = Path(__file__).with_name("templates")
_NAME = re.compile(r"(?=.{1,40}$)(?!segharness$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SAMPLE = "segharness.testing.sample"


@dataclass(frozen=True)
class Part:
    """A kind of thing that a plugin may offer, and its example.

    Attributes:
        spec: the class of its spec.
        hook: the function of ``plugin.py`` that returns it; ``{name}`` and ``{package}`` are replaced.
        offers: a line for the README.
    """

    spec: str
    hook: str
    offers: str


PARTS: Mapping[str, Part] = {
    "model": Part(
        "ModelSpec",
        """
@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            "{name}/colours",
            factory="{package}.model:Colours",
            description="regions in which one colour is the strongest",
            licence="MIT",
            categories=("red", "green", "blue"),
            options={{
                "margin": Option("by how much a channel must be stronger than the others, of 255; 40 when absent"),
                "smallest": Option("regions of fewer pixels are dropped; 12 when absent"),
            }},
        )
    ]
""",
        "the model `{name}/colours`",
    ),
    "dataset": Part(
        "DatasetSpec",
        """
@hookimpl
def segharness_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            "{name}/discs",
            factory="{package}.dataset:Discs",
            description="generated images of discs in three colours",
            licence="MIT",
            options={{"count": Option("how many images; 12 when absent")}},
        )
    ]
""",
        "the data set `{name}/discs`",
    ),
    "corruption": Part(
        "CorruptionSpec",
        """
@hookimpl
def segharness_corruptions() -> list[CorruptionSpec]:
    return [
        CorruptionSpec(
            "{name}/dusk",
            apply="{package}.corruption:dusk",
            category="weather",
            description="dark, with grain",
        )
    ]
""",
        "the corruption `{name}/dusk`, of severity 1 to 5",
    ),
    "metric": Part(
        "MetricSpec",
        """
@hookimpl
def segharness_metrics() -> list[MetricSpec]:
    error = Metric(
        "counting_error",
        unit="objects",
        better="smaller",
        column="counting error",
        formula="mean over images of |number of detections - number of objects|",
    )
    return [
        MetricSpec(
            "{name}-counting",
            score="{package}.metric:score",
            tasks=("bbox",),
            metrics=(error,),
            description="how many objects are found too few or too many",
        )
    ]
""",
        "the metric `{name}-counting`",
    ),
    "reporter": Part(
        "ReporterSpec",
        """
@hookimpl
def segharness_reporters() -> list[ReporterSpec]:
    return [
        ReporterSpec(
            "{name}-json",
            write="{package}.reporter:write",
            suffix=".json",
            description="the tables as JSON",
        )
    ]
""",
        "the report format `{name}-json`: `segharness report RUN --format {name}-json -o tables.json`",
    ),
    "suite": Part(
        "SuiteSpec",
        """
@hookimpl
def segharness_suites() -> list[SuiteSpec]:
    return [
        SuiteSpec(
            "{name}/example",
            file="{package}:suites/example.yaml",
            description="a first look at what this plugin offers",
        )
    ]
""",
        "the suite `{name}/example`: `segharness run {name}/example`",
    ),
}
"""The parts of a plugin, in the order of its files."""


def new_plugin(name: str, parts: Sequence[str], folder: Path) -> list[Path]:
    """Write the files of a distribution and return their paths, sorted.

    Args:
        name: of the plugin: lower-case letters, digits and ``-``; ``segharness-`` in front is dropped.
        parts: some of `PARTS`.
        folder: a folder that does not exist yet, or an empty one.

    Raises:
        UsageError: the name cannot be one, no part is named, or the folder has files.
    """
    name = name.removeprefix("segharness-")
    package = f"segharness_{name.replace('-', '_')}"
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"`{name}` cannot be the name of a plugin: at most 40 lower-case letters, digits and `-`, a letter first"
        )
    if f"segharness-{name}" in first_party_distributions() or is_installed(f"segharness-{name}"):
        raise UsageError(f"segharness-{name} is there already: choose another name, such as `my-{name}`")
    if not parts:
        raise UsageError(f"a plugin offers something: name at least one of {', '.join(f'--{part}' for part in PARTS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already, and not an empty folder; -o names another one")
    chosen = [part for part in PARTS if part in parts]
    values = _values(name, package, chosen)
    files = {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        "LICENSE": "LICENSE.txt",
        "CHANGELOG.md": "CHANGELOG.md.txt",
        ".gitignore": "gitignore.txt",
        ".github/workflows/ci.yml": "workflows/ci.yml.txt",
        ".github/workflows/publish.yml": "workflows/publish.yml.txt",
        "tests/conftest.py": "tests/conftest.py.txt",
        "tests/test_plugin.py": "tests/test_plugin.py.txt",
        **{f"tests/test_{part}.py": f"tests/test_{part}.py.txt" for part in chosen},
        **{f"{package}/{part}.py": f"package/{part}.py.txt" for part in chosen if part != "suite"},
    }
    texts = {
        path: _filled((_TEMPLATES / template).read_text(encoding="utf-8"), values) for path, template in files.items()
    }
    texts |= {
        f"{package}/__init__.py": f'"""{values["description"]}."""\n',
        f"{package}/py.typed": "",
        f"{package}/plugin.py": _plugin_module(name, package, chosen),
    }
    if "suite" in chosen:
        texts[f"{package}/suites/example.yaml"] = _suite(name, chosen)
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return sorted(folder / path for path in texts)


def _values(name: str, package: str, chosen: Sequence[str]) -> dict[str, str]:
    version = ".".join(importlib.metadata.version("segharness").split(".")[:2])
    kinds = [part.replace("dataset", "data set").replace("reporter", "report format") for part in chosen]
    listed = " and ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
    of_sample = "suite" in chosen and not {"model", "dataset"} <= set(chosen)
    usage = ""
    if of_sample:
        usage = (
            f"\nThe suite uses the sample of segharness for what this plugin does not have: add `-p {_SAMPLE}` to the "
            "command.\n"
        )
    return {
        "name": name,
        "package": package,
        "version": version,
        "year": str(datetime.datetime.now(tz=datetime.timezone.utc).year),
        "description": f"A {listed} for segharness",
        "offers": "\n".join(f"- {PARTS[part].offers.format(name=name)}" for part in chosen) + "\n",
        "usage": usage,
        "sample_argument": f', "-p", "{_SAMPLE}"' if of_sample else "",
    }


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], text)


def _plugin_module(name: str, package: str, chosen: Sequence[str]) -> str:
    names = {PARTS[part].spec for part in chosen} | {"hookimpl"}
    names |= {"Option"} if {"model", "dataset"} & set(chosen) else set()
    names |= {"Metric"} if "metric" in chosen else set()
    imported = "".join(f"    {n},\n" for n in sorted(names, key=lambda n: (n[0].islower(), n)))
    hooks = "\n".join(PARTS[part].hook.format(name=name, package=package) for part in chosen)
    return (
        '"""What this plugin offers. segharness imports this file to list it, so it imports nothing heavy."""\n\n'
        f"from __future__ import annotations\n\nfrom segharness import (\n{imported})\n\n{hooks}"
    )


def _suite(name: str, chosen: Sequence[str]) -> str:
    model = f"{name}/colours" if "model" in chosen else "sample/finder"
    dataset = f"{name}/discs" if "dataset" in chosen else "sample/squares"
    conditions = ["clean", *([f"{name}/dusk-1", f"{name}/dusk-3", f"{name}/dusk-5"] if "corruption" in chosen else [])]
    lines = [
        "# A first look at what this plugin offers.",
        f"#   segharness run {name}/example" + ("" if {"model", "dataset"} <= set(chosen) else f" -p {_SAMPLE}"),
        "segharness: 1",
        "models:",
        f"  - {{id: {model.partition('/')[2]}, model: {model}}}",
        *([f"  - {{id: strict, model: {model}, options: {{margin: 100}}}}"] if "model" in chosen else []),
        f"reference: {model.partition('/')[2]}  # CD and rCD are relative to this model",
        f"datasets: [{dataset}]",
        f"conditions: [{', '.join(conditions)}]",
    ]
    if "metric" in chosen:
        lines += ["scoring:", f"  metrics: [coco, {name}-counting]"]
    return "\n".join(lines) + "\n"
