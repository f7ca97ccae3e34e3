"""Checks of options' values."""

from __future__ import annotations

import pytest
from segharness.plugin import checks


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            checks.one_of("red", "green", "blue"),
            ["red"],
            {"gren": "not red, green or blue (did you mean `green`?)", 3: "is 3"},
        ),
        (
            checks.whole_number(1),
            [1, 10**18],
            {0: "is 0, not a whole number of at least 1", True: "is True", 2.0: "is 2.0"},
        ),
        (checks.whole_number(0, 9), [0, 9], {10: "not a whole number from 0 to 9", "1": "is '1'", 2**70: "is 118"}),
        (
            checks.number(0, 1),
            [0, 0.5, 1],
            {1.5: "not a number from 0 to 1", float("nan"): "is nan", False: "is False"},
        ),
        (checks.number(0, float("inf")), [0, 1e9], {-1: "is -1, not a number of at least 0"}),
        (checks.boolean, [True, False], {1: "is 1, not true or false", None: "is None", "yes": "is 'yes'"}),
        (checks.text, ["a"], {"": "is '', not a text", 3: "is 3, not a text"}),
        (checks.mapping, [{}, {"a.b": 1}], {"a": "is 'a', not settings with their values", 3: "is 3"}),
    ],
)
def test_a_check_says_what_would_be_right(check, good, bad):
    assert [check(value) for value in good] == [None] * len(good)
    for value, message in bad.items():
        assert message in check(value)


def test_lists_of_names():
    assert checks.names(["a", "b", "a"]) is None
    for value, message in (
        ([], "is [], not a list of names"),
        ("ab", "is 'ab'"),
        ([1], "is [1]"),
    ):
        assert message in checks.names(value)
    assert "not settings" in checks.mapping({1: 2})
    check = checks.either(checks.names, checks.whole_number(1))
    assert check(["a"]) is None and check(3) is None
    assert check(0) == "is 0, not a list of names or a whole number of at least 1"


def test_a_mistake_in_a_value_of_the_first_kind_is_reported_alone():
    check = checks.either(lambda value: "has too many", checks.whole_number(1))
    assert check([1, 2]) == "has too many" and check(2) is None


def test_messages_show_only_the_beginning_of_a_long_value():
    for check in (
        checks.one_of("a"),
        checks.whole_number(1),
        checks.number(0, 1),
        checks.boolean,
        checks.text,
        checks.names,
    ):
        assert len(check({"x": "y" * 1000})) < 150
