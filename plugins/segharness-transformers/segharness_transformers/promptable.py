"""SAM and SAM 2 as `segharness.Model`s that answer boxes or points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from segharness import Instances, UsageError
from segharness_torch.encoding import encode
from segharness_torch.execution import Execution
from segharness_torch.finite import NotANumberError
from segharness_torch.threads import torch_threads

from segharness_transformers.loading import Loaded, load
from segharness_transformers.options import PROMPTED
from segharness_transformers.queries import Geometry, resized

Image = npt.NDArray[np.uint8]


class Promptable:
    """A network that answers every prompt with one mask. An image is encoded once, for all its prompts.

    Args:
        loaded: network and preprocessing.
        execution: how it is executed; what is compiled is the image's encoder.
        prompt: ``"boxes"`` or ``"points"``.
        multimask: the network gives several masks, of which the one with the highest predicted IoU is taken.
        together: so many prompts at a time.
    """

    categories: Sequence[str] = ("object",)

    def __init__(self, loaded: Loaded, execution: Execution, prompt: str, multimask: bool, together: int) -> None:
        self.prompt = prompt
        network: Any = loaded.network
        plain = Execution(execution.device, execution.precision, execution.channels_last)
        self._network: Any = plain.prepared(network)
        network.vision_encoder = execution.prepared(network.vision_encoder)
        self._processor, self._execution = loaded.processor, execution
        self._multimask, self._together = multimask, together

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return the answers to the prompts of uint8 RGB images (H, W, 3): one mask each, scored by its predicted IoU.

        Args:
            images: the images.
            prompts: of every image, float (N, 4) x1 y1 x2 y2, or (N, 2) x y.
        """
        if prompts is None:
            raise UsageError(f"the model answers prompts, {self.prompt}, and none were given")
        return [self._one(image, np.asarray(given)) for image, given in zip(images, prompts, strict=True)]

    def _one(self, image: Image, prompts: npt.NDArray[Any]) -> Instances:
        if not len(prompts):
            return Instances(None, np.zeros(0, np.float32), None, [])
        with torch_threads(1):
            given = self._processor(
                images=[np.ascontiguousarray(image)], return_tensors="pt", input_data_format="channels_last"
            )
        pixels = given["pixel_values"].to(self._execution.device)
        padded, size = (pixels.shape[-2], pixels.shape[-1]), (image.shape[0], image.shape[1])
        inside = given.get("reshaped_input_sizes")  # SAM 2 has none: it pads nothing
        rows, columns = padded if inside is None else (int(side) for side in inside[0])
        scale = np.array([columns / size[1], rows / size[0]])
        places = (prompts.reshape(len(prompts), -1, 2).astype(np.float64) * scale).astype(np.float32)
        asked = torch.from_numpy(places).to(self._execution.device)
        masks: list[Any] = []
        scores: list[torch.Tensor] = []
        with self._execution.predicting():
            features = self._network.get_image_embeddings(pixels)
            for first in range(0, len(asked), self._together):
                best, score = self._answers(features, asked[first : first + self._together])
                own = (best.shape[-2], best.shape[-1])
                geometry = Geometry(own, own, size) if inside is None else Geometry(padded, (rows, columns), size)
                masks += encode(resized(best, geometry) > 0)
                scores.append(score.float().cpu())
        return Instances(None, torch.cat(scores).numpy(), None, masks)

    def _answers(self, features: Any, asked: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mask logits (n, h, w) and predicted IoUs (n,) for prompts (n, 1 or 2, 2), in pixels of the input."""
        if self.prompt == "boxes":
            prompts = {"input_boxes": asked.reshape(1, -1, 4)}
        else:
            labels = torch.ones((1, len(asked), 1), dtype=torch.int64, device=asked.device)
            prompts = {"input_points": asked[None], "input_labels": labels}
        answer = self._network(image_embeddings=features, multimask_output=self._multimask, **prompts)
        logits, ious = answer.pred_masks[0], answer.iou_scores[0]
        if bool(torch.isnan(logits).any() | torch.isnan(ious).any()):
            raise NotANumberError("what the network answers")
        best = ious.argmax(dim=1)
        every = torch.arange(len(asked), device=asked.device)
        return logits[every, best], ious[every, best]


def make(
    family: str,
    weights: str,
    *,
    prompt: str = "boxes",
    multimask: bool | None = None,
    together: int = 64,
    config: str | None = None,
    seed: int = 0,
    revision: str | None = None,
    local_files_only: bool = False,
    device: str = "cpu",
    **execution: Any,
) -> Promptable:
    """Return SAM or SAM 2.

    Args:
        family: ``"sam"`` or ``"sam2"``.
        weights: a folder, or ``random``.
        prompt, multimask, together: as in the options of the plugin.
        config, seed: as `segharness_transformers.loading.load`.
        revision, local_files_only: of `segharness_transformers.hub.fetch`, which was asked before.
        device: torch's name.
        execution: those of `segharness_torch.options`.

    Raises:
        UsageError: an option is wrong, or the weights cannot be had, or are another network's.
    """
    PROMPTED["prompt"].checked("prompt", prompt)
    how = Execution(device, **execution)
    loaded = load(family, weights, config, seed)
    return Promptable(loaded, how, prompt, prompt == "points" if multimask is None else multimask, together)
