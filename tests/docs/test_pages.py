"""The form of the documentation: width, links, and what every block says of itself."""

from __future__ import annotations

import re

import pytest

from tests.docs.blocks import LANGUAGES, PAGES, REPOSITORY, blocks, commands

MOST = 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_line_is_wider_than_a_page(page):
    lines = enumerate(page.read_text(encoding="utf-8").split("\n"), 1)
    assert [(number, line) for number, line in lines if len(line) > MOST] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_into_the_repository_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_are_fenced_and_name_their_language(page):
    """A block by indentation says nothing of its language, so no test would run it."""
    of_page = [block for block in blocks() if block.page == str(page.relative_to(REPOSITORY))]
    assert {block.language for block in of_page} <= set(LANGUAGES)
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"\n\n    \S.*", text) == []


@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "bash"], ids=str)
def test_a_shell_block_is_segharness_commands_or_says_why_it_is_not_run(block):
    if block.is_run:
        known = ("segharness ", "python -m segharness ", *README_COMMANDS)
        assert [command for command in commands(block.text) if not command.startswith(known)] == []


README_COMMANDS = (
    "pip install -r requirements.txt && segharness run suites/robustness.yaml",
    "pip install -r requirements-dev.txt && pytest",
)


def test_readmes_own_commands_are_what_ci_runs():
    ci = (REPOSITORY / ".ci/run").read_text()
    readme = (REPOSITORY / "README.md").read_text()
    for command in README_COMMANDS:
        assert command in readme and f"\n{command}\n" in ci
