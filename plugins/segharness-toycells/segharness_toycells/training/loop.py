"""The training loop: fixed seeds, checkpoints, exact resumption, and a log."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from segharness import Model, UsageError, write_atomic
from segharness_torch.threads import torch_threads
from segharness_torch.weights import save_weights
from torch import Tensor, nn

from segharness_toycells.dataset import VERSION
from segharness_toycells.scene import Scene
from segharness_toycells.training.checkpoint import Checkpoint
from segharness_toycells.training.images import TrainingImages, generator
from segharness_toycells.training.log import Log
from segharness_toycells.training.validation import average_precision

_DRAWS = 3  # stream of randomness: what a loss draws
_FREE = {"save_every"}  # keys of a recipe that may change when a training continues


@dataclass(frozen=True)
class Recipe:
    """How to train. Together with the task, the software and the processor it determines the weights.

    Attributes:
        steps: how many batches.
        batch: images a batch.
        learning_rate: the highest learning rate; it rises over `warmup` steps and falls to 0 as a cosine.
        weight_decay: of AdamW.
        warmup: steps over which the learning rate rises.
        clip: gradients are scaled down to this norm.
        seed: of the initial weights, the order of images and all draws.
        images: how many training images there are.
        validate_every, validation_images: steps between validations, and the number of images in each.
        save_every: steps between checkpoints.
        threads: CPU threads; another number changes the order of sums, and so the weights.
        device: ``cpu``, ``cuda`` ...
    """

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float = 1e-4
    warmup: int = 200
    clip: float = 5.0
    seed: int = 0
    images: int = 10_000
    validate_every: int = 1000
    validation_images: int = 64
    save_every: int = 200
    threads: int = 1
    device: str = "cpu"

    def rate(self, step: int) -> float:
        """Return the learning rate of a step; steps count from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        return (
            self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / max(1, self.steps - self.warmup)))
        )


class Task(Protocol):
    """A network and its losses. `loss` and `model` get what `network` made.

    Attributes:
        name: of the task; it names the default folder, and is part of recipe.json.
    """

    name: str

    def network(self, seed: int) -> nn.Module:
        """Return the untrained network of a seed."""

    def loss(self, network: Any, scenes: Sequence[Scene], rng: np.random.Generator) -> Mapping[str, Tensor]:
        """Return named losses of a batch; their sum is minimised. All draws come from `rng`."""

    def model(self, network: Any) -> Model:
        """Return the network as a model, for validation."""


def train(task: Task, recipe: Recipe, folder: Path, report: Callable[[int, str], None]) -> Path:
    """Train, or continue from the folder's checkpoint, and return the weights file.

    A training that is interrupted and continued gives the same weights and the same log as an uninterrupted one. On a
    CPU they are equal to the last bit; on a GPU some of torch's sums have no fixed order.

    Args:
        task: the network and its losses.
        recipe: how to train.
        folder: receives recipe.json, checkpoint.pt, log.csv and weights.safetensors.
        report: called with the number of steps done and a line of text, which may be empty.

    Raises:
        UsageError: the folder has a training by another recipe or with other versions, the device is not available, or
            the loss or the gradient is not finite.
    """
    with torch_threads(recipe.threads):
        return _train(task, recipe, folder, report)


def _train(task: Task, recipe: Recipe, folder: Path, report: Callable[[int, str], None]) -> Path:
    network = _on_device(task.network(recipe.seed), recipe.device)
    made_with = _claim_folder(folder, task, recipe)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    log = Log()
    checkpoint = Checkpoint(folder / "checkpoint.pt", made_with)
    done = checkpoint.resume(network, optimizer, log)
    report(
        done,
        f"continues after step {done}" if done else f"{recipe.steps} steps of {recipe.batch} images, into {folder}",
    )
    images = TrainingImages(recipe.seed, recipe.images, recipe.batch)
    for step in range(done, recipe.steps):
        losses = _step(task, recipe, network, optimizer, images.batch(step), step)
        log.add(losses)
        done = step + 1
        line = ""
        if done % recipe.validate_every == 0 or done == recipe.steps:
            network.eval()
            precisions = average_precision(task.model(network), recipe.validation_images)
            line = log.close(done, done * recipe.batch, recipe.rate(step), precisions)
        elif done % 50 == 0:
            line = log.close(done, done * recipe.batch, recipe.rate(step))
        if done % recipe.save_every == 0 or done == recipe.steps:
            write_atomic(folder / "log.csv", log.text().encode())  # before the checkpoint, whose steps are not repeated
            checkpoint.save(done, network, optimizer, log)
        report(done, line)
    write_atomic(folder / "log.csv", log.text().encode())
    weights = folder / "weights.safetensors"
    save_weights(network, weights, f"{task.name}, {recipe.steps} steps of {recipe.batch} images, seed {recipe.seed}")
    return weights


def _step(
    task: Task,
    recipe: Recipe,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    scenes: Sequence[Scene],
    step: int,
) -> dict[str, float]:
    """Train on one batch, and return the total loss and the task's losses."""
    network.train()
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate(step)
    losses = task.loss(network, scenes, generator(recipe.seed, _DRAWS, step))
    total = torch.stack(list(losses.values())).sum()
    if not bool(torch.isfinite(total)):
        raise UsageError(
            f"the loss is not finite at step {step + 1}; a lower --learning-rate, with another --out, may help"
        )
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
    if not bool(torch.isfinite(norm)):
        raise UsageError(
            f"the gradient is not finite at step {step + 1}; a lower --learning-rate, with another --out, may help"
        )
    optimizer.step()
    return {"loss": float(total.detach()), **{name: float(value.detach()) for name, value in losses.items()}}


def _diverged(quantity: str, step: int) -> UsageError:
    return UsageError(
        f"the {quantity} is not finite at step {step + 1}; a lower --learning-rate, with another --out, may help"
    )


def _on_device(network: nn.Module, device: str) -> nn.Module:
    try:
        torch.zeros(1, device=device).cpu()
        return network.to(device)
    except (RuntimeError, AssertionError, ImportError) as error:  # torch raises any of these for a missing device
        raise UsageError(f"--device {device}: {str(error).splitlines()[0]}") from error


def _claim_folder(folder: Path, task: Task, recipe: Recipe) -> dict[str, Any]:
    """Return all that determines the weights, after writing it to the folder's recipe.json.

    Raises:
        UsageError: the folder has a recipe already and that differs, or recipe.json is broken.
    """
    software = {"torch": str(torch.__version__), "numpy": np.__version__, "images": VERSION}
    made_with = {"task": task.name, **asdict(recipe), "software": software}
    for name in ("checkpoint.pt", "log.csv", "weights.safetensors"):
        if (folder / name).is_dir():
            raise UsageError(f"{folder / name} is a folder: give another --out")
    path = folder / "recipe.json"
    if path.exists():
        try:
            existing = dict(json.loads(path.read_text()))
        except (ValueError, TypeError, RecursionError) as error:
            raise UsageError(f"{path}: not a recipe; delete the folder, or give another --out") from error
        if (change := _changed(existing, made_with)) is not None:
            raise UsageError(f"{folder} has a training with {change}: give another --out, or delete the folder")
    else:
        write_atomic(path, (json.dumps(made_with, indent=2) + "\n").encode())
    return made_with


def _changed(existing: Mapping[str, Any], made_with: Mapping[str, Any]) -> str | None:
    """Return the first difference of two recipes, or None."""
    changed = (key for key in made_with if key not in _FREE and existing.get(key) != made_with[key])
    return next((f"{key} {existing.get(key)!r}, not {made_with[key]!r}" for key in changed), None)
