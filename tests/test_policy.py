"""What the project holds itself to: the public API, the hooks, and which room may import which."""

from __future__ import annotations

import ast
import importlib
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


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_all_is_sorted_and_importable():
    assert segharness.__all__ == sorted(segharness.__all__, key=lambda name: (not name.isupper(), name))
    for name in segharness.__all__:
        assert getattr(segharness, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        segharness.nonsense  # noqa: B018


def test_the_tree_of_errors_is_the_one_that_is_drawn():
    drawn = re.findall(r"(\w+Error)\b", errors.__doc__.split("::")[1])
    defined = [n for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, Exception)]
    assert sorted(set(drawn)) == sorted(defined)


def test_every_hook_is_documented_and_used_by_something_real():
    from segharness.plugin.host import OFFERS, PluginHost

    declared = [n for n, f in vars(hookspecs).items() if n.startswith("segharness_") and callable(f)]
    assert sorted(declared) == sorted(OFFERS)
    manager = PluginHost.load()._manager
    guide = (REPOSITORY / "docs/plugins.md").read_text()
    for name in declared:
        assert inspect.getdoc(getattr(hookspecs, name)), name
        assert getattr(manager.hook, name).get_hookimpls(), f"nobody implements {name}"
        assert f"`{name}`" in guide, f"docs/plugins.md does not mention {name}"


@pytest.mark.parametrize("file", PLUGINS, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_plugins_use_the_public_api_alone(file):
    allowed = {"segharness", "segharness.files", "segharness.masks", "segharness.execution", "segharness.testing",
               "segharness.testing.fixture", "segharness.plugin.checks"}  # fmt: skip
    private = {m for m in imports(file) if m.split(".")[0] == "segharness"} - allowed
    assert not private


@pytest.mark.parametrize("file", sorted(ENGINE.rglob("*.py")), ids=lambda p: str(p.relative_to(ENGINE)))
def test_the_engine_imports_no_framework_and_no_plugin(file):
    for module in imports(file):
        assert module.split(".")[0] not in {"torch", "torchvision", "cv2", "tensorflow", "jax"}
        assert not re.match(r"segharness_\w+", module)


def test_the_engine_names_no_dataset_corruption_or_model():
    words = ("fog", "gaussian_noise", "coco_val2017", "toycells", "yolo", "paper15", "imagenet")
    for file in ENGINE.rglob("*.py"):
        tree = ast.parse(file.read_text())
        docs = {id(n.body[0].value) for n in ast.walk(tree) if _has_docstring(n)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                if "`" in node.value or "e.g." in node.value:
                    continue  # examples in help texts
                assert not any(word in node.value for word in words), f"{file}:{node.lineno}: {node.value!r}"


def _has_docstring(node):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, kinds) and ast.get_docstring(node) is not None


ROOMS = ["suite", "store", "execution", "export", "score", "report", "cli"]


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_flows_back(room):
    """Each room may import those before it; the command line and the Python API stand after all of them."""
    later = {f"segharness.{name}" for name in [*ROOMS[ROOMS.index(room) + 1 :], "api"]}
    if room in ("report", "cli"):
        later.discard("segharness.api")
    for file in (ENGINE / room).rglob("*.py"):
        for module in imports(file):
            assert not any(module == name or module.startswith(name + ".") for name in later), f"{file}: {module}"


HEAVY = ("torch", "numpy", "pyarrow", "cv2", "PIL", "pycocotools", "hotcoco")


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


def test_files_are_about_one_noun():
    for file in [*ENGINE.rglob("*.py"), *PLUGINS]:
        assert len(file.read_text().splitlines()) <= 400, f"{file} has become a drawer"
        assert file.stem not in {"utils", "helpers", "common", "misc"}, file


def test_every_module_says_what_it_is():
    for file in ENGINE.rglob("*.py"):
        assert ast.get_docstring(ast.parse(file.read_text())), file


def test_modules_import_on_their_own():
    for file in ENGINE.rglob("*.py"):
        name = ".".join(file.relative_to(ENGINE.parent).with_suffix("").parts)
        if not name.endswith(("__main__", "worker")):
            importlib.import_module(name.removesuffix(".__init__"))
