"""The plugin API as a contract: what a plugin needs, what it is told of what goes away, and who offers a name."""

from __future__ import annotations

import json
import sys
import types

import pytest
import segharness
from segharness.plugin import first_party
from segharness.plugin.compatibility import required_version, unmet
from segharness.plugin.host import PluginArguments, PluginHost

from tools import first_party_names


def module(monkeypatch, name, source):
    made = types.ModuleType(name)
    made.__spec__ = types.SimpleNamespace()
    made.source = source
    monkeypatch.setitem(sys.modules, name, made)
    exec(source, made.__dict__)
    return name


@pytest.mark.parametrize(
    ("requirements", "specifier"),
    [
        (None, ""),
        (["segharness"], ""),
        (["segharness-torch>=3", "Segharness >= 0.3"], ">= 0.3"),
        (["segharness (>=0.3,<1)"], ">=0.3,<1"),
        (["segharness[toy]~=0.3 ; python_version > '3'"], "~=0.3"),
        (["segharness>=9; extra == 'all'", "segharness_torch>=3"], ""),
        (["segharness>=9; extra=='all'"], ""),
        (["segharness @ git+https://example.org/x"], ""),
        (["segharness>=9 ; python_version < '3.0'", "segharness>=0.2 ; python_version >= '3.0'"], ">=0.2"),
        (["segharness>=0.1", "segharness<2"], ">=0.1,<2"),
        (["segharness>=>=3"], ""),
    ],
)
def test_the_requirement_of_a_distribution_is_read(requirements, specifier):
    assert required_version(requirements) == specifier


@pytest.mark.parametrize(
    ("specifier", "version", "problem"),
    [
        ("", "0.1.0", None),
        (">=0.1", "0.1.0", None),
        (">=0.1.1", "0.1.0", "needs segharness >= 0.1.1, and 0.1.0 is installed: pip install -U segharness"),
        ("<1,>=0.2", "0.1.0", "needs segharness < 1, >= 0.2, and 0.1.0 is installed: pip install -U segharness"),
        (
            "<1,>=0.1",
            "1.2",
            "needs segharness < 1, >= 0.1, and 1.2 is installed: look for a newer version of the plugin",
        ),
        (">=0.2", "0.2.0rc1", "needs segharness >= 0.2, and 0.2.0rc1 is installed: pip install -U segharness"),
        (">=0.1", "0.2.dev3", None),
        (">=whatever", "0.1.0", "needs segharness >=whatever, which is no version"),
    ],
)
def test_an_unmet_requirement_says_what_to_do(specifier, version, problem):
    assert unmet(specifier, version) == problem


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("from segharness import Telepathy", "`Telepathy` of `segharness`"),
        ("import segharness.telepathy", "`telepathy` of `segharness`"),
        ("from segharness import ModelSpec\nModelSpec('a/b', factory='a:b', mood='good')", "`mood` of `ModelSpec`"),
    ],
)
def test_what_a_newer_api_would_have_is_not_a_riddle(tmp_path, source, what):
    (tmp_path / "newer.py").write_text(source)
    host = PluginHost.load(PluginArguments((str(tmp_path / "newer.py"),)))
    reason = host.plugins[-1].quarantined
    assert reason is not None and what in reason and "it may need a newer one" in reason


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("from segharness import ModelSpc", "(did you mean `ModelSpec`?)"),
        ("from segharness import ModelSpec\nModelSpec('a/b', factory='a:b', option={})", "(did you mean `options`?)"),
    ],
)
def test_a_slip_is_not_taken_for_a_newer_api(tmp_path, source, hint):
    (tmp_path / "slip.py").write_text(source)
    reason = PluginHost.load(PluginArguments((str(tmp_path / "slip.py"),))).plugins[-1].quarantined
    assert reason.endswith(hint) and "pip install" not in reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("class Odd(BaseException): pass\nraise Odd('x')", "Odd: x"),
        ("class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute", "Mute: an error that cannot"),
        ("from segharness import ModelSpec, hookimpl\n@hookimpl\ndef segharness_models():\n"
         "    return ModelSpec('a/b', factory='a:b')", "it returned one ModelSpec, not a list of them"),
    ],
)  # fmt: skip
def test_whatever_a_plugin_raises_leaves_it_out_alone(tmp_path, source, reason):
    (tmp_path / "odd.py").write_text(source)
    plugin = PluginHost.load(PluginArguments((str(tmp_path / "odd.py"),))).plugins[-1]
    assert reason in plugin.quarantined


