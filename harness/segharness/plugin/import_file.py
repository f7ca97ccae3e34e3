"""Imports Python files that are not part of a package: local models, and plugins beside suites."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any


class _TextLoader(SourceFileLoader):
    """Compiles a file's text at every import.

    Python takes bytecode for that of the text if size and second are the same. The digest of the text, which a run
    records, would then be that of code which did not run.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def import_file(file: Path, name: str = "") -> Any:
    """Import a Python file that is not part of a package, as `name` or under a name made from its path.

    Its folder is the first of ``sys.path`` while it loads, and the last afterwards.

    Raises:
        ImportError: the file is not a Python file. What the file raises passes through.
    """
    name = name or "segharness_local_" + "".join(c if c.isalnum() else "_" for c in str(file.resolve()))
    spec = importlib.util.spec_from_file_location(name, file, loader=_TextLoader(name, str(file)))
    if spec is None or spec.loader is None or file.suffix != ".py":
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
    return module


def forget_folder(folder: Path) -> None:
    """Forget the modules imported from a folder, so that those of the same names in another can be imported."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        installed = file and {"site-packages", "dist-packages"} & set(Path(file).parts)
        if (
            file
            and not installed
            and not name.startswith("segharness")
            and folder.resolve() in Path(file).resolve().parents
        ):
            del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if entry != str(folder.resolve())]
