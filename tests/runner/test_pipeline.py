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
    labels = Labels(model.categories, [Category(1, "thing")])
    return Pipeline(model, "echo", labels, corruptor, "d", threads, batch_size)


def run(pipeline, samples, conditions, progress=lambda n: None):
    done = {}
    pipeline.run(samples, conditions, done.__setitem__, progress)
    return done


def test_every_image_has_its_row_in_order():
    done = run(pipeline(Echo()), samples(9), [CLEAN, NOISE])
    for tables in done.values():
        assert tables.images.column("image_id").to_pylist() == list(range(1, 10))
        assert tables.predictions.column("image_id").to_pylist() == list(range(1, 10))
        assert not tables.errors
    scores = done["clean"].predictions.column("score").to_pylist()
    assert scores == pytest.approx([i / 255 for i in range(9)])


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_results_do_not_depend_on_threads_or_batches(threads, batch_size):
    expected = run(pipeline(Echo(), 1, 1), samples(7), [CLEAN, NOISE])
    done = run(pipeline(Echo(), threads, batch_size), samples(7), [CLEAN, NOISE])
    for name in expected:
        assert done[name].predictions.equals(expected[name].predictions)
        timing = ["seconds", "batch", "call"]
        assert done[name].images.drop(timing).equals(expected[name].images.drop(timing))


def test_a_batch_holds_one_size_only():
    model = Echo()
    run(pipeline(model, 2, 4, (CLEAN,)), samples(8, ((32, 40), (32, 40), (48, 40))), [CLEAN])
    assert all(len(set(batch)) == 1 for batch in model.batches)
    assert sum(len(batch) for batch in model.batches) == 8


def test_the_model_is_called_from_one_thread():
    model = Echo()
    run(pipeline(model, 4), samples(6), [CLEAN, NOISE])
    assert model.threads == {threading.get_ident()}


def test_a_model_that_fails_costs_the_image_it_failed_on():
    done = run(pipeline(Echo(fail=[3]), conditions=(CLEAN,)), samples(5), [CLEAN])["clean"]
    assert done.errors == ["model `echo`, 3.png: predict raised ValueError: fell over"]
    assert done.predictions.column("image_id").to_pylist() == [1, 2, 4, 5]
    assert done.images.column("error").to_pylist()[2] == done.errors[0]


def test_an_image_that_cannot_be_read_costs_itself_under_every_condition():
    broken = samples(4)
    broken[1] = Sample(2, b"no image", 32, 40, "2.png")
    done = run(pipeline(Echo()), broken, [CLEAN, NOISE])
    for tables in done.values():
        assert len(tables.errors) == 1 and tables.errors[0].startswith("2.png: cannot be decoded")
        assert tables.predictions.column("image_id").to_pylist() == [1, 3, 4]


def test_too_few_results_cost_the_batch():
    model = Echo()
    model.predict = lambda images, prompts=None: []
    done = run(pipeline(model, conditions=(CLEAN,)), samples(2), [CLEAN])["clean"]
    assert "predict returned 0 results for 1 images" in done.errors[0]


def test_progress_counts_every_prediction():
    made = []
    run(pipeline(Echo()), samples(5), [CLEAN, NOISE], made.append)
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
    run(pipeline(Slow(), 2, 1, (CLEAN,)), many, [CLEAN])
    assert most <= 2 * 2 + 1 + 3


def test_a_condition_is_finished_as_soon_as_its_last_image_is_done():
    model, finished = Echo(), []
    pipeline(model).run(samples(4), [CLEAN, NOISE], lambda name, tables: finished.append((name, len(model.batches))))
    assert [name for name, _ in finished] == ["clean", "gaussian_noise-3"]
    assert 4 <= finished[0][1] < 8


def test_an_image_is_decoded_once_for_all_conditions():
    loaded = []
    many = [Sample(i, lambda i=i: loaded.append(i) or np.zeros((32, 40, 3), np.uint8), 32, 40) for i in range(5)]
    run(pipeline(Echo(), 3), many, [CLEAN, NOISE])
    assert sorted(loaded) == list(range(5))


def test_beyond_its_memory_an_image_is_decoded_again(monkeypatch):
    monkeypatch.setattr("segharness.runner.pipeline.DECODED_BYTES", 2 * 3 * 32 * 40)
    loaded = []
    many = [Sample(i, lambda i=i: loaded.append(i) or np.zeros((32, 40, 3), np.uint8), 32, 40) for i in range(5)]
    run(pipeline(Echo()), many, [CLEAN, NOISE])
    assert sorted(loaded) == [0, 1, 2, 2, 3, 3, 4, 4]


def test_what_finishing_raises_ends_the_run():
    def full(name, tables):
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        pipeline(Echo()).run(samples(9), [CLEAN, NOISE], full)
