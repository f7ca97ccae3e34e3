"""Cityscapes' instance-level AP agrees with the package ``cityscapesscripts`` to 1e-9, on generated frames and rules.

The package runs in an environment of its own (``run_cityscapesscripts.py``). It takes ten seconds and a network.

The package takes for void the pixels whose value in ``*_instanceIds.png`` *is* the id of a label marked
``ignoreInEval``: 0 to 6, 9, 10, 14, 15, 16, 18, 29 (caravan) and 30 (trailer); also license plate, -1, which that
format cannot hold. A single caravan or trailer (29000, 30001) is therefore not void, and of no class that is scored.

The package ends with an IndexError for a class that has both ground truth and predictions if, at some
threshold, no prediction is left, because each is ignored. So the generated frames give each class that has both one
prediction that is right.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest

from tests.streets import CITYSCAPES

SCRIPT = Path(__file__).with_name("run_cityscapesscripts.py")

LABELS = list(CITYSCAPES.values())
VOID = [0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30]
STUFF = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23]
ROAD = 7
OTHER = [29000, 29001, 30000, 30007]
"""Single caravans and trailers."""
THRESHOLDS = np.arange(10, 20) / 20

Scene = tuple  # (ids (H, W), [(label, score, mask (H, W))])


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """A function from scenes to the package's numbers."""
    folder = tmp_path_factory.mktemp("cityscapes")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    requirements = runpy.run_path(str(SCRIPT))["REQUIREMENTS"]
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", *requirements]
    installed = subprocess.run(pip, capture_output=True, text=True)
    if installed.returncode:
        pytest.fail(f"pip cannot install {requirements}:\n{installed.stdout}{installed.stderr}")

    def run(scenes: list[Scene]) -> dict:
        frames_folder = tmp_path_factory.mktemp("frames")
        content = []
        for number, (ids, predictions) in enumerate(scenes):
            np.save(frames_folder / f"{number}.npy", ids)
            prediction_entries = []
            for index, (label, score, mask) in enumerate(predictions):
                path = frames_folder / f"{number}_{index}.npy"
                np.save(path, mask)
                prediction_entries.append({"label": label, "score": score, "mask": str(path)})
            content.append({"ids": str(frames_folder / f"{number}.npy"), "predictions": prediction_entries})
        (frames_folder / "frames.json").write_text(json.dumps(content))
        process = subprocess.run(
            [python, "-I", SCRIPT, frames_folder / "frames.json", frames_folder / "out.json"],
            capture_output=True,
            text=True,
        )
        if process.returncode:
            raise RuntimeError(process.stderr)
        return json.loads((frames_folder / "out.json").read_text())

    return run