def test_a_plugins_own_mistake_is_not_blamed_on_its_version(tmp_path):
    (tmp_path / "own.py").write_text("class Thing:\n    def __init__(self): pass\n\nThing(colour=1)\n")
    host = PluginHost.load(PluginArguments((str(tmp_path / "own.py"),)))
    assert "newer" not in host.plugins[-1].quarantined and "unexpected keyword" in host.plugins[-1].quarantined


def test_an_unknown_hook_may_be_one_of_a_newer_api(tmp_path):
    (tmp_path / "newer.py").write_text("from segharness import hookimpl\n@hookimpl\ndef segharness_zzz(): return []\n")
    host = PluginHost.load(PluginArguments((str(tmp_path / "newer.py"),)))
    assert host.plugins[-1].quarantined.endswith("no hook `segharness_zzz`; it may be one of a newer segharness")


OLD = """
from segharness import deprecated, hookimpl

def old():
    deprecated("ModelSpec(gpu=...)", instead="ModelSpec(needs=...)", removed_in="0.3")

old()

@hookimpl
def segharness_models():
    old()
    return []
"""


def test_what_goes_away_is_said_once_with_plugin_and_replacement(tmp_path):
    file = tmp_path / "older.py"
    file.write_text(OLD)
    lines: list[str] = []
    host = PluginHost.load(PluginArguments((str(file),)), warn=lines.append)
    message = "ModelSpec(gpu=...) is deprecated and will be gone in segharness 0.3: use ModelSpec(needs=...)"
    assert host.plugins[-1].quarantined is None and host.plugins[-1].deprecated == [message]
    assert lines == [f"plugin `{file}` ({file}): {message}"]


def test_tests_of_a_plugin_can_make_it_an_error(tmp_path):
    import warnings

    from segharness import PluginDeprecationWarning

    (tmp_path / "older.py").write_text(OLD)
    with warnings.catch_warnings():
        warnings.simplefilter("error", PluginDeprecationWarning)
        host = PluginHost.load(PluginArguments((str(tmp_path / "older.py"),)))
    assert "ModelSpec(gpu=...) is deprecated" in host.plugins[-1].quarantined


def test_what_runs_later_is_shown_where_it_runs(harness):
    harness.write("older.py", OLD.replace("\nold()\n", "\n").replace("    old()\n    return []", "    return []"))
    harness.write("use.py", "import older\nolder.old()\n")
    import subprocess

    done = subprocess.run([sys.executable, "use.py"], cwd=harness.folder, capture_output=True, text=True)
    assert "PluginDeprecationWarning: ModelSpec(gpu=...) is deprecated" in done.stderr


def test_the_command_line_shows_it(harness):
    harness.write("older.py", OLD)
    done = harness("plugins", "-p", "older.py")
    assert done.code == 0 and "will be gone in segharness 0.3" in done.out and "older.py" in done.err
    [plugin] = [p for p in json.loads(harness("plugins", "--json", "-p", "older.py").out)["plugins"] if p["deprecated"]]
    assert "use ModelSpec(needs=...)" in plugin["deprecated"][0]


def test_the_table_of_first_party_names_is_that_of_the_plugins():
    assert json.loads(first_party_names.FILE.read_text()) == first_party_names.names(), (
        "run python tools/first_party_names.py"
    )


@pytest.mark.parametrize("arguments", [("-p", "no:coco"), ()])
def test_what_is_installed_and_switched_off_is_not_to_be_installed(harness, arguments):
    off = {} if arguments else {"SEGHARNESS_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = harness("collect", "coco_yolo", *arguments, env=off)
    assert done.code == 4 and "pip install segharness-coco" not in done.err
    assert "`coco/instances` is offered by segharness-coco, which is installed and switched off" in done.err


def test_names_families_and_strangers():
    assert first_party.distribution_of("model", "torchvision/whatever") == "segharness-torchvision"
    assert first_party.distribution_of("corruption", "fog") == "segharness-corruptions"
    assert first_party.distribution_of("model", "acme/tiny") is None
    assert first_party.distribution_of("mood", "good") is None


def test_the_public_names_include_what_plugins_need_for_this():
    assert {"PluginHost", "SuiteSpec", "deprecated"} <= set(segharness.__all__)
