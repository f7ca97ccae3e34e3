"""A sealed protocol of the sample plugin's squares, a run under it, and its bundle."""

from __future__ import annotations

import pytest

from tests.bundle_desk import BOOTSTRAP, MODEL, PROTOCOL, SAMPLE, SUITE, Desk


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
