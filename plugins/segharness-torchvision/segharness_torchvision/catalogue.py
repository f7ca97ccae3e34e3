"""torchvision's detectors by name, with the weights it publishes for them. Does not import torch.

File names, published APs on COCO val2017 and categories are torchvision's (0.29); a test compares them with the
installed torchvision. The eight digits at the end of a file's name are the first of its sha256.
"""

from __future__ import annotations

from dataclasses import dataclass

_NAMED = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light", "fire hydrant",
    "N/A", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra",
    "giraffe", "N/A", "backpack", "umbrella", "N/A", "N/A", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", "N/A",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot",
    "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "N/A", "dining table", "N/A", "N/A",
    "toilet", "N/A", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "N/A", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
COCO = ("__background__", *_NAMED)
"""COCO's category ids as labels. Ids that COCO leaves out are N/A, a name that no data set has."""


@dataclass(frozen=True)
class Published:
    """A detector of torchvision.

    Attributes:
        name: the name of its constructor.
        file: the file name of its weights COCO_V1.
        box, mask: AP on COCO val2017 in percent, as torchvision publishes it; `mask` is None without a mask head.
        backbone, head: the parts of the network.
        recipe: how it was trained; empty for torchvision's reference recipe.
        zero_eps: whether torchvision sets the epsilon of its batch norms to 0 for these weights.
    """

    name: str
    file: str
    box: float
    mask: float | None
    backbone: str
    head: str
    recipe: str = ""
    zero_eps: bool = False

    @property
    def digits(self) -> str:
        """The first digits of the sha256 of the weights' file."""
        return self.file.rpartition("-")[2].removesuffix(".pth")


_R50, _MOBILE = "ResNet-50-FPN", "MobileNetV3-Large-FPN"

CATALOGUE = (
    Published(
        "maskrcnn_resnet50_fpn",
        "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        37.9,
        34.6,
        _R50,
        "Mask R-CNN",
        zero_eps=True,
    ),
    Published(
        "maskrcnn_resnet50_fpn_v2",
        "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        47.4,
        41.8,
        _R50,
        "Mask R-CNN",
        "improved",
    ),
    Published(
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
        37.0,
        None,
        _R50,
        "Faster R-CNN",
        zero_eps=True,
    ),
    Published(
        "fasterrcnn_resnet50_fpn_v2",
        "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        46.7,
        None,
        _R50,
        "Faster R-CNN",
        "improved",
    ),
    Published(
        "fasterrcnn_mobilenet_v3_large_fpn",
        "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        32.8,
        None,
        _MOBILE,
        "Faster R-CNN",
    ),
    Published(
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
        22.8,
        None,
        _MOBILE,
        "Faster R-CNN",
    ),
    Published(
        "retinanet_resnet50_fpn",
        "retinanet_resnet50_fpn_coco-eeacb38b.pth",
        36.4,
        None,
        _R50,
        "RetinaNet",
        zero_eps=True,
    ),
    Published(
        "retinanet_resnet50_fpn_v2",
        "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth",
        41.5,
        None,
        _R50,
        "RetinaNet",
        "improved",
    ),
    Published("fcos_resnet50_fpn", "fcos_resnet50_fpn_coco-99b0c9b7.pth", 39.2, None, _R50, "FCOS"),
)
