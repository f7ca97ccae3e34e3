"""Files of names of categories."""

from __future__ import annotations

import pytest
from segharness_torch.category_names import check_names, read_names


def test_a_name_a_line(tmp_path):
    file = tmp_path / "names.txt"
    file.write_bytes("\ufeffcat\r\n\n  traffic light \nfür\n".encode())
    assert read_names(file) == ["cat", "traffic light", "für"]
    assert check_names(str(file)) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no names"),
        (b"\n \n", "holds no names"),
        (b"\xff\xfe\x00", "cannot be read: no text in UTF-8"),
        (b"a\0b\n", "holds no names"),
        (None, "cannot be read: Is a directory"),
    ],
)
def test_what_holds_no_names_is_said(tmp_path, content, message):
    file = tmp_path / "names.txt"
    file.mkdir() if content is None else file.write_bytes(content)
    assert check_names(file).startswith(f"is no list of names: {file}: ")
    assert message in check_names(file)
