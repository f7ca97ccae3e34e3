"""What the project holds itself to: the public API, the hooks, which room may import which, and what a file may be."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import segharness
from segharness import errors
from segharness.plugin import hookspecs

REPOSITORY = Path(__file__).resolve().parents[1]
ENGINE = REPOSITORY / "harness/segharness"
PLUGINS = sorted((REPOSITORY / "plugins").glob("*/*_*/**/*.py"))
MODULES = {
    ".".join(file.relative_to(ENGINE.parent).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(ENGINE.rglob("*.py"))
}

# --------------------------------------------------------------------------------------------------------------- rooms

BASE = {"cpu_cores", "digests", "errors", "escaping", "masks", "records", "redaction"}
"""Modules of the root that every room may import; they import none but each other."""

ROOMS = {
    "plugin": set(),
    "store": set(),
    "user": {"store"},
    "suite": {"plugin", "user"},
    "data": {"plugin", "suite"},
    "identity": {"data", "plugin", "suite"},
    "images": {"plugin"},
    "files": {"images", "store", "user"},
    "model": {"data", "images", "plugin", "suite", "user"},
    "execution": {"data", "identity", "images", "model", "plugin", "store", "suite"},
    "score": {"data", "identity", "images", "plugin", "store", "suite", "user"},
    "report": {"plugin", "store", "suite"},
    "export": {"data", "execution", "images", "plugin", "store"},
    "protocols": {"identity", "images", "plugin", "score", "store", "suite"},
    "api": {"data", "execution", "identity", "model", "plugin", "protocols", "score", "store", "suite"},
    "testing": {
        "api", "data", "identity", "images", "model", "plugin", "protocols", "report", "score", "store", "suite",
    },
    "scaffold": {"plugin"},
    "cli": {
        "api", "data", "execution", "export", "files", "images", "model", "plugin", "protocols", "report", "scaffold",
        "score", "store",
        "suite", "testing", "user",
    },
    "worker": {"execution"},
    "__main__": {"cli"},
}  # fmt: skip
"""Which rooms each room may import, beside the base, in the order of the data's way."""


