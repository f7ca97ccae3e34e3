"""`-k` and `-m`: pytest's expressions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segharness.errors import UsageError
from segharness.records import Cell, Condition
from segharness.suite.select import Selection, expression

CELL = Cell("s.yaml", "Mask-rcnn", "coco", Condition("fog-3"), frozenset({"weather", "two-stage"}))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("fog", True),
        ("FOG-3", True),
        ("mask and coco", True),
        ("not fog", False),
        ("snow or fog", True),
        ("not (snow or fog)", False),
        ("snow or not snow and fog", True),
        ("(snow or fog) and not coco", False),
        ("not not fog", True),
    ],
)
def test_keywords_are_parts_of_names(text, holds):
    assert Selection(keyword=text).admits(CELL) is holds


def test_tags_are_whole_words():
    assert Selection(tags="weather and two-stage").admits(CELL)
    assert not Selection(tags="weath").admits(CELL)


def test_node_ids_select_from_the_left():
    assert Selection(parts=(("Mask-rcnn",),)).admits(CELL)
    assert Selection(parts=(("x",), ("Mask-rcnn", "coco", "fog-3"))).admits(CELL)
    assert not Selection(parts=(("Mask-rcnn", "coco", "fog-1"),)).admits(CELL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fog and", "column 8: expected a word"),
        ("(fog", "column 1: a `(` is not closed"),
        ("fog snow", "column 5: expected `and`, `or` or the end, found `snow`"),
        ("or fog", "column 1: expected a word"),
        ("fog & snow", "column 5"),
        ("", "column 1"),
    ],
)
def test_a_malformed_expression_is_pointed_at(text, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(").replace(")", r"\)")):
        expression(text, "-k")


words = st.sampled_from(["a", "b", "c"])
trees = st.recursive(
    words,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=8,
)


def as_text(tree):
    if isinstance(tree, str):
        return tree
    return f"not ({as_text(tree[1])})" if tree[0] == "not" else f"({as_text(tree[0])}) {tree[1]} ({as_text(tree[2])})"


@given(trees, st.sets(words))
def test_expressions_mean_what_python_means(tree, true):
    text = as_text(tree)
    assert expression(text, "-k")(true.__contains__) == eval(text, {w: w in true for w in "abc"})
