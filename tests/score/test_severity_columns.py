"""Columns that are severities of one corruption, in the usual spellings; what may be one or not is refused."""

from __future__ import annotations

import pytest
from segharness.errors import UsageError
from segharness.score.severity_columns import averaged, corruptions_of

SPELLINGS = [
    "fog-{}", "fog_{}", "fog/{}", "fog {}", "fog:{}", "fog@{}", "fog.{}", "fog_s{}", "fog-S{}", "fog sev{}", "fog_sev_{}",
    "fog severity {}", "fog_severity_{}", "fog (severity {})", "fog ({})", "fog[{}]", "fog level {}", "fog, severity={}",
    "s{}_fog", "severity {}: fog", "sev{}/fog", "fog-0{}", "fog_lvl{}",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_usual_spellings_are_known(spelling):
    columns = [spelling.format(severity) for severity in (1, 2, 3)]
    assert corruptions_of([*columns, "snow"]) == {"fog": tuple(columns), "snow": ("snow",)}


def test_names_with_numbers_of_their_own_stay_whole():
    columns = ["cityscapes-2017", "coco-2014", "fog", "jpeg_compression", "top-1", "blur 3d", "noise"]
    assert corruptions_of(columns) == {name: (name,) for name in columns}


def test_corruptions_may_have_other_numbers_of_severities():
    assert corruptions_of(["fog-1", "fog-2", "snow-1"]) == {"fog": ("fog-1", "fog-2"), "snow-1": ("snow-1",)}


def test_stems_of_several_words_are_told_apart():
    columns = ["gaussian_noise_1", "gaussian_noise_2", "shot_noise_1", "shot_noise_2"]
    assert list(corruptions_of(columns)) == ["gaussian_noise", "shot_noise"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["fog1", "fog2"], "are they severities of `fog`"),
        (["noise_v2", "noise_v3"], "are they severities of `noise_v`"),
        (["1-fog", "2-fog"], "are they severities of `fog`"),
        (["fog-1", "fog_1"], "one severity of `fog` is there twice"),
        (["fog-0", "fog-1"], "severity 0 is no corruption"),
        (["fog", "fog-1", "fog-2"], "column `fog` stands beside"),
    ],
)
def test_what_may_be_a_severity_or_not_is_refused(columns, message):
    with pytest.raises(UsageError, match=message):
        corruptions_of(columns)


def test_the_user_decides_what_the_names_do_not():
    assert averaged(["fog1", "fog2", "snow"]) == {"fog": ("fog1", "fog2"), "snow": ("snow",)}
    assert averaged(["1-fog", "2-fog"]) == {"fog": ("1-fog", "2-fog")}


@pytest.mark.parametrize(
    "letters", ["a" * 100_000, "a1" * 50_000, "_" * 100_000, "(" * 100_000 + "1", "a " * 50_000 + "3"]
)
def test_names_without_end_are_read_at_once_and_are_no_severities(letters):
    columns = [letters, letters + "2", "fog-1", "fog-2"]
    assert corruptions_of(columns) == {letters: (letters,), letters + "2": (letters + "2",), "fog": ("fog-1", "fog-2")}
