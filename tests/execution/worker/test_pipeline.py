"""The pipeline: images stay in order, memory is bounded, and a failure costs one image."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from segharness.errors import LostError
from segharness.execution.worker.batch_size import BatchSize
from segharness.execution.worker.image_cache import ImageCache, MemoryBudget
from segharness.execution.worker.open_unit import OpenUnit
from segharness.execution.worker.pipeline import Pipeline
from segharness.images.corrupt import Corruptor
from segharness.model.labels import Labels
from segharness.plugin.host import PluginHost
from segharness.records import CLEAN, Category, Condition, Instances, Sample

NOISE = Condition("gaussian_noise-3", "gaussian_noise", 3, "noise")


class Echo:
    """Returns one instance per image, with the image's mean as its score. Records batches and threads."""

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
                np.float32([image.mean() / 255]),
                np.array([0]),
                np.ones((1, *image.shape[:2]), bool),
            )
            for image in images
        ]


def samples(count, sizes=((32, 40),)):
    images = []
    for i in range(count):
        h, w = sizes[i % len(sizes)]
        images.append(Sample(i + 1, lambda i=i, h=h, w=w: np.full((h, w, 3), i, np.uint8), h, w, f"{i + 1}.png"))
    return images


def pipeline(model, threads=2, batch_size=1, message=lambda text: None):
    return Pipeline(model, "echo", threads, BatchSize(batch_size), message=message)


def open_unit(model, samples, conditions, tables, ended=lambda error: None):
    """Return an opened unit that writes its tables to `tables`, by condition."""
    corruptor = Corruptor(PluginHost.load(), {c.name: c for c in conditions}, 0)
    labels = Labels(model.categories, [Category(1, "thing")])
    return OpenUnit(
        samples, conditions, "d", corruptor, labels, None, lambda name, t, timings: tables.__setitem__(name, t), ended
    )


def source(*units):
    """Return a function that gives a pipeline these units."""
    remaining = list(units)
    return lambda block: remaining.pop(0) if remaining else None


def run(pipeline, samples, conditions, progress=lambda n, failed, stages: None):
    done = {}
    pipeline.run(source(open_unit(pipeline._model, samples, conditions, done)), progress)
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
    run(pipeline(model, 2, 4), samples(8, ((32, 40), (32, 40), (48, 40))), [CLEAN])
    assert all(len(set(batch)) == 1 for batch in model.batches)
    assert sum(len(batch) for batch in model.batches) == 8


def test_the_model_is_called_from_one_thread():
    model = Echo()
    run(pipeline(model, 4), samples(6), [CLEAN, NOISE])
    assert model.threads == {threading.get_ident()}


def test_a_model_that_fails_costs_the_image_it_failed_on():
    done = run(pipeline(Echo(fail=[3])), samples(5), [CLEAN])["clean"]
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
    done = run(pipeline(model), samples(2), [CLEAN])["clean"]
    assert "predict returned 0 results for 1 images" in done.errors[0]


def test_progress_counts_every_prediction():
    made = []
    run(pipeline(Echo()), samples(5), [CLEAN, NOISE], lambda n, failed, stages: made.append(n))
    assert sum(made) == 10


def test_work_in_flight_is_bounded(monkeypatch):
    monkeypatch.setattr("segharness.execution.worker.prefetch.PREFETCHED_IMAGES", 6)
    in_flight, most, lock = 0, 0, threading.Lock()

    class Slow(Echo):
        def predict(self, images, prompts=None):
            nonlocal in_flight
            time.sleep(0.01)
            with lock:
                in_flight -= len(images)
            return super().predict(images)

    def load(i):
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        return np.zeros((32, 40, 3), np.uint8)

    many = [Sample(i, lambda i=i: load(i), 32, 40) for i in range(60)]
    run(pipeline(Slow(), 2), many, [CLEAN])
    assert 4 <= most <= 6 + 1 + 1


def test_images_in_flight_are_bounded_by_their_bytes_too(monkeypatch):
    monkeypatch.setattr("segharness.execution.worker.prefetch.PREFETCHED_BYTES", 5 * 3 * 32 * 40)
    loaded, model = [], Echo()
    loaded_by_call = []

    def predict(images, prompts=None):
        time.sleep(0.02)
        loaded_by_call.append(len(loaded))
        return Echo.predict(model, images)

    model.predict = predict
    many = [Sample(i, lambda i=i: loaded.append(i) or np.zeros((32, 40, 3), np.uint8), 32, 40) for i in range(30)]
    run(pipeline(model, 1), many, [CLEAN])
    assert loaded_by_call[0] <= 6 and all(count <= call + 7 for call, count in enumerate(loaded_by_call))


def test_a_condition_is_finished_as_soon_as_its_last_image_is_done():
    model, finished = Echo(), []
    unit = open_unit(model, samples(4), [CLEAN, NOISE], {})
    unit.write = lambda name, tables, stages: finished.append((name, len(model.batches)))
    pipeline(model).run(source(unit))
    assert [name for name, _ in finished] == ["clean", "gaussian_noise-3"]
    assert 4 <= finished[0][1] <= 8


def test_an_image_is_decoded_once_for_all_conditions():
    loaded = []
    many = [Sample(i, lambda i=i: loaded.append(i) or np.zeros((32, 40, 3), np.uint8), 32, 40) for i in range(5)]
    run(pipeline(Echo(), 3), many, [CLEAN, NOISE])
    assert sorted(loaded) == list(range(5))


