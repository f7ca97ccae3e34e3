"""The models ``adaptis/toy`` and ``adaptis/toy-points``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from segharness import Instances, NetworkInput, UsageError
from segharness_torch.threads import torch_threads
from segharness_torch.weights import load_weights
from segharness_toycells.boxes import boxes_of
from segharness_toycells.options import SHRINK
from segharness_toycells.scaling import enlarged, shrunk

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
    """Return the model with weights from a file.

    Args:
        weights: path of a safetensors file.
        points, candidates, shrink, seed, device: see `AdaptISModel`.
        network: a name in `SHAPES`, the shape that the weights belong to.

    Raises:
        UsageError: an option is wrong, or the weights are damaged or belong to another network.
    """
    return AdaptISModel(_loaded(weights, network), points, candidates, shrink, seed, device=device)


def toy_points(weights: str, shrink: int = 1, network: str = "toy", device: str = "cpu") -> AdaptISPrompted:
    """Return the model for given points with weights from a file; arguments as for `toy`.

    Raises:
        UsageError: an option is wrong, or the weights are damaged or belong to another network.
    """
    return AdaptISPrompted(_loaded(weights, network), shrink, device=device)


def _loaded(weights: str, name: str) -> AdaptIS:
    """Return the network of a shape with weights from a file."""
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
        points: ``"random"`` candidates in each iteration, or those that the branch ``"proposals"`` ranks highest.
        candidates: how many an iteration; if None, 7 random candidates, as in the paper, or 1 proposal.
        shrink: images are shrunk this many times before the network; 4 for images that were enlarged 4 times.
        seed: of the random candidates. Every image starts with this seed, so no result depends on other images.
        rules: the parameters of the aggregation.
        device: where the network runs.
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
        default_candidates = 7 if points == "random" else 1
        self._candidates = default_candidates if candidates is None else candidates
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
            network_output = _NetworkOutput(self._network, small, self._device)
            foreground = network_output.foreground()
            if self._points == "random":
                rng = np.random.Generator(np.random.Philox(key=self._seed))
                propose = random_points(rng, self._candidates)
            else:
                propose = best_points(network_output.quality(), self._candidates)
            objects = aggregate(foreground, propose, network_output.masks, self._rules)
        return _instances(objects, self._shrink, small)


class AdaptISPrompted:
    """The same network for the evaluation ``given-points``: it returns one mask for each point.

    Args:
        network, shrink, rules, device: see `AdaptISModel`; of the rules only the threshold is used.
    """

    categories: Sequence[str] = ("cell",)
    prompt = "points"

    def __init__(self, network: AdaptIS, shrink: int = 1, rules: Rules | None = None, device: str = "cpu") -> None:
        self._network, self._device = network.to(device).eval(), device
        self._shrink = SHRINK.checked("shrink", shrink)
        self._threshold = (rules or Rules()).threshold

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return a mask and its mean confidence for every point; `prompts` are arrays (N, 2): columns and rows."""
        return [self._predict(image, points) for image, points in zip(images, prompts, strict=True)]

    def _predict(self, image: Image, points: npt.NDArray[Any]) -> Instances:
        with torch.inference_mode(), torch_threads(1):
            small = shrunk(image, self._shrink)
            network_output = _NetworkOutput(self._network, small, self._device)
            confidences = network_output.masks(((np.asarray(points) + 0.5) / self._shrink).astype(np.float32))
        masks = confidences >= self._threshold
        return _instances(SegmentedObjects(masks, mean_confidences(confidences, masks)), self._shrink, small)


class _NetworkOutput:
    """The network's outputs for one image; its features are computed once.

    Raises:
        ValueError: the features are not finite.
    """

    _AT_ONCE = 16

    def __init__(self, network: AdaptIS, image: Image, device: str) -> None:
        self._network, self._device = network, device
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None].float() / 255
        self._features = network.features(pixels)
        if not bool(torch.isfinite(self._features).all()):
            raise ValueError("the network's features are not finite: its weights are damaged")
        self._shared = network.head.prepare(self._features)

    def foreground(self) -> Bools:
        """Return which pixels belong to objects, bool (H, W)."""
        return (self._network.foreground_logits(self._features)[0] > 0).cpu().numpy()

    def quality(self) -> Floats:
        """Return how good a mask a point at each pixel would give, as log-odds, float32 (H, W)."""
        return self._network.proposal_logits(self._features)[0].cpu().numpy()

    def masks(self, points: Points) -> Floats:
        """Return the confidences of the masks under points (P, 2), float32 (P, H, W)."""
        batch = torch.from_numpy(points).to(self._device)[None]
        parts = [
            torch.sigmoid(self._network.head(self._features, self._shared, part))[0].cpu().numpy()
            for part in batch.split(self._AT_ONCE, dim=1)
        ]
        return np.concatenate(parts)


def _instances(objects: SegmentedObjects, times: int, small: Image) -> Instances:
    masks = enlarged(objects.masks, times, (1, 2))
    given = NetworkInput(*small.shape[:2], "none" if times == 1 else "area")
    return Instances(boxes_of(masks), objects.scores, np.zeros(len(masks), dtype=np.int64), masks, given)
