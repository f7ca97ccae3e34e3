"""What is shown is escaped for where it goes: names and reasons may come from files of strangers."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.dom.minidom
from pathlib import Path

import pytest
import segharness
from rich.console import Console
from rich.table import Table
from rich.text import Text
from segharness.escaping import csv_text, guarded, visible
from segharness.report import Column, Report, ReportTable, TableEntry
from segharness.report.console import show
from segharness.report.formats import csv as csv_format
from segharness.report.formats import latex, markdown, svg

HOSTILE = {
    "clear the screen": "\x1b[2Jfog",
    "set the title": "\x1b]0;owned\x07",
    "a link of the terminal": "\x1b]8;;http://x\x1b\\\\click\x1b]8;;\x1b\\\\",
    "one byte for escape and bracket": "\x9b2Jfog",
    "letters from right to left": "\u202etac",
    "carriage return": "10.0\r99.9",
    "a new line": "fog\n\\input{/etc/passwd}",
    "LaTeX": "\\input{/etc/passwd}^^M}$~",
    "a formula": '=HYPERLINK("http://x")',
    "another formula": "@SUM(1)",
    "HTML": "<img src=x onerror=alert(1)>&lt;",
    "a cell of a table": "fog | 99.9 | x",
    "an option of a line's end": "[5cm]fog",
    "another form of a line's end": "*fog",
    "an Arabic mark": "\u061cfog",
    "a picture": "![x](http://x/y.png)",
    "markup of rich": "[/red][link=http://x]x[/link]",
    "zero": "a\x00b",
}


def report_with(text: str) -> Report:
    """A report that shows a text in every place that has one."""
    entry = TableEntry(number=0.5, low=0.4, high=0.6)
    table = ReportTable(
        text, (Column(text, text, shows_interval=True), Column(text)), ((text, (entry, TableEntry(None))),), (text,),
        (text,), text,
    )  # fmt: skip
    return Report(None, {}, (table,))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_terminal_obeys_no_text(text):
    out = io.StringIO()
    console = guarded(Console(file=out, force_terminal=True, width=400))
    show(report_with(text), console)
    table = Table(title=Text(text))
    table.add_column(Text(text))
    console.print(table)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    for word in filter(None, re.split(r"\W+", text.split("\n")[0].split("\x1b")[0].split("\x00")[0])):
        assert word in shown


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_text_of_latex_typesets_itself(text):
    lines = latex.render(report_with(text)).splitlines()
    commands = set(re.findall(r"\\[a-z]+", "\n".join(line for line in lines if not line.startswith("%"))))
    assert commands <= {
        *map("\\{}".format, ["begin", "end", "toprule", "midrule", "bottomrule", "multicolumn", "textbf"]),
        "\\textbackslash", "\\textasciitilde", "\\textasciicircum",
    }  # fmt: skip
    body = [line for line in lines if not line.startswith("%")]
    assert "^^" not in "".join(body)
    assert not any(re.match(r"\s*[\[*]", line) for line in body)
    for line in body:
        plain = re.sub(r"\\[\\{}$&#%_]", "", line)
        assert plain.count("{") == plain.count("}") and "$" not in plain and "#" not in plain
        assert plain.count("&") in (0, 1, 2)
    assert len(lines) == len(latex.render(report_with("fog")).splitlines())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_text_of_csv_is_no_formula(text):
    rows = list(csv.reader(io.StringIO(csv_format.render(report_with(text)))))
    assert len(rows) == 2 and len(rows[0]) == len(rows[1]) == 6
    assert all(cell.lstrip()[:1] not in ("=", "+", "-", "@") for row in rows for cell in row)


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "  =1", "\t=1", "\n=1", "\r=1"])
def test_every_beginning_of_a_formula_is_quoted(text):
    assert csv_text(text)[0] in "'\\"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_text_of_markdown_is_neither_html_nor_a_link_nor_a_cell(text):
    document = markdown.render(report_with(text))
    assert not re.search(r"<\w|(?<!\\)\]\(", document)
    assert len(document.splitlines()) == len(markdown.render(report_with("fog")).splitlines())
    rows = [line for line in document.splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [4, 4, 4]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_picture_is_xml_whatever_it_shows(text):
    picture = xml.dom.minidom.parseString(svg.render(report_with(text)))
    assert not picture.getElementsByTagName("script") and not picture.getElementsByTagName("img")
    assert not picture.getElementsByTagName("a")


def test_ids_and_numbers_pass_unchanged():
    """What our own suites hold needs no escaping outside of LaTeX."""
    text = "mask_rcnn-r50.v2 `coco`, AP50 (n = 12); severity 3, 95 %"
    assert visible(text) == text == csv_text(text)
    assert f"| {text} |" in markdown.render(report_with(text))
    assert json.loads(json.dumps(text)) == text


def test_commands_print_on_guarded_consoles_only():
    """A console of its own would obey what a stranger's file says."""
    commands = Path(segharness.__file__).parent / "cli"
    own = [
        file.name
        for file in commands.rglob("*.py")
        if re.search(r"[^\w]Console\(", file.read_text()) and file.name != "output.py"
    ]
    assert own == []
