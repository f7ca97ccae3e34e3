"""The training loop: fixed seeds, checkpoints, exact resume, a log."""

from __future__ import annotations

import csv
import io
import json
import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from segharness import Model, UsageError
from torch import Tensor, nn

from segharness_toycells.dataset import VERSION
from segharness_toycells.networks.threads import torch_threads
from segharness_toycells.networks.weights import save_weights, write_whole
from segharness_toycells.scene import Scene
from segharness_toycells.training.images import TrainingImages, generator
from segharness_toycells.training.validation import THRESHOLDS, average_precision

_DRAWS = 3  # stream of randomness: what a loss draws
_FREE = {"save_every"}  # of a recipe: what may change on the way


@dataclass(frozen=True)
class Recipe:
    """How to train; with the task, the software and the processor it decides the weights.

    Attributes:
        steps: how many batches.
        batch: images a batch.
        learning_rate: the highest; it rises over `warmup` steps and falls to 0 as a cosine.
        weight_decay: of AdamW.
        clip: gradients are scaled down to this norm.
        seed: of the initial weights, the order of images and all draws.
        images: how many training images there are.
        validate_every, validation_images: how often AP is taken, on how many images.
        save_every: steps between checkpoints.
        threads: of the processor; sums in another order are other weights.
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
        """Return the learning rate of a step."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        return (
            self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / max(1, self.steps - self.warmup)))
        )


class Task(Protocol):
    """A network and what it learns."""

    name: str

    def network(self, seed: int) -> nn.Module:
        """Return the untrained network of a seed."""

    def loss(self, network: nn.Module, scenes: Sequence[Scene], rng: np.random.Generator) -> Mapping[str, Tensor]:
        """Return named losses of a batch; their sum is minimised. All draws come from `rng`."""

    def model(self, network: nn.Module) -> Model:
        """Return the network as a model, for validation."""


def train(task: Task, recipe: Recipe, folder: Path, report: Callable[[int, str], None]) -> Path:
    """Train, or go on where the folder's checkpoint ends, and return the weights file.

    A training that was killed gives, once continued, the weights and the log it would have given: to the last bit on a
    processor; on a GPU some of torch's sums have no fixed order.

    Args:
        task: what to train.
        recipe: how.
        folder: gets recipe.json, checkpoint.pt, log.csv, weights.safetensors.
        report: called with the steps done and a line, empty for none.

    Raises:
        UsageError: the folder has a training by another recipe or with other versions, the device is not there, or the loss
            is not finite.
    """
    with torch_threads(recipe.threads):
        return _train(task, recipe, folder, report)


def _train(task: Task, recipe: Recipe, folder: Path, report: Callable[[int, str], None]) -> Path:
    _claim(folder, task, recipe)
    network = _on_device(task.network(recipe.seed), recipe.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    log = Log()
    checkpoint = folder / "checkpoint.pt"
    done = _resume(checkpoint, network, optimizer, log) if checkpoint.exists() else 0
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
            found = average_precision(task.model(network), recipe.validation_images)
            line = log.close(done, done * recipe.batch, recipe.rate(step), found)
        elif done % 50 == 0:
            line = log.close(done, done * recipe.batch, recipe.rate(step))
        if done % recipe.save_every == 0 or done == recipe.steps:
            write_whole(folder / "log.csv", log.text().encode())  # first: what a checkpoint has is not done again
            _save(checkpoint, done, network, optimizer, log)
        report(done, line)
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
    network.train()
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate(step)
    losses = task.loss(network, scenes, generator(recipe.seed, _DRAWS, step))
    total = torch.stack(list(losses.values())).sum()
    if not bool(torch.isfinite(total)):
        raise UsageError(f"the loss is not finite at step {step + 1}; a lower --learning-rate may help")
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
    if not bool(torch.isfinite(norm)):
        raise UsageError(f"the gradient is not finite at step {step + 1}; a lower --learning-rate may help")
    optimizer.step()
    return {"loss": float(total.detach()), **{name: float(value.detach()) for name, value in losses.items()}}


def _on_device(network: nn.Module, device: str) -> nn.Module:
    try:
        return network.to(device)
    except (RuntimeError, AssertionError) as error:  # torch raises either for a device that it does not have
        raise UsageError(f"--device {device}: {str(error).splitlines()[0]}") from error


class Log:
    """A line for every 50 steps and every validation: mean losses since the last line, learning rate, AP."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self._open: list[Mapping[str, float]] = []

    def add(self, losses: Mapping[str, float]) -> None:
        self._open.append(losses)

    def close(self, step: int, images: int, rate: float, found: Mapping[str, float] | None = None) -> str:
        """End a line and return it for reading."""
        means = {name: sum(one[name] for one in self._open) / len(self._open) for name in self._open[0]}
        self._open = []
        values = {**means, **{name: found[name] if found else math.nan for name in THRESHOLDS}}
        row = {"step": str(step), "images": str(images), "learning_rate": f"{rate:.3g}"}
        row |= {name: "" if math.isnan(value) else f"{value:.4f}" for name, value in values.items()}
        self.rows.append(row)
        return "  ".join(f"{name} {value}" for name, value in row.items() if value)

    def text(self) -> str:
        """Return the log as CSV."""
        file = io.StringIO()
        writer = csv.DictWriter(file, list(self.rows[0]) if self.rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return file.getvalue()

    def state(self) -> dict[str, Any]:
        return {"rows": self.rows, "open": [dict(one) for one in self._open]}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.rows, self._open = list(state["rows"]), list(state["open"])


def _claim(folder: Path, task: Task, recipe: Recipe) -> None:
    software = {"torch": torch.__version__, "numpy": np.__version__, "images": VERSION}
    wanted = {"task": task.name, **asdict(recipe), "software": software}
    path = folder / "recipe.json"
    if path.exists():
        try:
            there = dict(json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path}: not a recipe; delete the folder, or give another --out") from error
        changed = [key for key in wanted if key not in _FREE and there.get(key) != wanted[key]]
        if changed:
            key = changed[0]
            raise UsageError(
                f"{folder} has a training with {key} {there.get(key)!r}, not {wanted[key]!r}: "
                "give another --out, or delete the folder"
            )
        return
    write_whole(path, (json.dumps(wanted, indent=2) + "\n").encode())


def _save(path: Path, done: int, network: nn.Module, optimizer: torch.optim.Optimizer, log: Log) -> None:
    file = io.BytesIO()
    state = {"done": done, "network": network.state_dict(), "optimizer": optimizer.state_dict(), "log": log.state()}
    torch.save(state, file)
    write_whole(path, file.getvalue())


def _resume(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, log: Log) -> int:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        log.restore(state["log"])
        return int(state["done"])
    except (RuntimeError, pickle.UnpicklingError, KeyError, ValueError, TypeError, EOFError, OSError) as error:
        raise UsageError(f"{path}: not a checkpoint of this training ({type(error).__name__}); delete it") from error