def imports(file: Path) -> set[str]:
    """Every module that a file names in an import statement; of `from package import module` the module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            names |= modules or {node.module}
    return names


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_room_is_listed():
    assert {room_of(module) for module in MODULES} - {""} == ROOMS.keys() | BASE


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_the_rooms_it_may(module):
    room = room_of(module)
    if room:
        allowed = ROOMS.get(room, set()) | BASE | {room, ""}
        assert {room_of(name) for name in imports(MODULES[module]) if name.split(".")[0] == "segharness"} <= allowed


def test_the_rooms_stand_in_the_order_of_their_imports():
    before: set[str] = set()
    for room, allowed in ROOMS.items():
        assert allowed <= before, f"{room} stands before {allowed - before}"
        before.add(room)


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: imports(file) & MODULES.keys() for module, file in MODULES.items() if module != "segharness"}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            following = graph.get(waiting.pop(), set()) - seen
            seen |= following
            waiting += following
        return seen

    assert [module for module in graph if module in reached(module)] == []


def test_the_root_shows_only_what_everybody_meets():
    assert len(list(ENGINE.glob("*.py"))) <= 12


def test_scoring_needs_neither_execution_nor_models(tmp_path):
    """A stored run is scored in a process in which both cannot be imported."""
    import shutil

    shutil.copytree(REPOSITORY / "tests/corpus", tmp_path, dirs_exist_ok=True)
    code = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("segharness.execution", "segharness.model")):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from segharness.plugin.host import PluginHost
from segharness.score import ScoreOptions, score_run
from segharness.score.data_sources import GivenPlaces, find_data_sources
from segharness.store import RunFolder
folder, host = RunFolder.from_text("version-2/small"), PluginHost.load()
given = GivenPlaces(("shapes=annotations=coco/annotations.json,images=coco/images",))
table = score_run(folder, host, ScoreOptions(bootstrap=100), sources=find_data_sources(folder, host, given))
assert table.num_rows > 100, table
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", sorted(MODULES.values()), ids=lambda p: str(p.relative_to(ENGINE)))
def test_the_engine_imports_no_framework_and_no_plugin(file):
    for module in imports(file):
        assert module.split(".")[0] not in {"torch", "torchvision", "cv2", "tensorflow", "jax"}
        assert not re.match(r"segharness_\w+", module)


def test_the_engine_names_no_dataset_corruption_or_model():
    words = ("fog", "gaussian_noise", "coco_val2017", "toycells", "yolo", "paper15", "imagenet")
    for file in MODULES.values():
        tree = ast.parse(file.read_text())
        docs = {id(n.body[0].value) for n in ast.walk(tree) if _has_docstring(n)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                if "`" in node.value or "e.g." in node.value or "for example" in node.value:
                    continue  # examples in help texts
                assert not any(word in node.value for word in words), f"{file}:{node.lineno}: {node.value!r}"


def _has_docstring(node):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, kinds) and ast.get_docstring(node) is not None


# ---------------------------------------------------------------------------------------------------------- public API

PUBLIC = {
    "segharness",
    "segharness.cli.arguments.scoring",
    "segharness.cli.exit_codes",
    "segharness.cli.limited_process",
    "segharness.digests",
    "segharness.escaping",
    "segharness.execution",
    "segharness.files",
    "segharness.masks",
    "segharness.plugin.option_checks",
    "segharness.protocols",
    "segharness.redaction",
    "segharness.report",
    "segharness.score",
    "segharness.store",
    "segharness.testing",
    "segharness.testing.harness_fixture",
    "segharness.testing.sample",
}
"""What plugins may import."""


def test_all_is_sorted_and_importable():
    assert segharness.__all__ == sorted(segharness.__all__, key=lambda name: (not name.isupper(), name))
    for name in segharness.__all__:
        assert getattr(segharness, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        segharness.nonsense  # noqa: B018


@pytest.mark.parametrize("file", PLUGINS, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_plugins_use_the_public_api_alone(file):
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    assert {name for name in names if name.split(".")[0] == "segharness"} <= PUBLIC


def test_the_tree_of_errors_is_the_one_that_is_drawn():
    drawn = re.findall(r"(\w+Error)\b", errors.__doc__.split("::")[1])
    defined = [n for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, Exception)]
    assert sorted(set(drawn)) == sorted(defined)


def test_every_typed_plugin_is_checked_by_mypy():
    configured = (REPOSITORY / "pyproject.toml").read_text()
    packages = {file.parent for file in PLUGINS if file.name == "plugin.py"} | {
        file.parent for file in (REPOSITORY / "plugins").glob("*/segharness_*/__init__.py")
    }
    typed = {package for package in packages if (package / "py.typed").is_file()}
    assert packages == typed
    unchecked = {p.name for p in typed if f'"{p.relative_to(REPOSITORY)}",' not in configured}
    assert unchecked == {"segharness_corruptions"}, "of it, a test checks what it offers"


def test_every_hook_is_documented_and_used_by_something_real():
    from segharness.plugin.host import HOOK_SPECS, PluginHost

    declared = [n for n, f in vars(hookspecs).items() if n.startswith("segharness_") and callable(f)]
    assert sorted(declared) == sorted(HOOK_SPECS)
    manager = PluginHost.load()._manager
    guide = (REPOSITORY / "docs/plugins.md").read_text()
    for name in declared:
        assert inspect.getdoc(getattr(hookspecs, name)), name
        assert getattr(manager.hook, name).get_hookimpls(), f"nobody implements {name}"
        assert f"`{name}`" in guide, f"docs/plugins.md does not mention {name}"


def test_every_import_string_of_every_spec_names_something():
    from segharness.plugin.host import HOOK_SPECS, PluginHost
    from segharness.plugin.import_strings import is_reference

    host = PluginHost.load()
    references = {
        value
        for kinds in HOOK_SPECS.values()
        for kind in kinds
        for spec in host.all(kind)
        for value in vars(spec).values()
        if isinstance(value, str) and is_reference(value)
    }
    assert len(references) > 50
    assert [reference for reference in sorted(references) if not _names_something(reference)] == []


def _names_something(reference):
    """Return whether a module has the name of an import string, without importing the module or its framework."""
    module, _, path = reference.partition(":")
    name = path.partition(".")[0]
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return False
    if found is None or found.origin is None:
        return False
    for node in ast.parse(Path(found.origin).read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node]
        if name in {getattr(t, "name", getattr(t, "id", "")) for t in targets}:
            return True
        if isinstance(node, ast.Import | ast.ImportFrom) and name in {a.asname or a.name for a in node.names}:
            return True
    return False


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_documented(module):
    """Except a command's two functions and hook implementations, whose contracts are documented where they are declared."""
    tree = ast.parse(MODULES[module].read_text())
    assert ast.get_docstring(tree), "the module says what it is"
    if module.endswith("foreign_child"):  # a program, not an API
        return
    assert list(_undocumented(tree.body, module)) == []


