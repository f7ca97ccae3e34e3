"""What the documentation's site has beside ``docs/``: a page for each command and plugin, and the API reference.

MkDocs calls the functions ``on_*``. Commands' pages are made from their parsers, plugins' pages are their READMEs, and
the reference is made from docstrings.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import segharness
from mkdocs.structure.files import File
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import CommandSpec

REPOSITORY = Path(__file__).resolve().parents[1]
PLUGINS = sorted(folder for folder in (REPOSITORY / "plugins").iterdir() if (folder / "README.md").is_file())
_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)]*)?(?=\))")


def public_modules() -> list[str]:
    """Return the modules that docs/plugins.md calls public, in its order."""
    section = (REPOSITORY / "docs/plugins.md").read_text(encoding="utf-8").split("## What a plugin may import")[1]
    return re.findall(r"^\| `(segharness[\w.]*)` \|", section.split("\n## ")[0], re.MULTILINE)


def made_pages() -> dict[str, str]:
    """Return the Markdown of every page that is made, by its path in the site."""
    pages = {
        "readme.md": (REPOSITORY / "README.md").read_text(encoding="utf-8"),
        "security-policy.md": (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8"),
        "contributing.md": (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        "changelog.md": (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    pages |= {f"commands/{name}.md": text for name, text in _command_pages()}
    for folder in PLUGINS:
        pages[f"plugins/{folder.name.removeprefix('segharness-')}.md"] = (folder / "README.md").read_text(
            encoding="utf-8"
        )
    pages |= {f"reference/{name}.md": text for name, text in _reference_pages()}
    return pages


# ------------------------------------------------------------------------------------------------------------ commands


def _command_pages() -> Iterator[tuple[str, str]]:
    host = PluginHost.load(PluginArguments())
    for spec in host.all(CommandSpec):
        parser = argparse.ArgumentParser(prog=f"segharness {spec.name}", add_help=False)
        configure = load(spec.configure)
        configure(parser, host) if "host" in inspect.signature(configure).parameters else configure(parser)
        yield spec.name, _command_page(spec, parser)


def _command_page(spec: CommandSpec, parser: argparse.ArgumentParser) -> str:
    lines = [f"# segharness {spec.name}", "", f"{spec.help[0].upper()}{spec.help[1:]}.", ""]
    usage = parser.format_usage().removeprefix("usage: ").strip()
    lines += ["```text", re.sub(r"\n\s+", "\n    ", usage), "```", ""]
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if actions:
            title = {"positional arguments": "Arguments", "options": "Options"}.get(str(group.title), str(group.title))
            lines += [f"## {title[0].upper()}{title[1:]}", "", "| argument | meaning |", "|---|---|"]
            lines += [f"| {_named(action)} | {_cell(_help(action, parser))} |" for action in actions]
            lines.append("")
    code = (inspect.getdoc(importlib.import_module(str(spec.configure).partition(":")[0])) or "").split("\n\n", 1)
    if len(code) > 1:
        lines += [code[1].replace("``", "`"), ""]
    return "\n".join(lines)


def _named(action: argparse.Action) -> str:
    value = (
        action.metavar
        if isinstance(action.metavar, str)
        else "|".join(map(str, action.choices or ())) or action.dest.upper()
    )
    if not action.option_strings:
        return f"`{_cell(value)}`"
    shown = "" if action.nargs == 0 else f" {value}"
    return ", ".join(f"`{_cell(name + shown)}`" for name in action.option_strings)


def _help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    return (action.help or "") % {**vars(action), "prog": parser.prog}


def _cell(text: str) -> str:
    """Return a text for a cell of a table; angle brackets are no HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


# ----------------------------------------------------------------------------------------------------------- reference


def _reference_pages() -> Iterator[tuple[str, str]]:
    for module in public_modules():
        if module == "segharness":
            continue
        yield module, _reference_page(module)
    yield "segharness", _reference_page("segharness")


def _reference_page(module: str) -> str:
    public = importlib.import_module(module)
    names = getattr(public, "__all__", None) or [
        n for n, v in vars(public).items() if not n.startswith("_") and getattr(v, "__module__", None) == module
    ]
    summary = (inspect.getdoc(public) or "").replace("``", "`")
    lines = [f"# {module}", "", summary, ""]
    for name in sorted(names, key=lambda n: (not n[0].isupper() or n.isupper(), n)):
        value = getattr(public, name)
        home = getattr(value, "__module__", module)
        if module != "segharness" and getattr(segharness, name, None) is value:
            lines += [f"## {name}", "", f"[segharness.{name}](segharness.md#{home}.{name})", ""]
            continue
        lines += [f"::: {home if _is_documented(value) else module}.{name}", ""]
    return "\n".join(lines)


def _is_documented(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


# ---------------------------------------------------------------------------------------------------------------- hooks


def on_config(config: Any) -> Any:
    """Append the made pages to the navigation."""
    pages = made_pages()
    commands = [name for name in pages if name.startswith("commands/")]
    plugins = [name for name in pages if name.startswith("plugins/")]
    reference = sorted(name for name in pages if name.startswith("reference/"))
    config.nav += [
        {"Commands": [{Path(name).stem: name} for name in commands]},
        {"First-party plugins": [{Path(name).stem: name} for name in plugins]},
        {"Reference": [{Path(name).stem: name} for name in reference]},
    ]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the made pages, and the files of the repository that pages link to."""
    for path, text in made_pages().items():
        files.append(File.generated(config, path, content=text))
    for page in (REPOSITORY / "docs").glob("*.md"):
        for target, _ in _LINK.findall(page.read_text(encoding="utf-8")):
            file = (REPOSITORY / "docs" / target).resolve()
            if (
                file.suffix == ".csv"
                and file.is_relative_to(REPOSITORY)
                and files.get_file_from_path(f"files/{file.name}") is None
            ):
                files.append(File.generated(config, f"files/{file.name}", abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Lead links between files of the repository to the pages that these are in the site."""
    source = page.file.src_uri
    markdown = re.sub(r"^# not run by the tests: .*\n", "", markdown, flags=re.MULTILINE)
    if source.startswith(("commands/", "reference/")):
        return markdown
    return _LINK.sub(lambda match: _placed(source, match[1], match[2] or ""), markdown)


def _placed(source: str, target: str, anchor: str) -> str:
    if "://" in target or target.startswith("mailto:"):
        return target + anchor
    in_repository = posixpath.normpath(posixpath.join(_folder_of(source), target))
    placed = _PLACES.get(in_repository)
    if placed is None and (plugin := re.fullmatch(r"plugins/segharness-(\w+)(/README\.md)?", in_repository)):
        placed = f"plugins/{plugin[1]}.md"
    if placed is None and in_repository.endswith(".csv"):
        placed = f"files/{posixpath.basename(in_repository)}"
    if placed is None and in_repository.startswith("docs/"):
        placed = in_repository.removeprefix("docs/")
    if placed is None:
        return target + anchor
    return posixpath.relpath(placed, posixpath.dirname(source) or ".") + anchor


_PLACES: Mapping[str, str] = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security-policy.md",
}
"""The pages that files outside of ``docs/`` are."""


def _folder_of(source: str) -> str:
    """Return the folder in the repository of the file that a page was made from."""
    if source in ("contributing.md", "changelog.md", "readme.md", "security-policy.md"):
        return "."
    if plugin := re.fullmatch(r"plugins/(\w+)\.md", source):
        return f"plugins/segharness-{plugin[1]}"
    return "docs"
