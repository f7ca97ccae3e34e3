"""Fetches a file that a bundle names: https alone, bounded in bytes and time, its SHA-256 known before it is opened."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO, Any

from segharness import UsageError
from segharness.escaping import line

from segharness_leaderboard.bundle.json_values import url_problem
from segharness_leaderboard.bundle.model_card import Remote

_SECONDS = 3600
"""No file takes longer."""

_SILENT = 60
"""A server that sends nothing for so many seconds is given up."""

_BLOCK = 1 << 20
_MOST_REDIRECTIONS = 5


def fetch(remote: Remote, target: Path, *, private_addresses: bool = False) -> None:
    """Fetch a file.

    Args:
        remote: its address, size and SHA-256.
        target: the file to write. It is there only if the digest is right.
        private_addresses: whether servers of one's own network may be asked.

    Raises:
        UsageError: it cannot be fetched, or is another file. The message names the address.
    """
    shown = line(remote.url)
    if problem := url_problem(remote.url):
        raise UsageError(f"{shown}: {problem}")
    opener = urllib.request.OpenerDirector()
    for handler in (
        _Https(private_addresses),
        _Redirections(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)  # no proxy, no file, no ftp, no password of a .netrc
    request = urllib.request.Request(remote.url, headers={"User-Agent": "segharness", "Accept-Encoding": "identity"})
    part = target.with_name(f"{target.name}.part")
    try:
        with opener.open(request, timeout=_SILENT) as answer, part.open("wb") as file:
            digest = _copy(answer, file, remote.size, shown)
        if digest != remote.sha256:
            raise UsageError(f"{shown}: has the SHA-256 {digest[:16]}..., the card says {remote.sha256[:16]}...")
        part.replace(target)
    except (urllib.error.URLError, OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise UsageError(f"{shown}: cannot be fetched: {line(str(reason))}") from error
    finally:
        part.unlink(missing_ok=True)


def _copy(answer: http.client.HTTPResponse, file: IO[bytes], size: int, shown: str) -> str:
    """Copy an answer of exactly so many bytes, and return its SHA-256."""
    state, count, started = hashlib.sha256(), 0, time.monotonic()
    while block := answer.read1(_BLOCK):  # what has come: a server that drips is stopped, too
        count += len(block)
        if count > size:
            raise UsageError(f"{shown}: has more than the {size} bytes that the card says")
        if time.monotonic() - started > _SECONDS:
            raise UsageError(f"{shown}: takes longer than {_SECONDS} seconds")
        state.update(block)
        file.write(block)
    if count < size:
        raise UsageError(f"{shown}: has {count} bytes, the card says {size}")
    return state.hexdigest()


class _Connection(http.client.HTTPSConnection):
    """A connection to a server of the public network, or of any if that is allowed."""

    private_addresses = False

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        address = ipaddress.ip_address(self.sock.getpeername()[0].partition("%")[0])
        if not (self.private_addresses or address.is_global):
            self.close()
            raise OSError(f"{self.host} is {address}, an address of this machine or its network (--private-addresses)")
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


class _AnyAddress(_Connection):
    private_addresses = True


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, private_addresses: bool) -> None:
        super().__init__()
        self._kind = _AnyAddress if private_addresses else _Connection

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._kind, request)


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows a few redirections to https addresses; nothing of their answers is read."""

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage
    ) -> Any:
        fp.close()
        target = urllib.parse.urljoin(req.full_url, headers.get("Location", ""))
        if problem := url_problem(target):
            raise urllib.error.URLError(f"it leads to {line(target)}, which {problem}")
        followed = getattr(req, "followed", 0) + 1
        if followed > _MOST_REDIRECTIONS:
            raise urllib.error.URLError(f"it leads on more than {_MOST_REDIRECTIONS} times")
        request = urllib.request.Request(target, headers=dict(req.header_items()))
        request.followed = followed  # type: ignore[attr-defined]
        request.headers.pop("Host", None)
        return self.parent.open(request, timeout=_SILENT)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302
