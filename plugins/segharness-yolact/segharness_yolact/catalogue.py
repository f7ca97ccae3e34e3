"""The models that the authors of YOLACT name in their README, with what it says of them. Imports no framework.

The README is that of https://github.com/dbolya/yolact at commit 902073d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_HUB = "https://huggingface.co/dbolya"


@dataclass(frozen=True)
class Published:
    """A config of the authors.

    Attributes:
        name: its name in suites, below ``yolact/``.
        config: its name in their ``data/config.py``.
        backbone: such as ``ResNet-50-FPN``; the convolutions of YOLACT++'s later stages are deformable.
        input_size: the side of the square that images are scaled to, in pixels.
        mask_ap: published, on COCO test-dev, in percent; None if their README has none.
        fps: published, on a Titan Xp; None if their README has none.
    """

    name: str
    config: str
    backbone: str
    input_size: int = 550
    mask_ap: float | None = None
    fps: float | None = None

    @property
    def family(self) -> str:
        """``YOLACT`` or ``YOLACT++``."""
        return "YOLACT++" if self.name.startswith("plus-") else "YOLACT"

    @property
    def weights_file(self) -> str:
        """The name of the file with its published weights; empty if their README has none."""
        return f"{self.config.removesuffix('_config')}_54_800000.pth" if self.mask_ap is not None else ""

    @property
    def weights_link(self) -> str:
        """Where their README says that file is; empty if it has none."""
        repository = self.config.removesuffix("_config").replace("_", "-")
        return f"{_HUB}/{repository}/resolve/main/{self.weights_file}" if self.weights_file else ""

    @property
    def metadata(self) -> dict[str, Any]:
        """Facts of the config, its training and what was published."""
        return {
            "family": self.family,
            "head": self.family,
            "backbone": self.backbone,
            "normalisation": "BN",  # trained on: train.py freezes it only if a GPU gets fewer than 6 images
            "initialisation": "ImageNet",
            "iterations": 800_000,
            "input_size": self.input_size,
            "config": self.config,
            **({"weights": self.weights_link} if self.weights_link else {}),
            **({"published": {"mask AP": self.mask_ap, "fps": self.fps}} if self.mask_ap is not None else {}),
        }


CATALOGUE = {
    entry.config: entry
    for entry in (
        Published("resnet50", "yolact_resnet50_config", "ResNet-50-FPN", 550, 28.2, 42.5),
        Published("darknet53", "yolact_darknet53_config", "DarkNet-53-FPN", 550, 28.7, 40.0),
        Published("base", "yolact_base_config", "ResNet-101-FPN", 550, 29.8, 33.5),
        Published("im400", "yolact_im400_config", "ResNet-101-FPN", 400),
        Published("im700", "yolact_im700_config", "ResNet-101-FPN", 700, 31.2, 23.6),
        Published("plus-resnet50", "yolact_plus_resnet50_config", "ResNet-50-FPN", 550, 34.1, 33.5),
        Published("plus-base", "yolact_plus_base_config", "ResNet-101-FPN", 550, 34.6, 27.3),
    )
}
"""The models by `Published.config`."""
