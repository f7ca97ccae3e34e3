"""``adaptis/toy`` and ``adaptis/toy-points``: the models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from segharness import Instances, UsageError
from segharness_torch.threads import torch_threads
from segharness_torch.weights import load_weights
from segharness_toycells.boxes import boxes_of
from segharness_toycells.enlarged import enlarged, shrunk
from segharness_toycells.options import SHRINK

from segharness_adaptis.aggregate import (
    Bools,
    Floats,
    Points,
    Rules,
    SegmentedObjects,
    aggregate,
    best_points,
    mean_confidences,
    random_points,
)
from segharness_adaptis.network import SHAPES, AdaptIS, seeded
from segharness_adaptis.options import NETWORK, POINTS

Image = npt.NDArray[np.uint8]

_SHIPPED = Path(__file__).parent / "weights/toy.safetensors"


def toy(
    weights: str,
    points: str = "random",
    candidates: int | None = None,
    shrink: int = 1,
    seed: int = 0,
    network: str = "toy",
    device: str = "cpu",
) -> AdaptISModel:
    """Return the model on the weights of a network of `SHAPES`; the other arguments are those of `AdaptISModel`.

    Raises:
        UsageError: an option is wrong, or the weights are damaged or another network's.
    """
    return AdaptISModel(_loaded(weights, network), points, candidates, shrink, seed, device=device)


def toy_points(weights: str, shrink: int = 1, network: str = "toy", device: str = "cpu") -> AdaptISPrompted:
    """Return the model for given points on the weights of a network of `SHAPES`.

    Raises:
        UsageError: an option is wrong, or the weights are damaged or another network's.
    """
    return AdaptISPrompted(_loaded(weights, network), shrink, device=device)


def _loaded(weights: str, name: str) -> AdaptIS:
    NETWORK.checked("network", name)
    if name != "toy" and Path(weights) == _SHIPPED:
        raise UsageError(f"`network: {name}` comes without weights; give `weights:`")
    network = seeded(0, SHAPES[name])
    load_weights(network, Path(weights))
    return network


class AdaptISModel:
    """A trained network as a `segharness.Model`; class-agnostic, so its one category is ``cell``.

    Args:
        network: in any mode; it is put into evaluation mode.
        points: ``"random"`` candidates in each iteration, or those that the ``"proposals"`` branch ranks highest.
        candidates: how many an iteration; 7 random ones, as the paper has it, or 1 proposal.
        shrink: so many pixels of an image, along a side, are one of the network's: 4 for images enlarged 4 times.
        seed: of the random candidates. Each image begins anew with it, so no result depends on other images.
        rules: of the aggregation.
        device: the network's.
    """

    categories: Sequence[str] = ("cell",)

    def __init__(
        self,
        network: AdaptIS,
        points: str = "random",
        candidates: int | None = None,
        shrink: int = 1,
        seed: int = 0,
        rules: Rules | None = None,
        device: str = "cpu",
    ) -> None:
        usual = 7 if points == "random" else 1
        self._candidates = usual if candidates is None else candidates
        self._network, self._device = network.to(device).eval(), device
        self._points, self._seed = POINTS.checked("points", points), seed
        self._shrink = SHRINK.checked("shrink", shrink)
        self._rules = rules or Rules()

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return the instances of uint8 RGB images (H, W, 3)."""
        return [self._predict(image) for image in images]

    def _predict(self, image: Image) -> Instances:
        small = shrunk(image, self._shrink)
        with torch.inference_mode(), torch_threads(1):
            seen = _Seen(self._network, small, self._device)
            foreground = seen.foreground()
            if self._points == "random":
                rng = np.random.Generator(np.random.Philox(key=self._seed))
                propose = random_points(rng, self._candidates)
            else:
                propose = best_points(seen.quality(), self._candidates)
            found = aggregate(foreground, propose, seen.masks, self._rules)
        return _instances(found, self._shrink)


class AdaptISPrompted:
    """The same network for the given-points protocol: one point in, one mask out.

    Arguments as for `AdaptISModel`.
    """

    categories: Sequence[str] = ("cell",)
    prompt = "points"

    def __init__(self, network: AdaptIS, shrink: int = 1, rules: Rules | None = None, device: str = "cpu") -> None:
        self._network, self._device = network.to(device).eval(), device
        self._shrink = SHRINK.checked("shrink", shrink)
        self._threshold = (rules or Rules()).threshold

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return a mask and its mean confidence for every point: `prompts` are arrays (N, 2), column and row of a pixel."""
        return [self._predict(image, points) for image, points in zip(images, prompts, strict=True)]

    def _predict(self, image: Image, points: npt.NDArray[Any]) -> Instances:
        with torch.inference_mode(), torch_threads(1):
            seen = _Seen(self._network, shrunk(image, self._shrink), self._device)
            confidences = seen.masks(((np.asarray(points) + 0.5) / self._shrink).astype(np.float32))
        masks = confidences >= self._threshold
        return _instances(SegmentedObjects(masks, mean_confidences(confidences, masks)), self._shrink)


class _Seen:
    """What the network says of one image."""

    _AT_ONCE = 16

    def __init__(self, network: AdaptIS, image: Image, device: str) -> None:
        self._network, self._device = network, device
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None].float() / 255
        self._features = network.features(pixels)
        if not bool(torch.isfinite(self._features).all()):
            raise ValueError("the network's features are not finite: its weights are damaged")
        self._shared = network.head.prepare(self._features)

    def foreground(self) -> Bools:
        return (self._network.foreground_logits(self._features)[0] > 0).cpu().numpy()

    def quality(self) -> Floats:
        return self._network.proposal_logits(self._features)[0].cpu().numpy()

    def masks(self, points: Points) -> Floats:
        given = torch.from_numpy(points).to(self._device)[None]
        parts = [
            torch.sigmoid(self._network.head(self._features, self._shared, part))[0].cpu().numpy()
            for part in given.split(self._AT_ONCE, dim=1)
        ]
        return np.concatenate(parts)


def _instances(found: SegmentedObjects, times: int) -> Instances:
    masks = enlarged(found.masks, times, (1, 2))
    return Instances(boxes_of(masks), found.scores, np.zeros(len(masks), dtype=np.int64), masks)
