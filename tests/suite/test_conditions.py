"""`conditions:` names sets, corruptions, severities, mixtures and the suite's own lists."""

from __future__ import annotations

TEXT = """
segharness: 1
models: [toycells/threshold]
datasets: [toycells/quick]
conditions: CONDITIONS
"""


def load(suites, conditions):
    suite = suites.load(TEXT.replace("CONDITIONS", conditions))
    return [c.name for c in suite.conditions], {g.name: g.conditions for g in suite.condition_groups}


def test_the_papers_set(suites):
    names, groups = load(suites, "[clean, paper15, mixed]")
    assert len(names) == 17 and names[0] == "clean" and names[-1] == "mixed-1"
    assert names[1:4] == ["motion_blur-3", "defocus_blur-3", "gaussian_blur-3"]
    assert list(groups) == ["paper15"] and len(groups["paper15"]) == 15


def test_image_net_c(suites):
    assert len(load(suites, "imagenet-c-common")[0]) == 75
    assert len(load(suites, "[imagenet-c-all]")[0]) == 95


def test_a_bare_corruption_has_all_its_severities(suites):
    names, groups = load(suites, "[fog, snow-2]")
    assert names == ["fog-1", "fog-2", "fog-3", "fog-4", "fog-5", "snow-2"]
    assert groups == {"listed": tuple(names)}


def test_severities_of_a_set_and_lists_with_names(suites):
    names, groups = load(
        suites, "[{set: paper15, severities: [1, 5]}, {name: mine, corruptions: [fog, snow], severities: [2]}]"
    )
    assert len(names) == 32
    assert groups["mine"] == ("fog-2", "snow-2")


def test_a_condition_of_two_sets_runs_once_and_counts_in_both(suites):
    names, groups = load(suites, "[paper15, {name: mine, corruptions: [fog], severities: [3]}]")
    assert names.count("fog-3") == 1
    assert "fog-3" in groups["mine"] and "fog-3" in groups["paper15"]


def test_mixtures_are_outside_of_every_group_and_know_their_members_versions(suites):
    suite = suites.load(TEXT.replace("CONDITIONS", "[mixed]"))
    assert suite.condition_groups == ()
    assert suite.conditions[0].mixture and "motion_blur=2" in suite.conditions[0].version
