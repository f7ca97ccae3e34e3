"""What is refused and why, and the secret that a sample is drawn by."""

from __future__ import annotations

import hashlib

import pytest
from segharness import UsageError
from segharness_leaderboard.reproduction.comparison import Again, Difference
from segharness_leaderboard.reproduction.sampling import (
    Draw,
)
from segharness_leaderboard.reproduction.secret import use_up
from segharness_leaderboard.reproduction.verdict import Fresh, Terms, judge

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
