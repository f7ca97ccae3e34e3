"""Checks of options' values."""

from __future__ import annotations

import pytest
from segharness.plugin import checks as values


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            values.one_of("red", "green", "blue"),
            ["red"],
            {"gren": "not red, green or blue (did you mean `green`?)", 3: "is 3"},
        ),
        (values.whole(1), [1, 10**18], {0: "is 0, not a whole number of at least 1", True: "is True", 2.0: "is 2.0"}),
        (values.whole(0, 9), [0, 9], {10: "not a whole number from 0 to 9", "1": "is '1'", 2**70: "is 118"}),
        (
            values.number(0, 1),
            [0, 0.5, 1],
            {1.5: "not a number from 0 to 1", float("nan"): "is nan", False: "is False"},
        ),
        (values.number(0, float("inf")), [0, 1e9], {-1: "is -1, not a number of at least 0"}),
        (values.truth, [True, False], {1: "is 1, not true or false", None: "is None", "yes": "is 'yes'"}),
        (values.text, ["a"], {"": "is '', not a text", 3: "is 3, not a text"}),
        (values.settings, [{}, {"a.b": 1}], {"a": "is 'a', not settings with their values", 3: "is 3"}),
    ],
)
def test_a_check_says_what_would_be_right(check, good, bad):
    assert [check(value) for value in good] == [None] * len(good)
    for value, said in bad.items():
        assert said in check(value)


def test_lists_of_names():
    assert values.names(["a", "b", "a"]) is None
    for value, said in (
        ([], "is [], not a list of names"),
        ("ab", "is 'ab'"),
        ([1], "is [1]"),
    ):
        assert said in values.names(value)
    assert "not settings" in values.settings({1: 2})
    check = values.either(values.names, values.whole(1))
    assert check(["a"]) is None and check(3) is None
    assert check(0) == "is 0, not a list of names or a whole number of at least 1"


def test_a_fault_within_the_first_kind_is_no_fault_of_kind():
    check = values.either(lambda value: "has too many", values.whole(1))
    assert check([1, 2]) == "has too many" and check(2) is None


def test_a_value_of_any_type_is_only_shown_in_part():
    for check in (values.one_of("a"), values.whole(1), values.number(0, 1), values.truth, values.text, values.names):
        assert len(check({"x": "y" * 1000})) < 150
