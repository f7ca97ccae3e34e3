"""The site of the documentation: which pages are made, and where links lead. .ci/run builds it strictly."""

from __future__ import annotations

import importlib
import re

import pytest
import segharness
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import CommandSpec

from tests.docs.blocks import REPOSITORY
from tools import docs_site
from tools.docstrings import prepared


@pytest.fixture(scope="module")
def pages():
    return docs_site.made_pages()


def test_every_command_has_a_page_with_all_its_arguments(pages, harness):
    names = {spec.name for spec in PluginHost.load().all(CommandSpec)}
    assert {f"commands/{name}.md" for name in names} == {page for page in pages if page.startswith("commands/")}
    for name in ("run", "init", "suites", "report"):
        shown = harness(name, "--help").out
        listed = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", shown)) - {"--help", "--strict-plugins"}
        assert all(f"`{option}" in pages[f"commands/{name}.md"] for option in listed), name


def test_every_first_party_plugin_has_a_page(pages):
    folders = {folder.name.removeprefix("segharness-") for folder in (REPOSITORY / "plugins").iterdir()}
    assert {f"plugins/{name}.md" for name in folders} == {page for page in pages if page.startswith("plugins/")}


def test_every_public_name_is_in_the_reference(pages):
    assert docs_site.public_modules()[0] == "segharness.plugin.option_checks"
    for module in ("segharness", *docs_site.public_modules()):
        page = pages[f"reference/{module}.md"]
        for name in getattr(importlib.import_module(module), "__all__", ()):
            assert re.search(rf"(^::: .*\.{name}$)|(^## {name}$)", page, re.MULTILINE), f"{module}.{name}"
    assert "::: segharness.plugin.model_specs.ModelSpec" in pages["reference/segharness.md"]
    assert segharness.ModelSpec.__module__ == "segharness.plugin.model_specs"


@pytest.mark.parametrize(
    ("source", "target", "placed"),
    [
        ("index.md", "../README.md", "readme.md"),
        ("toy.md", "../plugins/segharness-toycells/README.md", "plugins/toycells.md"),
        ("toy.md", "../plugins/segharness-adaptis/segharness_adaptis/weights/toy.csv", "files/toy.csv"),
        ("contributing.md", "docs/plugins.md", "plugins.md"),
        ("plugins/coco.md", "../../docs/suites.md", "../suites.md"),
        ("suites.md", "running.md", "running.md"),
        ("suites.md", "https://example.org/x", "https://example.org/x"),
    ],
)
def test_links_lead_to_pages_of_the_site(source, target, placed):
    assert docs_site._placed(source, target, "#here") == f"{placed}#here"


def test_docstrings_are_written_as_googles_style_has_them():
    assert prepared("Args:\n    a, b: x.\n") == "Args:\n    a: x.\n    b: x.\n"
    assert prepared("Example:\n    >>> 1\n") == "Examples:\n    >>> 1\n"
    assert prepared("Example::\n\n    code\n") == "Example::\n\n    code\n"
