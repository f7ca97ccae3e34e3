"""docs/papers.md: every table of the papers is there, and every command in it can be planned."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.specs import PublishedSpec

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/papers.md").read_text()
COMMANDS = sorted({line for line in re.findall(r"`(segharness run [^`]*)`", PAGE) if "..." not in line})
STANDS_FOR = {
    "M": "transformers/mask2former,weights=facebook/mask2former-swin-tiny-coco-panoptic,output=panoptic",
    "B": "transformers/sam,weights=facebook/sam-vit-base",
    "D": "tensorflow/saved-model,weights=DIR",
}


def segharness(words, home):
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
    command = [sys.executable, "-m", "segharness", *words]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_planned(command, tmp_path):
    words = [STANDS_FOR.get(word, word) for word in command.split()[1:]]
    done = segharness([*words, "--collect-only", "-q"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"(\d+) cells", done.stdout)[1]) > 0
    wrong = [line for line in done.stderr.splitlines() if not line.startswith(("missing: ", "note: "))]
    assert wrong == []


def test_every_suite_is_a_command_of_the_page_or_is_not_of_a_paper():
    named = {word for command in COMMANDS for word in command.split() if word.endswith(".yaml")}
    suites = {str(file.relative_to(REPOSITORY)) for file in (REPOSITORY / "suites").rglob("*.yaml")}
    of_no_paper = {f"suites/{name}.yaml" for name in ("robustness", "coco_yolo", "cross_dataset", "streets")}
    assert named <= suites and suites - named == of_no_paper


def test_every_printed_table_is_on_the_page():
    host = PluginHost.load(PluginArguments())
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    sections = {"robustness": "Benchmarking", "scnet": "SCNet", "adaptis": "AdaptIS", "deepmac": "Deep-MAC"}
    assert all(f"## {title}" in PAGE for title in sections.values())
    for spec in host.all(PublishedSpec):
        paper, _, number = spec.name.partition("/")
        if paper in ("robustness", "coco-to-cityscapes"):
            assert any(f"| {spec.where}" in row for row in rows), spec.name
        elif paper in sections:
            part = PAGE[PAGE.index(f"## {sections[paper]}") :].split("\n## ")[0]
            mentioned = set()
            for first, last in re.findall(r"Tables? (\d)(?: to (\d))?", part):
                mentioned |= set(range(int(first), int(last or first) + 1))
            for listed in re.findall(r"Tables ([\d, and]+)", part):
                mentioned |= {int(digit) for digit in re.findall(r"\d", listed)}
            assert int(number) in mentioned, spec.name
