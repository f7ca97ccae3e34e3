"""SAM and SAM 2 as `segharness.Model`s, prompted with boxes or points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from segharness import Instances, UsageError
from segharness_torch.encoding import encode
from segharness_torch.execution import Execution
from segharness_torch.input_watch import network_input, pil_interpolation
from segharness_torch.nan_checks import NotANumberError
from segharness_torch.threads import torch_threads

from segharness_transformers.loading import Loaded, load
from segharness_transformers.options import PROMPTED
from segharness_transformers.queries import Geometry, resized

Image = npt.NDArray[np.uint8]


class Promptable:
    """A network that answers every prompt with one mask. An image is encoded once, for all its prompts.

    Args:
        loaded: network and image processor.
        execution: device, precision and so on; only the image encoder is compiled.
        prompt: ``"boxes"`` or ``"points"``.
        multimask: the network predicts several masks, and the one with the highest predicted IoU is taken.
        together: how many prompts the network gets at a time.
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
        """Return a mask for every prompt of uint8 RGB images (H, W, 3), scored by its predicted IoU.

        Args:
            images: the images.
            prompts: one array for each image, float: boxes (N, 4) x1 y1 x2 y2, or points (N, 2) x y, in pixels.

        Raises:
            UsageError: there are no prompts.
        """
        if prompts is None:
            raise UsageError(f"the model needs prompts ({self.prompt}), and none were given")
        return [self._answer(image, np.asarray(points)) for image, points in zip(images, prompts, strict=True)]

    def _answer(self, image: Image, prompts: npt.NDArray[Any]) -> Instances:
        if not len(prompts):
            return Instances(None, np.zeros(0, np.float32), None, [])
        with torch_threads(1):
            inputs = self._processor(
                images=[np.ascontiguousarray(image)], return_tensors="pt", input_data_format="channels_last"
            )
        pixels = inputs["pixel_values"].to(self._execution.device)
        padded, size = (pixels.shape[-2], pixels.shape[-1]), (image.shape[0], image.shape[1])
        inside = inputs.get("reshaped_input_sizes")  # SAM 2 does not pad, and has none
        rows, columns = padded if inside is None else (int(side) for side in inside[0])
        scale = np.array([columns / size[1], rows / size[0]])
        scaled = (prompts.reshape(len(prompts), -1, 2).astype(np.float64) * scale).astype(np.float32)
        corners = torch.from_numpy(scaled).to(self._execution.device)
        masks: list[Any] = []
        scores: list[torch.Tensor] = []
        with self._execution.predicting():
            features = self._network.get_image_embeddings(pixels)
            for first in range(0, len(corners), self._together):
                best, score = self._best_masks(features, corners[first : first + self._together])
                own = (best.shape[-2], best.shape[-1])
                geometry = Geometry(own, own, size) if inside is None else Geometry(padded, (rows, columns), size)
                masks += encode(resized(best, geometry) > 0)
                scores.append(score.float().cpu())
        given = network_input(padded, (rows, columns), size, pil_interpolation(self._processor.resample))
        return Instances(None, torch.cat(scores).numpy(), None, masks, given)

    def _best_masks(self, features: Any, corners: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mask logits (n, h, w) and predicted IoUs (n,) for prompts (n, 1 or 2, 2): points or corners."""
        if self.prompt == "boxes":
            prompts = {"input_boxes": corners.reshape(1, -1, 4)}
        else:
            labels = torch.ones((1, len(corners), 1), dtype=torch.int64, device=corners.device)
            prompts = {"input_points": corners[None], "input_labels": labels}
        answer = self._network(image_embeddings=features, multimask_output=self._multimask, **prompts)
        logits, ious = answer.pred_masks[0], answer.iou_scores[0]
        if bool(torch.isnan(logits).any() | torch.isnan(ious).any()):
            raise NotANumberError("what the network answers")
        best = ious.argmax(dim=1)
        index = torch.arange(len(corners), device=corners.device)
        return logits[index, best], ious[index, best]


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
        prompt, multimask, together: as in the plugin's options.
        config, seed: as in `segharness_transformers.loading.load`.
        revision, local_files_only: used by `segharness_transformers.hub.fetch`, which has run before.
        device: torch's name for the device.
        execution: `precision`, `channels_last`, `compile`, as in `segharness_torch.options`.

    Raises:
        UsageError: an option is wrong, or the weights cannot be loaded, or are another network's.
    """
    PROMPTED["prompt"].checked("prompt", prompt)
    settings = Execution(device, **execution)
    loaded = load(family, weights, config, seed)
    return Promptable(loaded, settings, prompt, prompt == "points" if multimask is None else multimask, together)
