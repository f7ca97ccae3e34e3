"""A sealed protocol of the sample plugin's squares, a run under it and its bundle; and an https server."""

from __future__ import annotations

import pytest

from tests.bundle_desk import BOOTSTRAP, MODEL, PROTOCOL, SAMPLE, SUITE, Desk
from tests.stranger import https_server


@pytest.fixture(scope="session")
def desk(tmp_path_factory) -> Desk:
    """A desk with the sealed protocol, the run ``run`` under it and its bundle ``bundle``. Tests do not change them."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.write("drafts/squares-1.0/suite.yaml", SUITE)
    desk.write("model.py", MODEL)
    done = desk("protocols", "seal", "drafts/squares-1.0", "-o", PROTOCOL, *SAMPLE, *BOOTSTRAP)
    assert done.code == 0, done.err
    done = desk(
        "run", "--protocol", PROTOCOL, "--model", "./model.py:build,id=shaky", "--out", "run", *SAMPLE, *BOOTSTRAP
    )
    assert done.code == 0, done.err
    done = desk.pack("run", "bundle")
    assert done.code == 0, done.err
    return desk


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of an https server with the file ``/x.whl``, and the environment that believes its certificate."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "x.whl").write_bytes(b"content")
    with https_server(folder, tmp_path_factory.mktemp("certificates")) as (url, environment):
        yield url, environment
