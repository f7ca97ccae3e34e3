"""What is fetched for tier 3, and which wheels and weights are taken."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile

import pytest
from segharness import UsageError
from segharness_leaderboard.bundle.model_card import Remote
from segharness_leaderboard.reproduction.fetch import fetch
from segharness_leaderboard.reproduction.safetensors_file import check_safetensors
from segharness_leaderboard.reproduction.wheel import read_wheel

from tests.stranger import write_plugin, write_weights

CONTENT = hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize(
    ("path", "size", "sha256", "words"),
    [
        ("/x.whl", 7, CONTENT, None),
        ("/x.whl", 6, CONTENT, "has more than the 6 bytes that the card says"),
        ("/x.whl", 8, CONTENT, "has 7 bytes, the card says 8"),
        ("/x.whl", 7, "0" * 64, "has the SHA-256 "),
        ("/gone.whl", 7, CONTENT, "cannot be fetched: File not found"),
        ("/to-http", 7, CONTENT, "it leads to http://localhost/x.whl, which is not an https address"),
        ("/to-file", 7, CONTENT, "it leads to file:///etc/passwd, which is not an https address"),
    ],
)
def test_only_the_very_file_is_kept(server, tmp_path, monkeypatch, path, size, sha256, words):
    url, environment = server
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    target = tmp_path / "x.whl"
    if words is None:
        fetch(Remote(url + path, sha256, size), target, private_addresses=True)
        assert target.read_bytes() == b"content"
        return
    with pytest.raises(UsageError, match=words.replace("(", r"\(")):
        fetch(Remote(url + path, sha256, size), target, private_addresses=True)
    assert list(tmp_path.iterdir()) == []


def test_what_a_redirection_says_is_not_read(server, tmp_path, monkeypatch):
    url, environment = server
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    target = tmp_path / "x.whl"
    fetch(Remote(f"{url}/redirected", CONTENT, 7), target, private_addresses=True)
    assert target.read_bytes() == b"content"
    with pytest.raises(UsageError, match="it leads on more than 5 times"):
        fetch(Remote(f"{url}/again", CONTENT, 7), target, private_addresses=True)


def test_neither_this_network_nor_an_unknown_server_is_asked(server, tmp_path, monkeypatch):
    url, environment = server
    remote = Remote(f"{url}/x.whl", CONTENT, 7)
    with pytest.raises(UsageError, match="certificate"):
        fetch(remote, tmp_path / "x", private_addresses=True)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        UsageError, match=r"localhost is 127.0.0.1, an address of this machine .*\(--private-addresses\)"
    ):
        fetch(remote, tmp_path / "x")
    for bad in ("http://localhost/x.whl", "file:///etc/passwd", "ftp://localhost/x", "https://a:b@localhost/x"):
        with pytest.raises(UsageError, match="is not an https address|has a user name"):
            fetch(Remote(bad, CONTENT, 7), tmp_path / "x")


def wheel_of(tmp_path, change=None, metadata=None, name="segharness_stranger-1.0-py3-none-any.whl"):
    file = tmp_path / name
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        text = (
            metadata or "Metadata-Version: 2.1\nName: segharness-stranger\nVersion: 1.0\nRequires-Dist: numpy>=1.24\n"
        )
        opened.writestr("segharness_stranger-1.0.dist-info/METADATA", text)
        opened.writestr("segharness_stranger/__init__.py", "")
        if change is not None:
            change(opened)
    return file


def link(opened):
    entry = zipfile.ZipInfo("segharness_stranger/link")
    entry.external_attr = 0o120777 << 16
    opened.writestr(entry, "/etc/passwd")


HEAD = "Metadata-Version: 2.1\nName: segharness-stranger\nVersion: 1.0\n"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"change": lambda z: z.writestr("../evil.py", "")}, "'../evil.py' lies outside of its folder"),
        ({"change": lambda z: z.writestr("/etc/evil", "")}, "'/etc/evil' lies outside of its folder"),
        ({"change": link}, "is a link"),
        ({"change": lambda z: z.writestr("evil.pth", "import os")}, "would run code whenever Python starts"),
        ({"metadata": HEAD + "Requires-Dist: x @ https://a.example/x.tar.gz\n"}, "an address; only what an index has"),
        ({"metadata": HEAD + "Requires-Dist: x @ file:///etc\n"}, "an address; only what an index has"),
        ({"metadata": HEAD + "Requires-Dist: --index-url=http://a.example\n"}, "its requirement '--index-url"),
        ({"metadata": HEAD + "Requires-Dist: x===/../evil\n"}, "names no ordinary version"),
        ({"metadata": HEAD + "Requires-Dist: x\n" * 501}, "has 501 requirements, more than 500"),
        ({"metadata": HEAD + "Requires-Dist: x==1" + "0" * 600 + "\n"}, "has 604 characters"),
        (
            {"change": lambda z: z.writestr("segharness_stranger-1.0.data/data/lib/x.pth", "import os")},
            "would run code whenever Python starts",
        ),
        ({"change": lambda z: z.writestr("sitecustomize.py", "")}, "would run code whenever Python starts"),
        ({"metadata": HEAD.replace("1.0", "2.0")}, "its METADATA are of segharness-stranger 2.0"),
        ({"name": "segharness_stranger.whl"}, "is no wheel"),
    ],
)  # fmt: skip
def test_a_wheel_that_would_do_more_than_install_is_refused(tmp_path, given, words):
    with pytest.raises(UsageError, match=words):
        read_wheel(wheel_of(tmp_path, **given))


def test_a_wheel_is_read(tmp_path):
    text = (
        HEAD
        + "Requires-Dist: numpy>=1.24\nRequires-Dist: torch; extra == 'gpu'\nRequires-Dist: colorama; os_name == 'nt'\n"
    )
    wheel = read_wheel(wheel_of(tmp_path, metadata=text))
    assert (wheel.name, wheel.version, wheel.requirements) == ("segharness-stranger", "1.0", ("numpy>=1.24",))
    real = read_wheel(write_plugin(tmp_path / "real"))
    assert set(real.requirements) == {"numpy>=1.24", "segharness>=0.1"}
    (tmp_path / "x-1-py3-none-any.whl").write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(UsageError, match="is no wheel"):
        read_wheel(tmp_path / "x-1-py3-none-any.whl")


def test_weights_are_safetensors_alone(tmp_path):
    good = write_weights(tmp_path / "good.safetensors", 1.0, 2.0)
    check_safetensors(good)
    import pickle

    bad = tmp_path / "bad.safetensors"
    header = json.dumps({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}).encode()
    for data in (pickle.dumps({"a": 1}), b"", struct.pack("<Q", 1 << 60), struct.pack("<Q", len(header)) + header):
        bad.write_bytes(data)
        with pytest.raises(UsageError, match="is no safetensors file"):
            check_safetensors(bad)
