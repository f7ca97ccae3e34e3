"""Lets a reporter write its files, and puts them in place whole or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path

from segharness.errors import PluginError, UsageError
from segharness.plugin.failures import plugin_failure
from segharness.plugin.import_strings import load
from segharness.plugin.specs import ReporterSpec
from segharness.report.layout import Report


def write_documents(report: Report, spec: ReporterSpec, output: Path) -> list[Path]:
    """Write a report as the files of a format, and return their paths, sorted.

    The reporter writes into a temporary folder beside `output`; its files are moved when it has returned.

    Args:
        report: to write.
        spec: the format.
        output: the file, or the folder if the format writes one. Files of the same names are replaced.

    Raises:
        PluginError: the reporter did not write what it was told to.
        UsageError: the files cannot be written.
    """
    output = output.resolve() if output.is_symlink() or output.name in ("", "..") else output
    if output.exists() and not output.is_file() and not output.is_dir():
        raise UsageError(f"{output}: is neither a file nor a folder; without -o a document is printed")
    if not spec.suffix and output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file, and the format {spec.name} writes a folder")
    if spec.suffix and output.is_dir():
        raise UsageError(f"{output}: is a folder, and the format {spec.name} writes a file")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".report-") as staging:
            written = _written(report, spec, Path(staging) / output.name)
            places = [output.parent / file.relative_to(staging) for file in written]
            for place in places:  # all of them before the first is moved
                if place.is_dir():
                    raise UsageError(f"{place}: is a folder, and a file of the format {spec.name} goes there")
                place.parent.mkdir(parents=True, exist_ok=True)
            for file, place in zip(written, places, strict=True):
                file.replace(place)
            return places
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror or error}") from error


def document_text(report: Report, spec: ReporterSpec) -> str:
    """Return a report in a format of a single text.

    Raises:
        UsageError: the format writes several files, or a file that is not text.
        PluginError: the reporter did not write what it was told to.
    """
    advice = f"the format {spec.name} cannot be printed; give a place for it: -o"
    if not spec.suffix:
        raise UsageError(f"{advice} FOLDER")
    with tempfile.TemporaryDirectory() as staging:
        written = _written(report, spec, Path(staging) / f"report{spec.suffix}")
        if len(written) > 1:
            raise UsageError(f"{advice} FILE{spec.suffix}, which gets {len(written)} files")
        try:
            return written[0].read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"{advice} FILE{spec.suffix}") from None


def _written(report: Report, spec: ReporterSpec, target: Path) -> list[Path]:
    """Call the reporter and return the files that it wrote, sorted."""
    if not spec.suffix:
        target.mkdir()
    try:
        load(spec.write)(report, target)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise plugin_failure(f"reporter `{spec.name}`", error) from error
    if link := next((file for file in target.parent.rglob("*") if file.is_symlink()), None):
        raise PluginError(f"reporter `{spec.name}`: wrote the link {link.name}; it must write files")
    files = sorted(file for file in target.parent.rglob("*") if file.is_file())
    if not files or (spec.suffix and target not in files):
        raise PluginError(f"reporter `{spec.name}`: wrote nothing to {target.name}, the path that it was given")
    stem = min(target.name.removesuffix(spec.suffix), target.stem, key=len) if spec.suffix else target.name
    if stray := [file for file in files if not file.relative_to(target.parent).parts[0].startswith(stem)]:
        raise PluginError(
            f"reporter `{spec.name}`: wrote {stray[0].name}; its files must have names that begin with `{stem}`"
        )
    return files