def frame(ids, predictions):
    """Count a scene's pixels for segharness."""
    from segharness.score.evaluations.cityscapes import Frame

    regions = [int(i) for i in np.unique(ids) if (i if i < 1000 else i // 1000) in LABELS]
    truths = np.array([ids == i for i in regions], dtype=bool).reshape(len(regions), ids.size)
    masks = np.array([mask for _, _, mask in predictions], dtype=bool).reshape(len(predictions), ids.size)
    return Frame(
        label_gt=np.array([i if i < 1000 else i // 1000 for i in regions], dtype=int),
        area_gt=truths.sum(1),
        group=np.array([i < 1000 for i in regions], dtype=bool),
        label_dt=np.array([label for label, _, _ in predictions], dtype=int),
        area_dt=masks.sum(1),
        score=np.array([score for _, score, _ in predictions], dtype=float),
        inter=masks.astype(np.int64) @ truths.astype(np.int64).T,
        void=(masks & np.isin(ids, VOID).reshape(1, -1)).sum(1),
    )


def harness_precisions(scenes: list[Scene]) -> np.ndarray:
    """Return segharness' AP, a row for each class."""
    from segharness.score.evaluations.cityscapes import average_precision

    precisions = average_precision([frame(*scene) for scene in scenes], LABELS)
    assert precisions.shape == (len(LABELS), len(THRESHOLDS))
    return precisions


def mean(values: np.ndarray) -> float:
    """Return the mean over values that are not nan."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


def assert_agreement(precisions: np.ndarray, numbers: dict) -> None:
    """Compare single thresholds, classes and overall numbers with the package's."""

    def assert_close(a, b):
        np.testing.assert_allclose(a, np.array(b, dtype=float), rtol=0, atol=1e-9)  # None becomes nan; nan equals nan

    assert set(numbers["classes"]) == set(CITYSCAPES)
    classes = [numbers["classes"][name] for name in CITYSCAPES]
    assert_close(precisions, [c["aps"] for c in classes])
    assert_close(precisions.mean(1), [c["ap"] for c in classes])
    assert_close(precisions[:, 0], [c["ap50%"] for c in classes])
    assert_close(mean(precisions.mean(1)), numbers["allAp"])
    assert_close(mean(precisions[:, 0]), numbers["allAp50%"])


# generated frames


def moved(mask: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """Shift a mask; what leaves the frame is lost."""
    out = np.zeros_like(mask)
    h, w = mask.shape
    out[max(dy, 0) : h + min(dy, 0), max(dx, 0) : w + min(dx, 0)] = mask[
        max(-dy, 0) : h + min(-dy, 0), max(-dx, 0) : w + min(-dx, 0)
    ]
    return out


def grown(mask: np.ndarray, steps: int) -> np.ndarray:
    """Dilate a mask, or erode it if steps are negative."""
    if steps < 0:
        return ~grown(~mask, -steps)
    for _ in range(steps):
        mask = mask | moved(mask, 1, 0) | moved(mask, -1, 0) | moved(mask, 0, 1) | moved(mask, 0, -1)
    return mask


def blob(rng, shape, low: int, high: int) -> np.ndarray:
    """Draw an ellipse or a rectangle."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    cy, cx = rng.integers(shape[0]), rng.integers(shape[1])
    ry, rx = rng.integers(low, high, 2)
    if rng.random() < 0.5:
        return (abs(y - cy) < ry) & (abs(x - cx) < rx)
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1


def any_score(rng) -> float:
    """Draw a score, often one that others have too."""
    return float(rng.integers(0, 11) / 10 if rng.random() < 0.6 else rng.random())


SLOT = 20


def plant(rng, ids: np.ndarray, x: int, label: int, number: int) -> list[tuple[int, float, np.ndarray]]:
    """Put a case that lies exactly on a limit into the last rows, from column x on."""
    y = ids.shape[0] - SLOT
    ids[y:, x : x + SLOT] = ROAD
    mask = np.zeros(ids.shape, dtype=bool)
    inner, first = mask[y : y + 10, x : x + SLOT], ids[y : y + 10, x : x + SLOT]
    share = round(200 * float(rng.choice(THRESHOLDS)))
    instance = label * 1000 + number
    part = np.arange(200).reshape(10, 20) < share
    kind = rng.integers(8)
    if kind == 0:  # a superset of twice the size
        first[:] = instance
        mask[y:, x : x + SLOT] = True
    elif kind == 1:  # a subset: the IoU is a threshold
        first[:] = instance
        inner[:] = part
    elif kind == 2:  # two that make one, in one prediction
        first[:] = instance
        ids[y + 10 :, x : x + SLOT] = instance + 500
        mask[y:, x : x + SLOT] = True
    elif kind == 3:  # void, a group, another class' group, a caravan: the share to be ignored is a threshold
        first[part] = rng.choice([*VOID, label, label, rng.choice(LABELS), *OTHER])
        inner[:] = True
    elif kind == 4:  # void and group together
        first[part] = np.where(rng.random(share) < 0.5, rng.choice(VOID), label)
        inner[:] = True
    elif kind == 5:  # about as small as counts, and a prediction that is somewhat larger, or none
        count = int(rng.integers(98, 103))
        first[np.arange(200).reshape(10, 20) < count] = instance
        inner[:] = np.arange(200).reshape(10, 20) < count * rng.choice([0, 1, 1.25, 2])
    elif kind == 6:  # small, and a prediction that shares too little with it
        first[:, :9] = instance
        inner[:, rng.integers(2, 6) :] = True
        inner[:, rng.integers(10, 16) :] = False
    else:  # a small group
        first[:, : rng.integers(3, 10)] = label
        inner[:, : rng.integers(5, 20)] = True
    return [(label, any_score(rng), mask)]


def scene(rng, truths: list[int], guesses: list[int]) -> Scene:
    """Draw a frame with ground truth of the classes in `truths`, and predictions of the classes in `guesses`."""
    shape = (int(rng.integers(64, 200)), int(rng.integers(96, 300)))
    ids = np.full(shape, ROAD, dtype=np.int32)
    if rng.random() < 0.05:
        truths = []
    for _ in range(rng.integers(2, 6)):
        ids[blob(rng, shape, 5, 40)] = rng.choice(STUFF + VOID)
    for _ in range(rng.integers(0, 4)):
        ids[blob(rng, shape, 4, 25)] = rng.choice([*OTHER, *VOID])
    for number in range(rng.integers(4, 16) if truths else 0):
        label = int(rng.choice(truths))
        group = rng.random() < 0.2
        low, high = [(2, 9), (5, 30)][int(rng.random() < 0.65)]
        ids[blob(rng, shape, low, high)] = label if group else label * 1000 + number  # what it hides shrinks
    predictions = []
    for point in range(int(rng.integers(0, 5)) if truths else 0):
        label = int(rng.choice(truths))
        predictions += plant(rng, ids, point * SLOT, label, 100 + point)

    def guess(mask, label=None):
        label = label if label in guesses and rng.random() < 0.9 else int(rng.choice(guesses))
        predictions.append((label, any_score(rng), mask))

    regions = {int(i): ids == i for i in np.unique(ids) if i not in STUFF}
    for i, mask in regions.items():
        label = i if i < 1000 else i // 1000
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            kind = rng.integers(8)
            if kind == 0:
                guess(mask, label)
            elif kind <= 2:
                guess(moved(mask, *rng.integers(-6, 7, 2)), label)
            elif kind == 3:
                guess(grown(mask, int(rng.integers(1, 5))), label)
            elif kind == 4:
                guess(grown(mask, -int(rng.integers(1, 4))), label)
            elif kind == 5:
                alike = [m for j, m in regions.items() if (j if j < 1000 else j // 1000) == label]
                guess(mask | alike[rng.integers(len(alike))], label)
            elif kind == 6:
                guess(mask | regions[int(rng.choice(list(regions)))], label)
            else:
                guess(mask & (rng.random(shape) < rng.random()), label)
    for _ in range(rng.integers(0, 5)):
        guess(blob(rng, shape, 3, 40))
    if rng.random() < 0.2:
        guess(np.zeros(shape, dtype=bool))
    if rng.random() < 0.07:
        predictions = []
    predictions = [p for p in predictions if p[0] in guesses]
    return ids, [predictions[i] for i in rng.permutation(len(predictions))]


def problem(seed: int, count: int) -> list[Scene]:
    """Draw frames: a class without ground truth, one without predictions, one without both, the others with both."""
    rng = np.random.default_rng([seed, count])
    order = [int(label) for label in rng.permutation(LABELS)]
    truths, guesses = order[:6], order[1:7]
    scenes = [scene(rng, truths, guesses) for _ in range(count)]
    for label in set(truths) & set(guesses):  # see above: something has to be left at each threshold
        regions = [(n, i) for n, s in enumerate(scenes) for i in np.unique(s[0]) if i // 1000 == label]
        large = [(n, i) for n, i in regions if (scenes[n][0] == i).sum() >= 100]
        if large:
            n, i = large[rng.integers(len(large))]
            scenes[n][1].append((label, any_score(rng), scenes[n][0] == i))
    return scenes


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "count"), [(0, 30), *((seed, 5) for seed in range(1, 9)), (9, 1)])
def test_generated_frames(reference, seed, count):
    scenes = problem(seed, count)
    numbers = reference(scenes)
    assert_agreement(harness_precisions(scenes), numbers)


def test_the_generated_frames_are_hard():
    """Nothing can be learned from frames without groups, ties, small or hidden things and exact overlaps."""
    scenes = problem(0, 30)
    frames = [counted(*s) for s in scenes]
    assert sum(f["small"] for f in frames) > 30
    assert sum(f["groups"] for f in frames) > 20
    assert sum(f["exact"] for f in frames) > 10
    assert sum(f["ignored"] for f in frames) > 50
    assert sum(f["twice"] for f in frames) > 20
    scores = [score for _, predictions in scenes for _, score, _ in predictions]
    assert len(set(scores)) < 0.6 * len(scores)


def counted(ids, predictions) -> dict[str, int]:
    """Count what makes a scene hard."""
    regions = {int(i): ids == i for i in np.unique(ids) if (i if i < 1000 else i // 1000) in LABELS}
    void = np.isin(ids, VOID)
    exact = ignored = 0
    hits: dict[int, int] = {}
    for label, _, mask in predictions:
        if not mask.any():
            continue
        ignored += (mask & (void | (ids == label))).sum() > 0.5 * mask.sum()
        for i, region in regions.items():
            if i // 1000 == label:
                iou = (mask & region).sum() / (mask | region).sum()
                exact += bool(np.isclose(iou, THRESHOLDS, atol=1e-12).any())
                hits[i] = hits.get(i, 0) + bool(iou > 0.5)
    return {
        "small": sum(i >= 1000 and m.sum() < 100 for i, m in regions.items()),
        "groups": sum(i < 1000 for i in regions),
        "exact": exact,
        "ignored": ignored,
        "twice": sum(n > 1 for n in hits.values()),
    }


# one rule at a time: persons on a road of 40x100

NAN = float("nan")
GT = (24000, 0, 0, 10, 20)  # an instance of 200 pixels, as (id, y, x, height, width)
HIT = (0.9, 0, 0, 10, 20)  # and a prediction that is right
FAR = (0.95, 20, 0, 10, 20)  # a prediction elsewhere, of 200 pixels and a higher score

RULES = {
    "right": ([GT], [HIT], 1, 1),
    "an IoU of exactly .5 is too little": ([GT], [(0.9, 0, 0, 20, 20)], 0, 0),
    "an IoU a little above .5 is enough": ([GT], [(0.9, 0, 0, 19, 20)], 1, 0.1),
    "an IoU of exactly .9 is too little at .9": ([GT], [(0.9, 0, 0, 10, 18)], 1, 0.8),
    "precision is not made monotonic": ([GT], [HIT, FAR], 0.25, 0.25),
    "a tie is one point of the curve": ([GT], [HIT, (0.9, 20, 0, 10, 20)], 0.75, 0.75),
    "a tie is one point of the curve, in any order": ([GT], [(0.9, 20, 0, 10, 20), HIT], 0.75, 0.75),
    "a false positive below the hit costs nothing": ([GT], [HIT, (0.1, 20, 0, 10, 20)], 1, 1),
    "of two matches the better score counts": ([GT], [(0.8, 0, 0, 10, 20), HIT], 1, 1),
    "of two matches the better score counts, not the IoU": ([GT], [(0.95, 0, 0, 10, 14), HIT], 1, (4 + 6 * 0.25) / 10),
    "the second match is a false positive": (
        [GT, (24001, 0, 40, 10, 20)],
        [HIT, HIT, (0.5, 0, 40, 10, 20)],
        2 / 3,
        2 / 3,
    ),
    "recall not reached is zero": ([GT, (24001, 0, 40, 10, 20)], [HIT], 0.5, 0.5),
    "no prediction has two matches": ([GT, (24001, 10, 0, 10, 20)], [(0.9, 0, 0, 20, 20)], 0, 0),
    "ground truth of 100 pixels counts": ([GT, (24001, 0, 40, 10, 10)], [HIT], 0.5, 0.5),
    "ground truth of 99 pixels may be missed": ([GT, (24001, 0, 40, 9, 11)], [HIT], 1, 1),
    "ground truth of 99 pixels may be found": ([GT, (24001, 20, 0, 9, 11)], [HIT, (0.95, 20, 0, 9, 11)], 1, 1),
    "a prediction on a group is ignored": ([GT, (24, 20, 0, 10, 20)], [HIT, FAR], 1, 1),
    "a prediction on another class' group is not": ([GT, (26, 20, 0, 10, 20)], [HIT, FAR], 0.25, 0.25),
    "a prediction on another class' instance is not": ([GT, (26000, 20, 0, 10, 20)], [HIT, FAR], 0.25, 0.25),
    "a prediction on void is ignored": ([GT, (4, 20, 0, 10, 20)], [HIT, FAR], 1, 1),
    "caravans as a region are void": ([GT, (29, 20, 0, 10, 20)], [HIT, FAR], 1, 1),
    "a single caravan is not": ([GT, (29000, 20, 0, 10, 20)], [HIT, FAR], 0.25, 0.25),
    "half on void is not enough": ([GT, (4, 20, 0, 10, 10)], [HIT, FAR], 0.25, 0.25),
    "the limit of void is the threshold": ([GT, (4, 20, 0, 10, 12)], [HIT, FAR], 1, (2 + 8 * 0.25) / 10),
    "void and group add up": ([GT, (4, 20, 0, 10, 2), (24, 20, 2, 10, 10)], [HIT, FAR], 1, (2 + 8 * 0.25) / 10),
    "small ground truth is ignored as void is": (
        [GT, (24001, 20, 0, 9, 10)],
        [HIT, (0.95, 20, 6, 9, 6)],  # 36 of 54 pixels on 90
        1,
        (4 + 6 * 0.25) / 10,
    ),
    "a small group is ignored twice": ([GT, (24, 20, 0, 10, 6)], [HIT, FAR], 1, (2 + 8 * 0.25) / 10),
    "a group of 100 pixels is ignored once": ([GT, (24, 20, 0, 10, 10)], [HIT, FAR], 0.25, 0.25),
    "a prediction without pixels is none": ([GT], [HIT, (0.95, 0, 0, 0, 0)], 1, 1),
    "only a prediction without pixels": ([GT], [(0.95, 0, 0, 0, 0)], 0, 0),
    "no prediction": ([GT], [], 0, 0),
    "no ground truth": ([], [HIT], NAN, NAN),
    "no ground truth but a group": ([(24, 0, 0, 10, 20)], [HIT], NAN, NAN),
    "no ground truth but a small one": ([(24000, 0, 0, 9, 11)], [HIT], NAN, NAN),
    "nothing": ([], [], NAN, NAN),
}


def persons(paint, predictions) -> Scene:
    ids = np.full((40, 100), ROAD, dtype=np.int32)
    for i, y, x, h, w in paint:
        ids[y : y + h, x : x + w] = i
    labelled = []
    for score, y, x, h, w in predictions:
        mask = np.zeros(ids.shape, dtype=bool)
        mask[y : y + h, x : x + w] = True
        labelled.append((24, score, mask))
    return ids, labelled


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_rules(reference, name):
    paint, predictions, ap50, ap = RULES[name]
    scenes = [persons(paint, predictions)]
    numbers = reference(scenes)
    person = numbers["classes"]["person"]
    package_aps = [NAN if v is None else v for v in (person["ap50%"], person["ap"])]
    assert package_aps == pytest.approx([ap50, ap], abs=1e-9, nan_ok=True)  # the package does what the rule says
    assert_agreement(harness_precisions(scenes), numbers)


@pytest.mark.slow
def test_where_the_package_fails_ours_does_not(reference):
    scenes = [persons([GT, (4, 20, 0, 10, 20)], [FAR])]  # the only prediction is ignored
    with pytest.raises(RuntimeError, match="IndexError"):
        reference(scenes)
    precisions = harness_precisions(scenes)
    np.testing.assert_array_equal(precisions[0], 0)
    assert np.isnan(precisions[1:]).all()
