"""The code of a local model's file: what its comments and blank lines say is no part of it."""

from __future__ import annotations

import pytest
from segharness.suite.local_functions import code_of

CODE = b"""import numpy as np


def build(size=3):
    text = '''a

    # no comment
    '''
    return [
        size, "#", f"{size}#", text]
"""


@pytest.mark.parametrize(
    "change",
    [
        lambda code: b"# a model\n" + code,
        lambda code: code.replace(b"import numpy as np", b"import numpy as np  # arrays"),
        lambda code: code.replace(b"def build", b"\n    # indented oddly\n# and not\ndef build"),
        lambda code: code.replace(b"[\n", b"[  # a list\n\n    # of all\n"),
        lambda code: code.replace(b"\n", b"\r\n"),
        lambda code: b"\xef\xbb\xbf" + code,
        lambda code: b"# -*- coding: utf-8 -*-\n" + code,
        lambda code: code + b"\n\n# the end",
        lambda code: code.rstrip(b"\n"),
    ],
)
def test_what_is_no_code_does_not_count(change):
    changed = change(CODE)
    assert changed != CODE and code_of(changed) == code_of(CODE)


@pytest.mark.parametrize(
    "change",
    [
        lambda code: code.replace(b"size=3", b"size=4"),
        lambda code: code.replace(b"a\n\n    # no comment", b"a\n    # no comment"),
        lambda code: code.replace(b"# no comment", b"# none"),
        lambda code: code.replace(b'"#"', b'"# "'),
        lambda code: code.replace(b"    return", b"    size += 1\n    return"),
        lambda code: code.replace(b"    return", b"  # x\n    pass\n    return"),
        lambda code: b"# -*- coding: latin-1 -*-\n" + code.replace(b"no comment", b"\xe9"),
    ],
)
def test_code_and_texts_count(change):
    assert code_of(change(CODE)) != code_of(CODE)


@pytest.mark.parametrize("source", [b"x = (\n", b"\xff\xfe\x00", b"# coding: nothing\n", b"  x\n y\n"])
def test_what_is_not_python_counts_as_it_is(source):
    assert code_of(source) == source
