"""Tier 3 in its parts: the draw, what is fetched, wheels, weights, and the container that a stranger's code runs in."""

from __future__ import annotations

import hashlib
import json
import math
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from segharness import PluginHost, UsageError
from segharness.plugin.host import PluginArguments
from segharness.store import PREDICTIONS
from segharness_leaderboard.bundle.model_card import Remote
from segharness_leaderboard.rank_weights import RankWeights
from segharness_leaderboard.reproduction.comparison import Again, Difference, agreements
from segharness_leaderboard.reproduction.environment import Container, check_container
from segharness_leaderboard.reproduction.fetch import fetch
from segharness_leaderboard.reproduction.safetensors_file import check_safetensors
from segharness_leaderboard.reproduction.sampling import (
    FALSE_ALARM,
    Cell,
    Draw,
    Needed,
    Sampling,
    _more_than,
    draws_needed,
    parts_of_images,
    share_needed,
)
from segharness_leaderboard.reproduction.secret import use_up
from segharness_leaderboard.reproduction.verdict import Fresh, Terms, judge
from segharness_leaderboard.reproduction.wheel import read_wheel
from segharness_leaderboard.submit import check_bundle

from tests.bundle_desk import PROTOCOL, column
from tests.stranger import https_server, write_plugin, write_weights

# ----------------------------------------------------------------------------------------------------------- the draw


@pytest.mark.parametrize(
    ("gain", "confidence", "draws"),
    [(2, 0.95, 311), (1, 0.95, 622), (0.5, 0.95, 1245), (2, 0.99, 477), (1, 0.99, 956), (0.5, 0.99, 1914)],
)
def test_the_numbers_of_draws_are_those_of_the_contract(gain, confidence, draws):
    """At AP .35 and an advantage of 1.6, for one number."""
    share = share_needed(gain / 100, 0.35, advantage=1.6) / 2
    assert draws_needed(share, confidence)[:2] == (draws, 0)
    assert (1 - share) ** draws <= 1 - confidence < (1 - share) ** (draws - 1)


@pytest.mark.parametrize(("rate", "draws", "allowed"), [(1e-4, 650, 2), (1e-3, 990, 5), (5e-3, 2160, 22)])
def test_honest_mismatches_cost_the_draws_of_the_contract(rate, draws, allowed):
    share = share_needed(0.02, 0.35, advantage=1.6) / 2
    n, k, alarm = draws_needed(share, 0.95, rate)
    assert k == allowed and abs(n - draws) <= 0.01 * draws
    rng = np.random.default_rng(0)
    assert alarm <= FALSE_ALARM and (rng.binomial(n, rate, 200_000) > k).mean() <= FALSE_ALARM * 1.3
    assert (rng.binomial(n, share + rate * (1 - share), 200_000) <= k).mean() <= 0.052


def cells():
    ids = np.arange(1, 101)
    objects = {int(i): {1: 2} for i in ids} | {7: {2: 1}}  # image 7 has the only object of a category
    parts = parts_of_images(ids.tolist(), objects)
    return [Cell("d", name, ids, parts, {name: 1.0}) for name in ("clean", "fog-3")]


def test_a_draw_follows_from_secret_and_root_and_finds_rare_categories():
    sampling = Sampling(cells())
    assert math.isclose(sampling.chances.sum(), 1)
    first = sampling.draw(b"secret", "root", 400)
    assert first == sampling.draw(b"secret", "root", 400)
    assert first != sampling.draw(b"secret", "another", 400) != sampling.draw(b"Secret", "root", 400)
    assert sum(draw.times for draw in first) == 400
    times = {(draw.condition, draw.image_id): draw.times for draw in sampling.draw(b"s", "r", 40_000)}
    of_seven = sum(times["clean", 7] + times["fog-3", 7] for _ in (1,)) / 40_000
    assert abs(of_seven - (0.5 / 100 + 0.5 / 2)) < 0.01  # half of the AP, and a hundredth of the images
    assert len(times) == 200


def test_weights_are_ranks_so_small_scores_hide_nothing():
    import pyarrow as pa

    scores = np.random.default_rng(0).random(50)
    plain = pa.table({"category_id": pa.array([1] * 50, pa.int32()), "score": scores})
    faint = pa.table({"category_id": pa.array([1] * 50, pa.int32()), "score": scores * 0.001})
    weights = RankWeights(plain, {1: 10}).of(plain)
    assert np.array_equal(weights, RankWeights(faint, {1: 10}).of(faint))
    assert weights.max() == 1 and (weights > 0).sum() == 30  # three times the number of objects
    assert not RankWeights(plain, {2: 10}).of(plain).any()


# --------------------------------------------------------------------------------------------------------- the verdict


TERMS = Terms(power=0.01, confidence=0.95, honest_rate=1e-4, draws=100, allowed=1, false_alarm=1e-3)


def again(agreement, times=1):
    return Again(Draw("d", 1, "clean", times), agreement)


