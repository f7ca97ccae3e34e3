"""What enters the authors' networks, measured by a hook of the test's own; and what becomes of their anchors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import network_probe

pytestmark = pytest.mark.slow

R50, PLUS = "yolact_resnet50_config", "yolact_plus_resnet50_config"
SETTINGS = {"nms_conf_thresh": 0.0, "max_num_detections": 5, "nms_top_k": 10}


@pytest.fixture
def measured(run_script, source):
    """Return the function that measures models in the environment of the authors' code."""

    def measure(configs, sizes, **more):
        models = [{"config": config, "source": source, "overrides": SETTINGS} for config in configs]
        given = {"module": "segharness_yolact.foreign_model", "models": models, "sizes": sizes, **more}
        return run_script(network_probe.__file__, given)

    return measure


def test_images_enter_as_published_or_as_they_are(measured):
    sizes = [[427, 640], [1024, 2048], [75, 130]]
    answers = measured([R50, PLUS, "yolact_darknet53_config", "yolact_im700_config"], sizes)
    assert [a.get("error") for a in answers] == [None] * 8
    for published, side in zip(answers[::2], (550, 550, 550, 700), strict=True):
        assert all(published[f"{h}x{w}"]["size"] == [side, side] for h, w in sizes)
    for original in answers[1::2]:
        assert original["427x640"]["size"] == [427, 640] and original["1024x2048"]["size"] == [1024, 2048]
        padded = [249, 249] if original["config"] == PLUS else [75, 130]  # only where no mask could be rescored
        assert original["75x130"]["size"] == padded
        assert all(original[f"{h}x{w}"]["correlation"] > 1 - 1e-9 for h, w in sizes)
    assert all(a[f"{h}x{w}"]["watched"] == a[f"{h}x{w}"]["size"] for a in answers for h, w in sizes)


def test_what_is_said_of_each_image_is_what_entered(measured):
    r50, r50_original, plus, plus_original = measured([R50, PLUS], [[60, 90], [248, 249]], whole=True)
    assert r50["60x90"]["said"] == plus["60x90"]["said"] == [550, 550, "bilinear", [0, 0, 0, 0]]
    assert r50_original["60x90"]["said"] == [60, 90, "none", [0, 0, 0, 0]]
    assert plus_original["60x90"]["said"] == [249, 249, "none", [0, 189, 0, 159]]
    assert plus_original["248x249"]["said"] == [249, 249, "none", [0, 1, 0, 0]]
    assert all(a["60x90"]["instances"] > 0 for a in (r50, r50_original, plus, plus_original))


def test_anchors_keep_their_size_in_pixels_of_the_input(run_script, source, tmp_path):
    """Also: modules of other people keep their names, and models of two configs do not disturb each other."""
    (tmp_path / "utils.py").write_text("MINE = True\n")
    script = tmp_path / "anchors.py"
    script.write_text(Path(__file__).with_name("anchors.py").read_text())
    answer = run_script(script, {"source": source})
    assert answer["model anchors"] == answer["original anchors"]
    for sides, ratio in zip(answer["original anchors"], (0.5, 1, 2), strict=True):  # square by an old mistake of theirs
        assert sides == pytest.approx([24 * ratio**0.5] * 2, abs=0.02)
    assert len(answer["plus anchors"]) == 9
    for width, height in answer["plus anchors"]:  # three sizes, 1:1, 1:2 and 2:1 as the config has them
        assert min(abs(width * height / (24 * 2 ** (i / 3)) ** 2 - 1) for i in range(3)) < 0.01
    assert answer["equal at 550"] and answer["found at 550"] == 10
    for name in ("original", "plus"):
        assert answer[f"{name} sizes"] and all(size == [96, 160] for size in answer[f"{name} sizes"])
        assert all(0 <= x1 < x2 <= 160 and 0 <= y1 < y2 <= 96 for x1, y1, x2, y2 in answer[f"{name} boxes"])
    assert answer["modules"] == [] and answer["utils"] and not answer["path"] and answer["jit"] == "script"
