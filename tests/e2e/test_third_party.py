"""A third party's plugin: its own distribution, pip-installed into an environment of its own, found, run and shown."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from segharness.testing import CommandLine

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-segmenter"
version = "2.3"
dependencies = ["segharness"]

[project.entry-points.segharness]
acme = "acme_segmenter"

[tool.hatch.build.targets.wheel]
packages = ["acme_segmenter"]
"""

PLUGIN = '''
"""A model, a corruption, a metric, a reporter, an executor and a command of a third party."""

from segharness import (
    CommandSpec, CorruptionSpec, ExecutorSpec, Metric, MetricSpec, ModelSpec, Option, ReporterSpec, hookimpl,
)


@hookimpl
def segharness_models():
    return [ModelSpec("acme/red", factory="acme_segmenter.work:Red", description="finds red things", licence="MIT",
                      tags=("colour",), options={"margin": Option("how red")})]


@hookimpl
def segharness_corruptions():
    return [CorruptionSpec("acme/invert", apply="acme_segmenter.work:invert", category="digital",
                           description="the negative", severities=(1, 2))]


@hookimpl
def segharness_metrics():
    return [MetricSpec("acme-count", score="acme_segmenter.work:count", tasks=("segm",),
                       metrics=(Metric("n", unit="count", better="neither"),))]


@hookimpl
def segharness_reporters():
    return [ReporterSpec("acme-json", write="acme_segmenter.work:report", suffix=".json")]


@hookimpl
def segharness_executors():
    return [ExecutorSpec("acme-inline", factory="acme_segmenter.work:executor")]


@hookimpl
def segharness_commands():
    return [CommandSpec("acme-hello", help="greets", configure="acme_segmenter.work:configure",
                        execute="acme_segmenter.work:hello")]
'''

WORK = """
import json

import numpy as np
from segharness import Instances, Score
from segharness.execution.executors.inline import InlineExecutor


class Red:
    categories = ("square",)

    def __init__(self, margin=40):
        self.margin = margin

    def predict(self, images, prompts=None):
        found = []
        for image in images:
            mask = image[..., 0].astype(int) - image[..., 1] > self.margin
            n = int(mask.any())
            box = np.float32([[0, 0, image.shape[1], image.shape[0]]])[:n]
            found.append(Instances(box, np.ones(n, np.float32), np.zeros(n, int), mask[None][:n]))
        return found


def invert(image, severity, rng):
    return 255 - image if severity == 1 else 255 - image // 2


def count(request):
    return [Score("n", float(len(request.predictions)))]


def report(given, target):
    target.write_text(json.dumps([table.title for table in given.tables]))


def executor(options):
    return InlineExecutor(options)


def configure(parser):
    parser.add_argument("name")


def hello(args):
    print(f"hello {args.name}")
    return 0
"""

SUITE = """
segharness: 1
name: small
models: [acme/red]
datasets:
  - {id: shapes, dataset: coco/instances, options: {annotations: coco/annotations.json, images: coco/images}}
conditions: [clean, {name: negatives, corruptions: [acme/invert]}]
scoring: {tasks: [segm], metrics: [coco, acme-count]}
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """An environment that sees this one's packages and has the plugin installed in itself."""
    folder = tmp_path_factory.mktemp("acme")
    project = folder / "acme-segmenter"
    (project / "acme_segmenter").mkdir(parents=True)
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "acme_segmenter/__init__.py").write_text(PLUGIN)
    (project / "acme_segmenter/work.py").write_text(WORK)
    venv.create(folder / "venv", with_pip=True)
    own = folder / "venv/bin/python"
    inside = subprocess.run(
        [own, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    ours = [p for p in sys.path if p.endswith("site-packages")]
    lines = "".join(f"import site; site.addsitedir({p!r})\n" for p in ours)
    (Path(inside.stdout.strip()) / "ours.pth").write_text(lines)
    subprocess.run(
        [own, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check", str(project)], check=True
    )
    return own


@pytest.fixture
def acme(python, small):
    small.write("small.yaml", SUITE)
    return CommandLine(small.folder, str(python))


@pytest.mark.slow
def test_it_is_found_listed_run_scored_and_shown(acme):
    listed = json.loads(acme("plugins", "--json").out)["plugins"]
    [own] = [p for p in listed if p["name"] == "acme"]
    assert (own["distribution"], own["version"], own["quarantined"]) == ("acme-segmenter", "2.3", None)
    assert "acme/red" in acme("models").out and "finds red things" in acme("models", "acme/red").out
    assert "acme/invert" in acme("corruptions").out
    assert acme("acme-hello", "world").out == "hello world\n"

    done = acme("run", "small.yaml", "--executor", "acme-inline")
    assert done.code == 0, done.err
    assert "acme-red" in done.out
    rows = acme.results("small").to_pylist()
    counts = {r["condition"]: r["value"] for r in rows if r["evaluation"] == "acme-count"}
    assert set(counts) == {"clean", "acme-invert-1", "acme-invert-2"} and counts["clean"] > 0
    assert [r["value"] for r in rows if r["condition"] == "negatives" and r["metric"] == "AP_avg"] == [0.0]
    manifest = json.loads((acme.folder / "runs/small/manifest.json").read_text())
    assert {"name": "acme", "distribution": "acme-segmenter", "version": "2.3", "used": True} in manifest["plugins"]
    assert "mask AP" in acme("report", "runs/small", "-o", "t.json").out + (acme.folder / "t.json").read_text()


@pytest.mark.slow
def test_it_runs_in_worker_processes_too(acme):
    done = acme("run", "small.yaml", "--workers", "2")
    assert done.code == 0, done.err


@pytest.mark.slow
def test_without_it_the_suite_says_what_is_missing(small, acme):
    done = small("run", "small.yaml")
    assert done.code == 4
    assert "no model `acme/red`" in done.err and "no corruption `acme/invert`" in done.err
    assert "no metric `acme-count`" in done.err
    assert "acme-hello" not in acme("--help", "-p", "no:acme").out
