"""The printed JSON Schema is valid, and agrees with `segharness.suite.check` on which texts are suites."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from segharness.suite.check import check
from segharness.suite.schema import SUITE, for_editors
from segharness.suite.variables import Variables
from segharness.suite.yaml_parser import parse

REPOSITORY = Path(__file__).resolve().parents[2]


def test_both_schemas_are_json_schemas():
    jsonschema.Draft202012Validator.check_schema(SUITE)
    jsonschema.Draft202012Validator.check_schema(for_editors())


@pytest.mark.parametrize("name", ["robustness.yaml", "adaptis_toy.yaml", "coco_yolo.yaml"])
def test_our_suites_are_valid_for_editors(name):
    content = yaml.safe_load((REPOSITORY / "suites" / name).read_text())
    jsonschema.validate(content, for_editors())


def test_editors_admit_variables_where_numbers_stand():
    content = {"segharness": 1, "datasets": ["a/b"], "conditions": ["clean"], "limit": "${N}", "seed": "${S:-1}"}
    jsonschema.validate(content, for_editors())


def test_editors_admit_null_and_want_datasets_only_where_nothing_is_extended():
    jsonschema.validate({"segharness": 1, "extends": "a.yaml", "scoring": None}, for_editors())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"segharness": 1, "conditions": ["clean"]}, for_editors())


def test_every_key_is_described():
    for key, schema in SUITE["properties"].items():
        assert "description" in schema or key == "scoring", key


values = st.recursive(
    st.one_of(st.integers(-2, 5), st.booleans(), st.sampled_from(["clean", "a/b", "X Y", "a"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["id", "model", "options", "set", "severities", "results", "x"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*SUITE["properties"], "extra"]), values, max_size=6))
def test_the_checker_and_jsonschema_agree(content):
    problems: list[str] = []
    node = parse(yaml.safe_dump(content), "s.yaml", Variables(), problems)
    assert node is not None and not problems
    check(node, SUITE, problems)
    assert bool(problems) == (not jsonschema.Draft202012Validator(SUITE).is_valid(content))
