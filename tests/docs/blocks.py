"""The code blocks of the documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

NOT_RUN = re.compile(r"^# not run by the tests: (.+)$", re.MULTILINE)
"""How a block says why it is not run."""

LANGUAGES = ("bash", "python", "yaml", "toml", "text")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language and text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.language != "text" and NOT_RUN.search(self.text) is None

    @property
    def file(self) -> str | None:
        """The name of the file that the block is, which its first line says: ``# my_model.py``."""
        named = re.match(r"# ([\w/.-]+\.(?:py|yaml|toml))\n", self.text)
        return named[1] if named else None


def blocks() -> list[Block]:
    """Every fenced block of every page."""
    found = []
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").split("\n")
        start: int | None = None
        for number, line in enumerate(lines, 1):
            if line.startswith("```") and start is None:
                start = number
            elif line == "```" and start is not None:
                language = lines[start - 1].removeprefix("```")
                text = "\n".join(lines[start : number - 1]) + "\n"
                found.append(Block(str(page.relative_to(REPOSITORY)), start, language, text))
                start = None
    return found


def commands(text: str) -> list[str]:
    """The commands of a shell block: lines that end in a backslash go on, comments and empty lines are none."""
    joined = re.sub(r"\\\n\s*", "", text)
    lines = (re.sub(r"\s+#.*$", "", line).strip() for line in joined.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]