def test_beyond_its_memory_an_image_is_decoded_again(monkeypatch):
    monkeypatch.setattr("segharness.execution.worker.image_cache.CACHED_BYTES", 2 * 3 * 32 * 40)
    loaded = []
    many = [Sample(i, lambda i=i: loaded.append(i) or np.zeros((32, 40, 3), np.uint8), 32, 40) for i in range(5)]
    run(pipeline(Echo(), 1), many, [CLEAN, NOISE])
    assert sorted(loaded) == [0, 1, 2, 2, 3, 3, 4, 4]


def test_the_memory_of_cached_images_is_given_back_after_their_last_use():
    budget = MemoryBudget()
    free = budget._free
    cache = ImageCache(samples(3), 2, budget)
    for _ in range(2):
        for sample in samples(3):
            cache.get(sample)
    assert budget._free == free


def test_the_next_unit_is_prepared_while_the_model_works_on_this_one():
    """The images of the second unit are loaded before the model has the last of the first."""
    model, events = Echo(), []
    original_predict = model.predict

    def predict(images, prompts=None):
        time.sleep(0.005)
        events.append("predict")
        return original_predict(images)

    model.predict = predict
    first = [Sample(i, lambda: np.zeros((32, 40, 3), np.uint8), 32, 40) for i in range(8)]
    second = [Sample(i, lambda: events.append("load") or np.zeros((32, 40, 3), np.uint8), 32, 40) for i in range(8)]
    done: list[dict] = [{}, {}]
    units = [open_unit(model, s, [CLEAN], d) for s, d in zip((first, second), done, strict=True)]
    pipeline(model).run(source(*units))
    assert [len(d["clean"].images) for d in done] == [8, 8]
    assert events.index("load") < 7


def test_an_error_of_writing_ends_its_unit_alone():
    ended, done = [], {}
    model = Echo()

    def full(name, tables, stages):
        raise OSError("full")

    broken = open_unit(model, samples(9), [CLEAN, NOISE], {}, lambda error: ended.append(("broken", str(error))))
    broken.write = full
    intact = open_unit(model, samples(3), [CLEAN], done, lambda error: ended.append(("intact", error)))
    pipeline(model).run(source(broken, intact))
    assert ended == [("broken", "full"), ("intact", None)]
    assert len(done["clean"].images) == 3


def test_after_finish_only_the_condition_that_has_begun_is_finished():
    finishing, done, model = threading.Event(), {}, Echo()
    pipeline(model).run(
        source(open_unit(model, samples(6), [CLEAN, NOISE], done)), lambda n, failed, stages: finishing.set(), finishing
    )
    assert list(done) == ["clean"] and len(done["clean"].images) == 6


def test_the_seconds_of_every_stage_are_reported():
    seconds, model = {}, Echo()
    unit = open_unit(model, samples(6), [NOISE], {})
    unit.write = lambda name, tables, stages: seconds.update(stages.to_json())
    pipeline(model).run(source(unit))
    assert all(seconds[stage] > 0 for stage in ("decode", "corrupt", "predict", "encode"))


class Hungry(Echo):
    """Has memory for at most `most` images at once."""

    def __init__(self, most, error=MemoryError):
        super().__init__()
        self.most, self.error = most, error

    def predict(self, images, prompts=None):
        if len(images) > self.most:
            raise self.error("CUDA out of memory. Tried to allocate 2 GiB")
        return super().predict(images)


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_if_memory_is_short_the_batch_is_halved_and_every_image_is_still_predicted(error):
    messages = []
    model = Hungry(3, error)
    done = run(pipeline(model, 2, 8, messages.append), samples(20), [CLEAN])["clean"]
    assert done.images.column("image_id").to_pylist() == list(range(1, 21)) and not done.errors
    assert done.predictions.equals(run(pipeline(Echo()), samples(20), [CLEAN])["clean"].predictions)
    assert set(done.images.column("batch").to_pylist()) == {2}
    assert messages == [
        "model `echo`: out of memory at batch 8 on cpu; going on with 4",
        "model `echo`: out of memory at batch 4 on cpu; going on with 2",
    ]


def test_if_memory_is_short_for_one_image_the_worker_is_lost():
    with pytest.raises(LostError, match="out of memory at batch 1"):
        run(pipeline(Hungry(0), 2, 4), samples(4), [CLEAN])


def test_an_automatic_batch_grows_while_that_makes_an_image_cheaper():
    size = BatchSize("auto")
    while size.searching:
        size.record(size.now, 1.0 / size.now if size.now <= 8 else 1 / 8)
    assert size.now == 8


def test_an_automatic_batch_stays_at_one_if_larger_batches_gain_nothing():
    size = BatchSize("auto")
    while size.searching:
        size.record(size.now, 0.1)
    assert size.now == 1


def test_an_automatic_batch_stops_growing_when_memory_is_short():
    class AlwaysCheaper(BatchSize):
        def record(self, images, seconds):
            super().record(images, 1.0 / images)

    automatic = pipeline(Hungry(4), 2)
    automatic._batches = AlwaysCheaper("auto")
    done = run(automatic, samples(80), [CLEAN])["clean"]
    assert not done.errors and len(done.images) == 80
    assert automatic._batches.now == 4 and max(done.images.column("batch").to_pylist()) == 4
