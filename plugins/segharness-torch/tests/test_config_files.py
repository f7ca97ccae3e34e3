"""The files a config is made of."""

from __future__ import annotations

import pytest
from segharness_torch.config_files import config_files


@pytest.fixture
def write(tmp_path):
    def make(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return make


def names(config, tmp_path):
    return sorted(file.relative_to(tmp_path.resolve()).as_posix() for file in config_files(config))


def test_bases_of_python_and_yaml_are_followed(write, tmp_path):
    config = write(
        "mine/c.py", "_base_ = ['../base/model.py', '../base/data.yaml', 'mmdet::_base_/default_runtime.py']\n"
    )
    write("base/model.py", "_base_ = './deeper.py'\nmodel = dict(type='M')\n")
    write("base/deeper.py", "_base_ = ['model.py']\n")
    write("base/data.yaml", "_base_: [more.json]\n")
    write("base/more.json", '{"a": 1}')
    write("base/other.py", "x = 1\n")
    found = ["base/data.yaml", "base/deeper.py", "base/model.py", "base/more.json", "mine/c.py"]
    assert names(config, tmp_path) == found


def test_detectron2s_bases_and_relative_imports_are_followed(write, tmp_path):
    config = write("c.yaml", "_BASE_: base.yaml\nMODEL: !!python/object/apply:os.getcwd []\n")
    write("base.yaml", "A: 1\n")
    assert names(config, tmp_path) == ["base.yaml", "c.yaml"]
    lazy = write(
        "lazy/one/c.py", "from ..common.coco import dataloader\nfrom ..common import optim\nfrom .near import model\n"
    )
    for name in ("lazy/common/coco.py", "lazy/common/optim.py", "lazy/one/near.py", "lazy/common/__init__.py"):
        write(name, "")
    found = [
        "lazy/common/__init__.py",
        "lazy/common/coco.py",
        "lazy/common/optim.py",
        "lazy/one/c.py",
        "lazy/one/near.py",
    ]
    assert names(lazy, tmp_path) == found


def test_what_cannot_be_read_is_alone(write, tmp_path):
    assert names(write("broken.py", "_base_ = ["), tmp_path) == ["broken.py"]
    assert names(write("broken.yaml", "a: [1"), tmp_path) == ["broken.yaml"]