def difference(low, high):
    return Difference("average", "segm", 100, 0.3, 0.3 - (low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("found", "means", "compared", "inputs", "words"),
    [
        ([again(1.0), again(0.69)], {"average": 1.0}, [], [], None),
        (
            [again(0.69, times=2)],
            {"average": 1.0},
            [],
            [],
            "2 of 100 draws (one image) agree by less than 0.7; at most 1 may",
        ),
        ([], {"average": 0.98}, [], [], "average: the images drawn agree by 0.980 on average, not by 0.99"),
        (
            [],
            {},
            [difference(0.006, 0.02)],
            [],
            "average, segm: AP of the images drawn is 30.00 in the bundle, 28.70 (",
        ),
        ([], {}, [difference(-0.02, -0.006)], [], "average, segm: AP of the images drawn is 30.00 in the bundle"),
        ([], {}, [difference(0.004, 0.02)], [], None),
        ([], {}, [], ["d: `version` is '2', not '1'"], "another model than the bundle's was run: d: `version`"),
    ],
)
def test_what_is_refused_and_why(found, means, compared, inputs, words):
    verdict = judge(TERMS, found, means, compared, inputs).to_json()
    assert (verdict["verdict"], verdict["tier"]) == (("reproduced", "3") if words is None else ("refused", None))
    assert (verdict["reasons"] == []) == (words is None) and (words or "") in "".join(verdict["reasons"])


def test_under_a_fresh_seed_a_better_model_is_no_fault():
    same = ([again(1.0)], {"average": 1.0}, [difference(0, 0)])
    better = judge(TERMS, *same, fresh=Fresh(7, [difference(-0.03, -0.01)])).to_json()
    assert (better["verdict"], better["tier"], better["fresh"]["seed"]) == ("reproduced", "3+ fresh", 7)
    worse = judge(TERMS, *same, fresh=Fresh(7, [difference(0.01, 0.03)])).to_json()
    assert worse["verdict"] == "refused" and "under fresh corruption" in worse["reasons"][0]
    forged = judge(TERMS, [again(0.1, times=2)], {}, [], fresh=Fresh(7, [difference(-0.03, -0.01)])).to_json()
    assert forged["tier"] is None  # what is not tier 3 is not 3+ fresh either


def test_the_false_alarm_counts_images_that_are_drawn_often():
    """An image that is drawn thirty times mismatches thirty times, if it does."""
    sampling = Sampling(cells())
    n, k, alarm = draws_needed(0.01, 0.95, 1e-4, sampling.chances)
    rng = np.random.default_rng(0)
    means = n * sampling.chances
    seen = [
        rng.poisson(means[rng.random(len(means)) < 0.02]).sum() for _ in range(20_000)
    ]  # at 200 times the rate, where it can be counted
    _, _, often = Needed(n, k, _more_than(k, means, 0.02))
    assert abs(np.mean(np.array(seen) > k) - often) < 0.02
    assert alarm == pytest.approx(_more_than(k, means, 1e-4))
    with pytest.raises(UsageError, match="--honest-rate 0.01 is too near"):
        draws_needed(0.001, 0.95, 0.01)


def test_a_secret_is_for_one_bundle(harness):
    """It is made before, its digest is published, and a second bundle is refused."""
    done = harness("reproduce", "--new-secret", "secret.hex")
    assert done.code == 0, done.err
    secret = (harness.folder / "secret.hex").read_text().strip()
    assert done.out.splitlines()[-1] == hashlib.sha256(bytes.fromhex(secret)).hexdigest()
    assert (harness.folder / "secret.hex").stat().st_mode & 0o077 == 0
    assert harness("reproduce", "--new-secret", "secret.hex").code == 4
    use_up(harness.folder / "secret.hex", "root-1")
    use_up(harness.folder / "secret.hex", "root-1")
    with pytest.raises(UsageError, match="was used for another bundle"):
        use_up(harness.folder / "secret.hex", "root-2")
    assert "name a bundle" in harness("reproduce").err


# ------------------------------------------------------------------------------------------------------------ fetching


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "x.whl").write_bytes(b"content")
    with https_server(folder, tmp_path_factory.mktemp("certificates")) as (url, environment):
        yield url, environment


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


# --------------------------------------------------------------------------------------------------- wheels and weights


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


# ------------------------------------------------------------------------------------------------------ the comparison


@pytest.mark.parametrize("forged", ["bbox", "mask", None])
def test_boxes_and_masks_are_both_compared(desk, tmp_path, monkeypatch, forged):
    """Whoever forges boxes and leaves the masks, or the other way round, agrees in nothing."""
    import pyarrow as pa

    monkeypatch.chdir(desk.folder)
    host = PluginHost.load(PluginArguments(("segharness.testing.sample",)))
    run = check_bundle(desk.folder / "bundle", host, tmp_path / "scratch", protocol=PROTOCOL, scored=False).run
    made = run.predictions("squares", "clean")
    draws = [Draw("squares", id, "clean") for id in (1, 2, 3)]
    if forged == "bbox":
        made = column(made, PREDICTIONS, "bbox", [[0.0, 0.0, 5.0, 5.0]] * len(made))
    elif forged == "mask":
        made = column(made, PREDICTIONS, "mask", [pa.scalar(b"Pl1").as_py()] * len(made))  # nothing of 48 x 64 pixels
    found = agreements(run, {"squares": made}, {"squares": draws}, ["segm", "bbox"])
    assert [again.agreement for again in found] == [1.0 if forged is None else 0.0] * 3


# ------------------------------------------------------------------------------------------------------- the container

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
