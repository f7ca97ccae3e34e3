"""The container that a stranger's plugin runs in, and the environment that it is installed into."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from segharness import UsageError
from segharness_leaderboard.reproduction.container import Container, check_container
from segharness_leaderboard.reproduction.environment import make_environment

ATTACK = """
import json, os, socket, sys
from pathlib import Path

found = {}
def attempt(name, action):
    try:
        found[name] = action() or True
    except Exception as error:
        found[name] = f"refused: {type(error).__name__}"

attempt("secret file", lambda: Path(sys.argv[1]).read_text())
attempt("environment", lambda: os.environ["ACME_TOKEN"])
attempt("passwords", lambda: Path("/etc/passwd").read_text())
attempt("network", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[2])), 3) and "connected")
attempt("write beside", lambda: Path(sys.argv[1]).with_name("written").write_text("x"))
attempt("write the environment", lambda: Path(sys.prefix, "written").write_text("x"))
attempt("write the system", lambda: Path("/usr/written").write_text("x"))
attempt("host", socket.gethostname)
attempt("processes", lambda: len([p for p in Path("/proc").iterdir() if p.name.isdigit()]))
attempt("own folder", lambda: Path("mine").write_text("x"))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    try:
        check_container(True)
    except UsageError as error:
        pytest.skip(str(error))
    environment = tmp_path_factory.mktemp("container") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    return Container(environment, 60)


def test_a_container_has_no_network_no_environment_and_no_files(container, server, tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", "hunter2")
    (tmp_path / "secret").write_text("hunter2")
    own = tmp_path / "own"
    own.mkdir()
    (own / "attack.py").write_text(ATTACK)
    port = server[0].rpartition(":")[2]
    done = container.run([str(container.python), "attack.py", str(tmp_path / "secret"), port], own)
    assert done.code == 0, done.said
    found = json.loads(done.said)
    for name in ("secret file", "environment", "passwords", "network", "write the environment", "write the system"):
        assert str(found[name]).startswith("refused"), found
    assert found["host"] == "container" and found["processes"] <= 3 and found["own folder"] == 1
    assert not (tmp_path / "written").exists() and (own / "mine").exists()


def test_without_a_container_nothing_is_run_unless_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"bubblewrap \(bwrap\), which is not here: .* --unconfined"):
        check_container(True)
    check_container(False)


def test_a_command_that_takes_too_long_is_ended(container, tmp_path):
    short = Container(container.environment, 1)
    with pytest.raises(UsageError, match="took longer than"):
        short.run([str(container.python), "-c", "import time; time.sleep(60)"], tmp_path)


def test_a_requirement_is_never_taken_for_a_folder(tmp_path):
    """pip builds a folder that a requirement leads to, outside of the container: none comes to it."""
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/setup.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    container = Container(tmp_path / "environment", 120)
    for requirement in ("x===/../evil", "../evil", "./evil", "-r other.txt", "x @ file:///evil", "x\ny"):
        with pytest.raises(UsageError, match="is no name with versions, and is not installed"):
            make_environment(container, ["numpy>=1.24", requirement], tmp_path / "x-1-py3-none-any.whl", tmp_path)
    assert not container.environment.exists() and not (tmp_path / "executed").exists()
