"""The cost of encoding masks: on the device, against copying the masks to the host and encoding them there.

    python benchmarks/masks.py [--device cuda] [--masks 100] [--repeats 9]

The masks are like Mask R-CNN's: 28x28 probabilities in boxes of many sizes, pasted into the image and thresholded on
the device (the first column is the time for that). segharness uses `segharness_torch.encoding.runs` on accelerators.
The other ways get the same masks on the device, and the copy is part of their time. All encodings are compared first.
Times are medians of calls in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import hotcoco.mask
import numpy as np
import torch
from pycocotools import mask as rle
from segharness_torch.encoding import runs
from segharness_torch.threads import torch_threads
from torchvision.models.detection.roi_heads import paste_masks_in_image

SIZES = ((480, 640), (1024, 2048))
OURS = "on the device"


def one_by_one(masks: torch.Tensor) -> list[dict[str, Any]]:
    """Copy the masks, then encode them one by one, as torchvision's reference evaluation does."""
    return [rle.encode(np.asfortranarray(mask.view(np.uint8))) for mask in masks.cpu().numpy()]


def together(masks: torch.Tensor) -> list[dict[str, Any]]:
    """Reorder the masks on the device as pycocotools needs them, copy, and encode them in one call: its fastest way."""
    rles: list[dict[str, Any]] = rle.encode(_columns(masks).view(np.uint8))
    return rles


def hotcocos(masks: torch.Tensor) -> list[dict[str, Any]]:
    """Do the same as `together` with hotcoco."""
    rles: list[dict[str, Any]] = hotcoco.mask.encode(_columns(masks).view(np.uint8))
    return rles


def _columns(masks: torch.Tensor) -> np.ndarray:
    return masks.transpose(1, 2).contiguous().cpu().numpy().transpose(2, 1, 0)


WAYS: dict[str, Callable[[torch.Tensor], Any]] = {
    OURS: runs,
    "pycocotools, one by one": one_by_one,
    "pycocotools, together": together,
    "hotcoco, together": hotcocos,
}


def predicted(count: int, height: int, width: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities of blobs, float (N, 1, 28, 28), and their boxes in the image, float (N, 4)."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(count, 1, 7, 7, generator=generator)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 28), torch.linspace(-1, 1, 28), indexing="ij")
    smooth = torch.nn.functional.interpolate(noise, (28, 28), mode="bicubic", align_corners=False)
    probabilities = torch.sigmoid(6 * (1 - x**2 - y**2) + 2 * smooth)
    share = torch.exp(torch.empty(count, 2).uniform_(-3.5, -0.3, generator=generator))
    size = share * torch.tensor([width, height])
    corner = torch.rand(count, 2, generator=generator) * (torch.tensor([width, height]) - size)
    return probabilities.to(device), torch.cat([corner, corner + size], dim=1).to(device)


def milliseconds(function: Callable[[], object], device: str) -> float:
    """Return the milliseconds of a call, with the device's work finished."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    function()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    """Print a table, a row for each image size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="CUDA when there is one"
    )
    parser.add_argument("--masks", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    name = torch.cuda.get_device_name(args.device) if args.device.startswith("cuda") else "the processor, one thread"
    print(f"{args.masks} masks on {args.device} ({name}), medians of {args.repeats} in ms; ratios to ours\n")
    print("| image | paste, threshold | " + " | ".join(WAYS) + " |\n|---" + "|---:" * (len(WAYS) + 1) + "|")
    with torch.inference_mode(), torch_threads(1):
        for height, width in SIZES:
            row(args.masks, height, width, args.device, args.repeats)


def row(count: int, height: int, width: int, device: str, repeats: int) -> None:
    """Print the medians of an image size.

    Raises:
        AssertionError: two ways give different encodings.
    """
    probabilities, boxes = predicted(count, height, width, device)

    def paste() -> torch.Tensor:
        return paste_masks_in_image(probabilities, boxes, (height, width))[:, 0] > 0.5

    masks = paste()
    assert bool(masks.any(dim=(1, 2)).all()) and not bool(masks.all())
    expected = one_by_one(masks)
    for name, way in WAYS.items():
        assert way(masks) == expected, name
    timings: dict[str, list[float]] = {name: [] for name in ("paste", *WAYS)}
    for _ in range(repeats):
        timings["paste"].append(milliseconds(paste, device))
        for name, way in WAYS.items():
            timings[name].append(milliseconds(lambda way=way: way(masks), device))
    medians = {name: statistics.median(times) for name, times in timings.items()}
    cells = [
        f"{medians[name]:.1f}" + ("" if name == OURS else f" ({medians[name] / medians[OURS]:.2f})") for name in WAYS
    ]
    print(f"| {width}x{height} | {medians['paste']:.1f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
