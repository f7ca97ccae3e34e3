"""Checks of options' values."""

from __future__ import annotations

import pytest
from segharness.plugin import option_checks


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            option_checks.one_of("red", "green", "blue"),
            ["red"],
            {"gren": "not red, green or blue (did you mean `green`?)", 3: "is 3"},
        ),
        (
            option_checks.whole_number(1),
            [1, 10**18],
            {0: "is 0, not a whole number of at least 1", True: "is True", 2.0: "is 2.0"},
        ),
        (
            option_checks.whole_number(0, 9),
            [0, 9],
            {10: "not a whole number from 0 to 9", "1": "is '1'", 2**70: "is 118"},
        ),
        (
            option_checks.number(0, 1),
            [0, 0.5, 1],
            {1.5: "not a number from 0 to 1", float("nan"): "is nan", False: "is False"},
        ),
        (option_checks.number(0, float("inf")), [0, 1e9], {-1: "is -1, not a number of at least 0"}),
        (option_checks.boolean, [True, False], {1: "is 1, not true or false", None: "is None", "yes": "is 'yes'"}),
        (option_checks.text, ["a"], {"": "is '', not a text", 3: "is 3, not a text"}),
        (option_checks.mapping, [{}, {"a.b": 1}], {"a": "is 'a', not settings with their values", 3: "is 3"}),
    ],
)
def test_a_check_says_what_would_be_right(check, good, bad):
    assert [check(value) for value in good] == [None] * len(good)
    for value, message in bad.items():
        assert message in check(value)


def test_lists_of_names():
    assert option_checks.names(["a", "b", "a"]) is None
    for value, message in (
        ([], "is [], not a list of names"),
        ("ab", "is 'ab'"),
        ([1], "is [1]"),
    ):
        assert message in option_checks.names(value)
    assert "not settings" in option_checks.mapping({1: 2})
    check = option_checks.either(option_checks.names, option_checks.whole_number(1))
    assert check(["a"]) is None and check(3) is None
    assert check(0) == "is 0, not a list of names or a whole number of at least 1"


def test_a_mistake_in_a_value_of_the_first_kind_is_reported_alone():
    check = option_checks.either(lambda value: "has too many", option_checks.whole_number(1))
    assert check([1, 2]) == "has too many" and check(2) is None


def test_messages_show_only_the_beginning_of_a_long_value():
    for check in (
        option_checks.one_of("a"),
        option_checks.whole_number(1),
        option_checks.number(0, 1),
        option_checks.boolean,
        option_checks.text,
        option_checks.names,
    ):
        assert len(check({"x": "y" * 1000})) < 150
