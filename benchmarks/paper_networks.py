"""Builds every network of the papers' suites with random weights, and measures what enters it at both resolutions.

    python benchmarks/paper_networks.py --python detectron2=FILE --python mmdet=FILE --python torchvision=FILE \\
        --option detectron2.source=DIR --option yolact.source=DIR [--run] [-k TEXT]

Each network is stopped before its backbone, on images of 427x640 and 1024x2048, and a hook of this script's own measures
the tensor there; with --run it also predicts one small image. Networks whose interpreter is not given are listed as such.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.specs import ModelSpec

REPOSITORY = Path(__file__).resolve().parents[1]
PROBE = REPOSITORY / "tests/network_probe.py"
SUITES = (
    "paper/table1a",
    "paper/table1b",
    "paper/table1c",
    "paper/table1d",
    "paper/table3",
    "scnet",
    "coco_to_cityscapes",
)
SIZES = [[427, 640], [1024, 2048]]


def main() -> int:
    """Print a line for every network; return 1 if one could not be built or measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[], metavar="FRAMEWORK=FILE")
    parser.add_argument("--option", action="append", default=[], metavar="PLUGIN.OPTION=VALUE")
    parser.add_argument("--run", action="store_true", help="also predict one image of 64x96 to its end")
    parser.add_argument("-k", default="", metavar="TEXT", help="only networks whose name contains it")
    arguments = parser.parse_args()
    pythons = dict(item.split("=", 1) for item in arguments.python)
    options = dict(item.split("=", 1) for item in arguments.option)
    host = PluginHost.load(PluginArguments())
    failed = 0
    for name in dict.fromkeys(name for suite in SUITES for name in models_of(suite)):
        if arguments.k not in name:
            continue
        spec = host.get(name, ModelSpec)
        if spec.imports not in pythons or "config" not in spec.fixed:
            print(f"{name}: not built: {spec.imports} is not here, or its weights are the network", flush=True)
            continue
        line, ok = measured(spec, pythons[str(spec.imports)], options, arguments.run)
        failed += not ok
        print(f"{name}: {line}", flush=True)
    return int(failed > 0)


def models_of(suite: str) -> list[str]:
    """Return the names of a suite's models, in order."""
    command = [sys.executable, "-m", "segharness", "collect", f"suites/{suite}.yaml", "--resolved"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    return [model["model"] for model in yaml.safe_load(done.stdout)["models"]]


def measured(spec: ModelSpec, python: str, options: dict[str, str], run: bool) -> tuple[str, bool]:
    """Return what entered a network, in words, and whether all went well."""
    plugin = spec.name.partition("/")[0]
    more = {
        key.partition(".")[2]: value
        for key, value in options.items()
        if key.startswith(f"{plugin}.") and key.partition(".")[2] in spec.options
    }
    given = {"module": f"segharness_{plugin}.foreign_model", "models": [{**dict(spec.fixed), **more}], "sizes": SIZES}
    answers = probed(python, plugin, given)
    if isinstance(answers, str):
        return answers, False
    parts, ok = [], True
    for answer in answers:
        if "error" in answer:
            return f"{answer['resolution']}: {answer['error'][:200]}", False
        sizes = ["x".join(map(str, answer[f"{h}x{w}"]["size"])) for h, w in SIZES]
        same = [answer[f"{h}x{w}"]["watched"] == answer[f"{h}x{w}"]["size"] for h, w in SIZES]
        pixels = min(answer[f"{h}x{w}"]["correlation"] for h, w in SIZES)
        ok &= all(same) and (answer["resolution"] == "model" or pixels > 1 - 1e-6)
        parts.append(f"{answer['resolution']} {', '.join(sizes)}")
    if run:
        whole = probed(python, plugin, {**given, "sizes": [[64, 96]], "whole": True, "resolutions": ["model"]})
        answer = whole[0] if not isinstance(whole, str) else {"error": whole}
        found = answer.get("64x96", {})
        parts.append(
            f"runs, {found['instances']} instances" if "instances" in found else answer.get("error", "?")[:120]
        )
    return "; ".join(parts), ok


def probed(python: str, plugin: str, given: dict[str, object]) -> list[dict[str, object]] | str:
    """Return the answers of the probe under an interpreter, or the end of its errors."""
    folders = [str(REPOSITORY / f"plugins/segharness-{name}") for name in ("torch", plugin)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run(
        [python, "-W", "ignore", str(PROBE), json.dumps(given)], capture_output=True, text=True, env=environment
    )
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else done.stderr.strip()[-200:]


if __name__ == "__main__":
    sys.exit(main())
