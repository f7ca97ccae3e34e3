"""Run folders on stores: what a store that fails, hangs back or lies about its lock costs."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time

import pytest
from pyarrow import fs
from segharness.errors import StoreError
from segharness.store import Lock, RunFolder
from segharness.store.lock import RENEWAL_INTERVAL
from segharness.store.remote import RemotePath, store_path


class Failing(http.server.BaseHTTPRequestHandler):
    """Answers every request with 503, as a store that is overloaded."""

    def answer(self):
        self.server.requests += 1
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815  the names are http.server's

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def failing_store():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        server.requests = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server, f"s3://KEY:SECRET@bucket/run?scheme=http&endpoint_override=127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_store_that_only_fails_is_given_up_soon():
    with failing_store() as (server, url):
        with pytest.raises(StoreError, match="the store does not answer"):
            store_path(url).is_dir()
        assert 2 <= server.requests <= 6  # pyarrow's own default is 31


@pytest.mark.parametrize("command", ["report", "status", "score", "compare", "verify", "run"])
def test_every_command_says_that_a_store_fails(small, command):
    with failing_store() as (server, url):
        words = {"run": ("run", "small.yaml", "--out", url), "compare": ("compare", f"{url}::a", f"{url}::b")}
        began = time.monotonic()
        done = small(*words.get(command, (command, url)), timeout=120)
        assert done.code == 4 and "503" in done.err and "Traceback" not in done.err, done
        assert "SECRET" not in done.err + done.out
        assert time.monotonic() - began < 60  # several requests of a few seconds; it was minutes
        assert server.requests < 40


def remote(tmp_path, name="run"):
    (tmp_path / name).mkdir(exist_ok=True)
    return RunFolder(RemotePath(f"s3://bucket/{name}", fs.LocalFileSystem(), str(tmp_path / name)))


@pytest.mark.parametrize(
    ("renewed", "held"),
    [(0.0, True), (-RENEWAL_INTERVAL, True), (-1000.0, False), (1000.0, True), (1e6, False), (1e300, False)],
)
def test_a_lease_of_the_far_future_is_not_believed(tmp_path, monkeypatch, renewed, held):
    """Clocks differ a little. A lease that is dated years ahead would block the folder until then."""
    monkeypatch.setattr("segharness.store.lock.CHECK_DELAY", (0.0, 0.01))
    folder = remote(tmp_path)
    lease = {"id": "other", "holder": "7 on elsewhere", "time": time.time() + renewed}
    (tmp_path / "run/.lock").write_text(json.dumps(lease))
    if held:
        with pytest.raises(StoreError, match="another run"), Lock(folder):
            pass
    else:
        with Lock(folder):
            assert json.loads((tmp_path / "run/.lock").read_text())["id"] != "other"


@pytest.mark.parametrize("content", ["", "null", "[1]", '{"id": 1}', '{"id": 1, "holder": 2, "time": "x"}', "[" * 99999,
                                     '{"id": 1, "holder": 2, "time": NaN}'])  # fmt: skip
def test_a_damaged_lease_is_no_lease(tmp_path, monkeypatch, content):
    monkeypatch.setattr("segharness.store.lock.CHECK_DELAY", (0.0, 0.01))
    folder = remote(tmp_path)
    (tmp_path / "run/.lock").write_text(content)
    with Lock(folder):
        assert "holder" in json.loads((tmp_path / "run/.lock").read_text())


def test_logs_of_a_store_have_a_name_that_nobody_can_guess(tmp_path):
    first, other = remote(tmp_path).logs, remote(tmp_path, "other").logs
    assert first == remote(tmp_path).logs != other
    assert first.parent.stat().st_mode & 0o777 == 0o700
