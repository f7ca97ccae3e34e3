"""Every code at the end of a message leads to a section of docs/troubleshooting.md, and every section has a message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from segharness.cli.commands.explain import read_sections

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = [*(REPOSITORY / "harness").rglob("*.py"), *(REPOSITORY / "plugins").glob("*/segharness_*/**/*.py")]


def codes_in_messages():
    text = "\n".join(file.read_text() for file in SOURCES)
    calls = re.findall(r"coded\(\s*([^,]+),", text)
    return {code for call in calls for code in re.findall(r'"(T\d\d)"', call)}


def test_codes_and_sections_are_the_same():
    assert codes_in_messages() == set(read_sections())
    assert sorted(read_sections()) == [f"T{number:02}" for number in range(1, 21)]


@pytest.mark.parametrize("code", sorted(read_sections()))
def test_every_section_says_what_one_sees_what_it_is_and_what_to_do(code):
    text = read_sections()[code]
    assert all(f"\n{word} " in text for word in ("You see", "It is", "Do")), text


def test_the_command_prints_a_section(harness):
    done = harness("explain", "t08")
    assert done.code == 0 and done.out.startswith("Stored predictions were made from other inputs\n")
    listed = harness("explain").out.splitlines()
    assert len(listed) == 20 and listed[0] == "T01  Images are missing"
    done = harness("explain", "T99")
    assert done.code == 4 and "no message has the code `T99`" in done.err


def test_a_message_leads_there(small):
    (small.folder / "coco/images/0001.png").unlink()
    done = small("run", "small.yaml")
    assert done.code == 4 and done.err.rstrip().endswith("(segharness explain T01)")
