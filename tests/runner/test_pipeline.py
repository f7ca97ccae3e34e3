"""Decode, corrupt, predict, encode: in order, bounded, one failure costing one image."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from segharness.plugins import PluginHost
from segharness.records import CLEAN, Category, Condition, Instances, Sample
from segharness.runner.border import Labels
from segharness.runner.image import Corruptor
from segharness.runner.pipeline import Pipeline

NOISE = Condition("gaussian_noise-3", "gaussian_noise", 3, "noise")


class Echo:
    """Returns one instance an image whose score is the image's mean; remembers batches and threads."""

    categories = ("thing",)

    def __init__(self, fail=()):
        self.batches, self.threads, self.fail = [], set(), set(fail)

    def predict(self, images, prompts=None):
        self.batches.append([image.shape for image in images])
        self.threads.add(threading.get_ident())
        if len(self.batches) in self.fail:
            raise ValueError("fell over")
        return [
            Instances(
                np.float32([[0, 0, 4, 4]]),
                np.float32([i.mean() / 255]),
                np.array([0]),
                np.ones((1, *i.shape[:2]), bool),
            )
            for i in images
        ]


def samples(count, sizes=((32, 40),)):
    found = []
    for i in range(count):
        h, w = sizes[i % len(sizes)]
        found.append(Sample(i + 1, lambda i=i, h=h, w=w: np.full((h, w, 3), i, np.uint8), h, w, f"{i + 1}.png"))
    return found


def pipeline(model, threads=2, batch_size=1, conditions=(CLEAN, NOISE)):
    corruptor = Corruptor(PluginHost.load(), {c.name: c for c in conditions}, 0)
    labels = Labels(model.categories, [Category(1, "thing")], "echo")
    return Pipeline(model, "echo", labels, corruptor, "d", threads, batch_size)


def test_every_image_has_its_row_in_order():
    done = pipeline(Echo()).run(samples(9), [CLEAN, NOISE])
    for tables in done.values():
        assert tables.images.column("image_id").to_pylist() == list(range(1, 10))
        assert tables.predictions.column("image_id").to_pylist() == list(range(1, 10))
        assert not tables.errors
    scores = done["clean"].predictions.column("score").to_pylist()
    assert scores == pytest.approx([i / 255 for i in range(9)])


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_results_do_not_depend_on_threads_or_batches(threads, batch_size):
    expected = pipeline(Echo(), 1, 1).run(samples(7), [CLEAN, NOISE])
    done = pipeline(Echo(), threads, batch_size).run(samples(7), [CLEAN, NOISE])
    for name in expected:
        assert done[name].predictions.equals(expected[name].predictions)
        assert done[name].images.drop("seconds").equals(expected[name].images.drop("seconds"))


def test_a_batch_holds_one_size_only():
    model = Echo()
    pipeline(model, 2, 4, (CLEAN,)).run(samples(8, ((32, 40), (32, 40), (48, 40))), [CLEAN])
    assert all(len(set(batch)) == 1 for batch in model.batches)
    assert sum(len(batch) for batch in model.batches) == 8


def test_the_model_is_called_from_one_thread():
    model = Echo()
    pipeline(model, 4).run(samples(6), [CLEAN, NOISE])
    assert model.threads == {threading.get_ident()}


def test_a_model_that_fails_costs_the_image_it_failed_on():
    done = pipeline(Echo(fail=[3]), conditions=(CLEAN,)).run(samples(5), [CLEAN])["clean"]
    assert done.errors == ["model `echo`, 3.png: predict raised ValueError: fell over"]
    assert done.predictions.column("image_id").to_pylist() == [1, 2, 4, 5]
    assert done.images.column("error").to_pylist()[2] == done.errors[0]


def test_an_image_that_cannot_be_read_costs_itself_under_every_condition():
    broken = samples(4)
    broken[1] = Sample(2, b"no image", 32, 40, "2.png")
    done = pipeline(Echo()).run(broken, [CLEAN, NOISE])
    for tables in done.values():
        assert len(tables.errors) == 1 and tables.errors[0].startswith("2.png: cannot be decoded")
        assert tables.predictions.column("image_id").to_pylist() == [1, 3, 4]


def test_too_few_results_cost_the_batch():
    model = Echo()
    model.predict = lambda images, prompts=None: []
    done = pipeline(model, conditions=(CLEAN,)).run(samples(2), [CLEAN])["clean"]
    assert "predict returned 0 results for 1 images" in done.errors[0]


def test_progress_counts_every_prediction():
    made = []
    pipeline(Echo()).run(samples(5), [CLEAN, NOISE], made.append)
    assert sum(made) == 10


def test_work_in_flight_is_bounded():
    alive, most, lock = 0, 0, threading.Lock()

    class Slow(Echo):
        def predict(self, images, prompts=None):
            nonlocal alive
            time.sleep(0.01)
            with lock:
                alive -= len(images)
            return super().predict(images)

    def load(i):
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return np.zeros((32, 40, 3), np.uint8)

    many = [Sample(i, lambda i=i: load(i), 32, 40) for i in range(60)]
    pipeline(Slow(), 2, 1, (CLEAN,)).run(many, [CLEAN])
    assert most <= 2 * 2 + 1 + 3
