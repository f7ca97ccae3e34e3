"""The plugin host: which plugins are found or left out and why, and names that two plugins offer."""

from __future__ import annotations

import os
import sys
import types

import pytest
import segharness
from segharness.errors import PluginError
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.specs import CorruptionSpec, Metric, MetricSpec, ModelSpec, WeightsSpec

FIRST_PARTY = {"segharness", "adaptis", "coco", "corruptions", "toycells", "toymaskrcnn", "yolo"}


def plugin(monkeypatch, name, **hooks):
    """Make an importable module whose hooks return, or raise, the values given; return its name."""
    module = types.ModuleType(name)
    for hook, returned in hooks.items():

        def implementation(returned=returned):
            if isinstance(returned, BaseException):
                raise returned
            return returned

        implementation.__name__ = hook
        setattr(module, hook, segharness.hookimpl(_without_arguments(implementation)))
    monkeypatch.setitem(sys.modules, name, module)
    module.__spec__ = types.SimpleNamespace()
    return name


def _without_arguments(function):
    def call():
        return function()

    return call


def load(*include, **arguments):
    return PluginHost.load(PluginArguments(tuple(include), **arguments))


def test_entry_points_are_found():
    assert {p.name for p in load().plugins} >= FIRST_PARTY


def test_autoload_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("SEGHARNESS_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert [p.name for p in load().plugins] == ["segharness"]
    assert [p.name for p in load("toycells").plugins] == ["segharness", "toycells"]


def test_a_plugin_can_be_kept_out():
    host = load("no:toycells")
    assert "toycells" not in {p.name for p in host.plugins}
    assert host.find("toycells/threshold", ModelSpec) is None


def test_the_message_for_an_unknown_plugin_has_the_nearest_name():
    with pytest.raises(PluginError, match=r"-p toycels: .*did you mean `toycells`"):
        load("toycels")


def test_a_module_named_with_p_is_a_plugin(monkeypatch):
    name = plugin(monkeypatch, "extra_plugin", segharness_models=[ModelSpec("extra/one", factory="a.b:c")])
    assert load(name).get("extra/one", ModelSpec).factory == "a.b:c"


def test_a_plugin_beside_a_suite_is_found(tmp_path):
    (tmp_path / "segharness_plugins.py").write_text(
        "from segharness import ModelSpec, hookimpl\n\n"
        "@hookimpl\ndef segharness_models():\n    return [ModelSpec('beside/one', factory='a.b:c')]\n"
    )
    assert load(folders=(str(tmp_path),)).find("beside/one", ModelSpec)


def test_a_plugin_that_fails_to_import_is_left_out_loudly(tmp_path):
    (tmp_path / "segharness_plugins.py").write_text("import nothing_of_this_name\n")
    warnings = []
    host = PluginHost.load(PluginArguments(folders=(str(tmp_path),)), warn=warnings.append)
    [broken] = [p for p in host.plugins if p.quarantined]
    assert "No module named 'nothing_of_this_name'" in broken.quarantined
    assert "Traceback" in broken.detail
    assert len(warnings) == 1 and "is left out" in warnings[0]
    assert {p.name for p in host.plugins if not p.quarantined} >= FIRST_PARTY
    with pytest.raises(PluginError, match="left out"):
        host.get("beside/one", ModelSpec)
    with pytest.raises(PluginError, match="nothing_of_this_name"):
        load(folders=(str(tmp_path),), strict=True)


@pytest.mark.parametrize(
    ("hooks", "why"),
    [
        ({"segharness_models": ValueError("no")}, "segharness_models raised ValueError: no"),
        ({"segharness_models": SystemExit(3)}, "segharness_models raised SystemExit: 3"),
        ({"segharness_models": ["mask_rcnn"]}, "segharness_models returned a str, not a ModelSpec"),
        (
            {"segharness_corruptions": [ModelSpec("a/b", factory="a:b")]},
            "returned a ModelSpec, not a CorruptionSpec or",
        ),
        ({"segharness_models": None}, "'NoneType' object is not iterable"),
    ],
)
def test_a_plugin_whose_hooks_misbehave_is_left_out(monkeypatch, hooks, why):
    host = load(plugin(monkeypatch, "bad_plugin", **hooks))
    [broken] = [p for p in host.plugins if p.quarantined]
    assert broken.name == "bad_plugin" and why in broken.quarantined


def test_two_plugins_with_one_name_are_both_named(monkeypatch):
    name = plugin(monkeypatch, "twin_plugin", segharness_models=[ModelSpec("toycells/threshold", factory="a.b:c")])
    host = load(name)
    with pytest.raises(PluginError) as caught:
        host.check_conflicts()
    assert "`toycells/threshold` is offered by both segharness-toycells" in str(caught.value)
    assert "twin_plugin" in str(caught.value) and "-p no:twin_plugin" in str(caught.value)
    load(name, "no:toycells").check_conflicts()


def test_the_message_for_a_misspelt_hook_has_the_nearest_name(monkeypatch):
    host = load(plugin(monkeypatch, "bad_plugin", segharness_modles=[]))
    [broken] = [p for p in host.plugins if p.quarantined]
    assert "there is no hook `segharness_modles` (did you mean `segharness_models`?)" in broken.quarantined


def test_two_distributions_may_use_one_name_for_their_entry_points():
    host = PluginHost(PluginArguments())
    host._add("twin", "one", "1", lambda: types.SimpleNamespace(__name__="one"))
    host._add("twin", "two", "1", lambda: types.SimpleNamespace(__name__="two"))
    assert [(p.name, p.quarantined) for p in host.plugins] == [("twin", None), ("two:twin", None)]


def test_modules_of_a_folder_are_forgotten(tmp_path):
    from segharness.plugin.import_file import forget_folder, import_file

    for name, value in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings_of_test.py").write_text(f"VALUE = {value}\n")
        (tmp_path / name / "model.py").write_text("from settings_of_test import VALUE\n")
        assert value == import_file(tmp_path / name / "model.py").VALUE
        forget_folder(tmp_path / name)
        assert str(tmp_path / name) not in sys.path


@pytest.mark.parametrize(
    "make",
    [
        lambda: ModelSpec("Bad Name", factory="a.b:c"),
        lambda: ModelSpec("a/b", factory="no colon"),
        lambda: ModelSpec("a/b", factory=3),
        lambda: ModelSpec("a/b", factory="a.b:c", tags="x"),
        lambda: ModelSpec("a/b", factory="a.b:c", weights="maybe"),
        lambda: ModelSpec("a/b", factory="a.b:c", weights=WeightsSpec(shipped="weights.bin", sha256="0" * 64)),
        lambda: ModelSpec("a/b", factory="a.b:c", weights=WeightsSpec(shipped="a.b:weights.bin", sha256="0" * 64)),
        lambda: ModelSpec("a/b", factory="a.b:c", weights=WeightsSpec(shipped=".x:weights.bin", sha256="0" * 64)),
        lambda: ModelSpec("a/b", factory="a.b:c", weights=WeightsSpec(shipped="a:weights.bin")),
        lambda: ModelSpec("a/b", factory="a.b:c", weights=WeightsSpec(shipped="a:../weights.bin", sha256="0" * 64)),
        lambda: ModelSpec("a/b", factory="a.b:c", weights=WeightsSpec(shipped="a:/weights.bin", sha256="0" * 64)),
        lambda: ModelSpec("a/b", factory="a.b:c", weights=WeightsSpec(shipped=3, sha256="0" * 64)),
        lambda: ModelSpec("a/b", factory="a.b:c", weights=WeightsSpec(sha256="0" * 16)),
        lambda: ModelSpec("a/b", factory="a.b:c", weights=WeightsSpec(sha256="A" * 64)),
        lambda: ModelSpec("a/b", factory="a.b:c", weights=WeightsSpec(sha256=5)),
        lambda: ModelSpec(
            "a/b", factory="a.b:c", weights=WeightsSpec("required", shipped="a:weights.bin", sha256="0" * 64)
        ),
        lambda: CorruptionSpec("x", apply="a.b:c", severities=()),
        lambda: CorruptionSpec("x", apply="a.b:c", severities=(0,)),
        lambda: ModelSpec("a/b", factory="a.b:c", tags=None),
        lambda: ModelSpec("a/b", factory="a.b:c", options={"a": "help"}),
        lambda: ModelSpec("a/b", factory="a.b:c", options=["a"]),
        lambda: segharness.ConditionSet("x", corruptions="fog", severities=(3,)),
        lambda: segharness.ConditionSet("x", corruptions=("fog",), severities=3),
        lambda: segharness.MixtureSpec("x", stages=("fog", "snow")),
        lambda: segharness.MixtureSpec("x", stages=()),
        lambda: segharness.MixtureSpec("x", stages=((),)),
        lambda: segharness.ConditionSet("x", corruptions=(), severities=(1,)),
        lambda: Metric("a b"),
        lambda: Metric("x", unit=""),
        lambda: Metric("x", unit="a\nb"),
        lambda: Metric("x", better="bigger"),
        lambda: Metric("x", unit="px", degradation=True),
        lambda: Metric("x", better="smaller", degradation=True),
        lambda: Metric("x", column=3),
        lambda: MetricSpec("x", score="a.b:c", tasks=("segm",), metrics=()),
        lambda: MetricSpec("x", score="a.b:c", tasks=("segm",), metrics=("AP",)),
        lambda: MetricSpec("x", score="a.b:c", tasks=(), metrics=(Metric("x"),)),
        lambda: MetricSpec("x", score="a.b:c", tasks=("segm",), metrics=(Metric("x"), Metric("x"))),
        lambda: MetricSpec("x", score="a.b:c", tasks=("segm",), metrics=(Metric("AP", degradation=True), Metric("CD"))),
        lambda: segharness.ReporterSpec("x", write="a.b:c", suffix="csv"),
    ],
)
def test_malformed_specs_are_refused_where_they_are_made(make):
    with pytest.raises(PluginError):
        make()


def test_a_file_replaced_within_a_second_by_a_text_of_its_size_is_what_runs(tmp_path, monkeypatch):
    """Python would run the bytecode of the old text, and a run record the digest of the new one."""
    from segharness.plugin.import_file import import_file

    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "model.py"
    for value in (1, 2):
        file.write_text(f"VALUE = {value}\n")
        os.utime(file, (1_000_000_000, 1_000_000_000))
        assert value == import_file(file).VALUE