def _undocumented(body, module):
    for node in body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or node.name.startswith("_"):
            continue
        of_command = ".cli.commands." in module and node.name in ("configure", "execute")
        of_hook = any(isinstance(d, ast.Name) and d.id == "hookimpl" for d in node.decorator_list)
        if not (ast.get_docstring(node) or of_command or of_hook):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in _undocumented(node.body, module))


@pytest.mark.parametrize("module", [m for m, file in MODULES.items() if ">>> " in file.read_text()])
def test_examples_in_docstrings_are_true(module):
    import doctest

    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted and not result.failed


@pytest.mark.parametrize("module", ["segharness", *sorted(PUBLIC - {"segharness", "segharness.testing.sample"})])
def test_every_public_function_and_spec_has_an_example(module):
    """Functions, and what plugins fill in. What an executor gets and the tools of one's own tests speak for themselves."""
    public = importlib.import_module(module)
    names = getattr(public, "__all__", None) or [n for n, v in vars(public).items() if inspect.isfunction(v)]
    lacking = []
    for name in names:
        value = getattr(public, name)
        if name.startswith("_") or not getattr(value, "__module__", "").startswith("segharness."):
            continue
        is_spec = inspect.isclass(value) and (value.__module__.startswith("segharness.plugin") or name == "Metric")
        if (inspect.isfunction(value) or is_spec) and ">>>" not in (value.__doc__ or ""):
            lacking.append(name)
    assert set(lacking) <= WITHOUT_EXAMPLE


WITHOUT_EXAMPLE = {
    "execute", "prepare", "check_needs",  # of a whole run: the examples of `run` and docs/plugins.md show them
    "score_run", "check_engine", "check_stored_reference", "models_of", "protocol_of", "checked_scores",
    "find_data_sources",
    "make_report", "read_report", "manifest_of", "read_shard", "read_table", "shard_state", "table", "write_results",
    "write_shard",  # of a run folder: tests/store/test_format.py is their example
    "adopt_run", "protocol_run", "run_inputs", "score_subset", "find_protocol", "named_protocols", "seal_of",
    "seal_of_run", "seal_of_folder", "seal_of_results", "check_sealed", "add_scoring_arguments", "add_source_arguments",
    "given_from", "score_options_from", "add_limit_arguments", "guarded",
    "processes", "workers_of", "harness", "read_index", "rereading",
    "check_corruption", "check_dataset", "check_executor", "check_metric", "check_model", "check_reporter", "check_suite",
}  # fmt: skip
"""Public functions of whole runs and of files, whose example is a run: docs/plugins.md has them, and runs as a test."""


HEAVY = ("torch", "numpy", "pyarrow", "cv2", "PIL", "pycocotools", "hotcoco", "http.client")


@pytest.mark.parametrize("command", ["--help", "models", "datasets", "corruptions", "plugins"])
def test_listing_imports_no_framework(command):
    heavy = HEAVY if command == "--help" else ("torch", "cv2", "onnxruntime", "ai_edge_litert")
    code = (
        "import sys\nfrom segharness.cli import main\n"
        f"try:\n    main([{command!r}])\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', [m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


# --------------------------------------------------------------------------------------------------------------- files


def test_files_are_about_one_noun():
    for file in [*MODULES.values(), *PLUGINS]:
        assert len(file.read_text().splitlines()) <= 400, f"{file} has become a drawer"
        assert file.stem not in {"utils", "helpers", "common", "misc"}, file


def test_modules_import_on_their_own():
    for module in MODULES:
        if not module.endswith(("__main__", "segharness.worker")):
            importlib.import_module(module)


def test_tests_mirror_the_engine():
    """A folder of tests is a room, or one of the kinds of tests that are about no room."""
    rooms = {file.parent.relative_to(ENGINE) for file in MODULES.values()} | {Path("e2e"), Path("docs")}
    for file in (REPOSITORY / "tests").rglob("test_*.py"):
        assert file.parent.relative_to(REPOSITORY / "tests") in rooms, file
