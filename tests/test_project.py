"""The project's habits: workflows and forms are valid, versions agree, and the release's checklist finds mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools import release

REPOSITORY = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
ACTION = REPOSITORY / ".github/actions/gate/action.yml"
TEMPLATES = sorted((REPOSITORY / "harness/segharness/scaffold/templates/workflows").glob("*.txt"))


def schema(name: str, *files: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", name, *map(str, files)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_are_those_that_the_schema_allows(tmp_path):
    copies = []
    for template in TEMPLATES:
        copies.append(tmp_path / template.name.removesuffix(".txt"))
        copies[-1].write_text(template.read_text())
    assert len(WORKFLOWS) == 3 and len(copies) == 2
    schema("vendor.github-workflows", *WORKFLOWS, *copies)


def test_the_gate_is_an_action_that_the_schema_allows():
    schema("vendor.github-actions", ACTION)


def test_workflows_have_no_known_weakness(tmp_path):
    """zizmor: injections, credentials that are kept, permissions that are too wide. Actions of GitHub go by their tags."""
    copies = []
    for template in TEMPLATES:
        copies.append(str(tmp_path / template.name.removesuffix(".txt")))
        Path(copies[-1]).write_text(template.read_text())
    config = tmp_path / "zizmor.yml"
    config.write_text("rules: {unpinned-uses: {disable: true}, cache-poisoning: {disable: true}}\n")
    done = subprocess.run(
        [
            "zizmor",
            "--offline",
            "--min-severity",
            "medium",
            "--config",
            str(config),
            *map(str, WORKFLOWS),
            str(REPOSITORY / ".github/actions/gate/action.yml"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_issue_forms_have_what_a_form_needs():
    forms = sorted((REPOSITORY / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"))
    assert [form.name for form in forms] == ["bug.yml", "number.yml", "plugin.yml"]
    for form in forms:
        content = yaml.safe_load(form.read_text())
        assert content.keys() == {"name", "description", "labels", "body"}
        ids = [item["id"] for item in content["body"]]
        assert len(set(ids)) == len(ids)
        assert all(item["type"] in ("input", "textarea") and item["attributes"]["label"] for item in content["body"])


def test_the_oldest_python_of_the_workflow_is_that_of_the_distributions():
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert f'requires-python = ">={matrix["python"][0]}"' in (REPOSITORY / "pyproject.toml").read_text()
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos"}


def test_the_citation_has_the_version_of_the_distributions():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == release.the_version() and citation["cff-version"] == "1.2.0"
    assert citation["license"] == "Apache-2.0" and citation["authors"] and citation["title"] and citation["message"]


def test_readmes_commands_are_those_of_the_release():
    readme = (REPOSITORY / "README.md").read_text()
    assert all(f"\n{command}\n" in readme for command in release.README_COMMANDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("## 0.1.0 (unreleased)\n\n- x\n", r"says \(unreleased\), not a date"),
        ("## 0.2.0 (2026-12-01)\n\n- x\n", "no section"),
        ("## 0.1.0 (2026-99-99)\n\n- x\n", "not a date"),
        ("## 0.1.0 (2026-12-01)\n\n<!-- - x -->\n", "empty"),
        ("## 0.1.0 (2026-12-01)\n\n## 0.0.9 (2026-01-01)\n- x\n", "empty"),
    ],
)
def test_a_changelog_that_is_not_ready_stops_a_release(text, message):
    with pytest.raises(release.Failed, match=message):
        release.changelog("0.1.0", text)
    release.changelog("0.1.0", "## 0.1.0 (2026-12-01)\n\n- x\n")


def test_a_release_is_stopped_by_a_wrong_tag_and_an_old_file(tmp_path, capsys):
    assert release.main(["--tag", "v9.9", "--dist", str(tmp_path)]) == 1
    assert "the tag is v9.9, not v" in capsys.readouterr().err
    (tmp_path / "old.whl").touch()
    with pytest.raises(release.Failed, match="is not empty"):
        release.build(tmp_path)
