"""The training images in the order of a recipe, rotated and mirrored."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from segharness_toycells.dataset import TRAIN_SEED
from segharness_toycells.scene import Scene, make_scene

_ORDER, _TURN = 1, 2  # streams of randomness


class TrainingImages:
    """Batches of the first `count` training images. A batch depends only on the recipe's seed and the step.

    An epoch shows every image once. Each image is mirrored at random, and rotated by a random multiple of 90 degrees.

    Args:
        seed: of the recipe.
        count: how many training images there are.
        batch: images a batch.
    """

    def __init__(self, seed: int, count: int, batch: int) -> None:
        self._seed, self._count, self._batch = seed, count, batch

    def batch(self, step: int) -> list[Scene]:
        """Return the scenes of a step; steps count from 0."""
        rng = generator(self._seed, _TURN, step)
        first = step * self._batch
        return [_turned(make_scene(TRAIN_SEED, self._index(n)), rng) for n in range(first, first + self._batch)]

    def _index(self, number: int) -> int:
        epoch, position = divmod(number, self._count)
        return int(_order(self._seed, epoch, self._count)[position])


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    return generator(seed, _ORDER, epoch).permutation(count)


def generator(seed: int, stream: int, number: int) -> np.random.Generator:
    """Return the generator of a seed, a stream, and a number in that stream."""
    return np.random.Generator(np.random.Philox(key=(seed << 64) | (stream << 56) | number))


def _turned(scene: Scene, rng: np.random.Generator) -> Scene:
    quarters, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    pixels, masks = np.rot90(scene.pixels, quarters), np.rot90(scene.masks, quarters, axes=(1, 2))
    if mirrored:
        pixels, masks = pixels[:, ::-1], masks[:, :, ::-1]
    return Scene(np.ascontiguousarray(pixels), np.ascontiguousarray(masks))
