"""Plugins check the options and weights of their models: `Option.check` and `ModelSpec.check`."""

from __future__ import annotations

import pytest
from segharness import ModelSpec, Option, UsageError
from segharness.errors import PluginError
from segharness.plugin.option_checks import number, text, whole_number

PLUGIN = """
from segharness import ModelSet, ModelSpec, Option, hookimpl
from segharness.plugin.option_checks import number, text, whole_number


def together(weights, size=1, kind="small"):
    if kind == "broken":
        raise KeyError("no such kind")
    return "large ones need a size of at least 9" if kind == "large" and size < 9 else None


@hookimpl
def segharness_models():
    options = {
        "size": Option("how large", check=whole_number(1)),
        "part": Option("how much", check=number(0, 1)),
        "branch": Option("which", check="segharness.plugin.option_checks:text"),
        "odd": Option("cannot be checked", check=lambda value: value["x"]),
    }
    for kind in ("small", "large", "broken"):
        yield ModelSpec(f"acme/{kind}", factory="acme:build", options=options, fixed={"kind": kind},
                        check="segharness_plugins:together")
    yield ModelSpec("acme/bare", factory="acme:build", options={"size": options["size"]})
    yield ModelSet("acme/all", models={"one": "acme/small", "two": "acme/large", "bare": "acme/bare"})
"""
SUITE = """
segharness: 1
models: [{model: acme/small, id: m, options: {}}]
datasets: [{dataset: toycells/quick, id: quick}]
conditions: [clean]
"""


@pytest.fixture
def acme(harness):
    harness.write("segharness_plugins.py", PLUGIN)

    def collect(model, *arguments):
        harness.write("s.yaml", SUITE.replace("{model: acme/small, id: m, options: {}}", model))
        return harness("collect", "s.yaml", "--resolved", *arguments)

    return collect


@pytest.mark.parametrize(
    ("model", "arguments", "expected"),
    [
        ('{model: acme/small, options: {part: "${p}"}}', ["--var", "p=1e-3"], "part: 0.001"),
        ('{model: acme/small, options: {branch: "${b}"}}', ["--var", "b=20240101"], "branch: '20240101'"),
        ("{model: acme/small, options: {branch: main}}", [], "branch: main"),
        ("acme/small", ["--model", "acme/small,branch=20240101"], "branch: '20240101'"),
        ("{model: acme/small, options: {size: 3}, options_for: {quick: {size: null}}}", [], "size: null"),
        ("{model: acme/large, options: {size: 9}}", [], "size: 9"),
    ],
)
def test_what_may_be_given(acme, model, arguments, expected):
    result = acme(model, *arguments)
    assert result.code == 0, result.err
    assert expected in result.out


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{model: acme/small, options: {size: 0}}", "2:46: option `size` of model `acme/small` is 0, not a whole number of"),
        ("{model: acme/small, options_for: {quick: {size: 0}}}", "2:58: option `size` of model `acme/small` is 0"),
        ("{model: acme/small, options: {branch: 3}}", "option `branch` of model `acme/small` is 3, not a text"),
        ("{model: acme/large, options: {size: 8}}", "2:10: model `acme/large`: large ones need a size of at least 9"),
        ("{model: acme/large, options: {size: 9}, options_for: {quick: {size: 8}}}", "large ones need a size"),
        ("acme/broken", "model `acme/broken`: cannot be checked, its plugin raised KeyError: 'no such kind'"),
        ("{model: acme/small, options: {odd: 1}}", "`odd` of model `acme/small` cannot be checked, its plugin raised"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_line_and_no_traceback(acme, model, message):
    result = acme(model)
    assert result.code == 4 and message in result.err and "Traceback" not in result.err
    assert len(result.err.splitlines()) == 1


def test_what_is_wrong_with_one_model_of_a_set_is_said_of_that_one(acme):
    result = acme("{model: acme/all, options: {size: x, part: 1}}")
    first, second = result.err.splitlines()
    assert "option `size` of model `acme/all` is 'x', not a whole number of at least 1" in first
    assert "model `acme/bare` has no option `part` (known: size)" in second


@pytest.mark.parametrize("arguments", [{"check": "no reference"}, {"check": 3}, {"check": text, "code": True}])
def test_a_check_is_a_function_or_its_name_and_not_beside_code(arguments):
    with pytest.raises(PluginError, match="check is .*; it must be a function or 'package.module:function'"):
        Option("an option", **arguments)
    with pytest.raises(PluginError, match="neither a function nor"):
        ModelSpec("a/b", factory="a:b", check="no reference")


def test_factories_may_ask_too():
    assert Option("", check=whole_number(1)).checked("size", 3) == 3 and Option("").checked("size", "x") == "x"
    with pytest.raises(UsageError, match="`part` is 2, not a number from 0 to 1"):
        Option("", check=number(0, 1)).checked("part", 2)
