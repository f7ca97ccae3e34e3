"""The values that the parts of a run exchange: samples, instances, detections, conditions, cells.

This module does not import numpy, because plugins import it while they are listed, which must stay fast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Image: TypeAlias = npt.NDArray[np.uint8]

Rle: TypeAlias = Mapping[str, Any]
"""COCO run-length encoding of one mask: ``{"size": [height, width], "counts": bytes}`` (compressed, column-major)."""


@dataclass(frozen=True)
class Category:
    """A class of objects that a data set annotates.

    Attributes:
        id: the data set's own number for it.
        name: labels of models are matched with it, never with the number.
        aliases: other names under which a model may know it.

    Example:
        >>> Category(2, "motorcycle", aliases=("motorbike",)).name
        'motorcycle'
    """

    id: int
    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    Attributes:
        image_id: the data set's own number for the image (int64).
        source: a file, encoded bytes (JPEG, PNG ...), or a function that returns encoded bytes or uint8 RGB (H, W, 3).
        height, width: in pixels; the image of the source must have this size.
        name: what messages call the image; the name of the file if empty.
        orientation: what becomes of an EXIF orientation: ``"apply"`` turns the image, ``"stored"`` does not, and
            ``"declared"`` turns it where only that gives the declared size.

    Example:
        >>> str(Sample(7, Path("images/000007.jpg"), height=480, width=640))
        '000007.jpg'
    """

    image_id: int
    source: Path | bytes | Callable[[], bytes | Image]
    height: int
    width: int
    name: str = ""
    orientation: Literal["declared", "apply", "stored"] = "declared"

    def __str__(self) -> str:
        return self.name or (self.source.name if isinstance(self.source, Path) else f"image {self.image_id}")


_LARGEST_INPUT = 1 << 20
"""No side of a network's input, in pixels, is longer."""


class NetworkInput(NamedTuple):
    """What a network was really given of an image, as measured where the tensor enters it.

    Attributes:
        height, width: of the tensor in pixels, padding included.
        interpolation: how the image was scaled: ``none`` if it kept its size, else such as ``bilinear``, ``bicubic`` or
            ``bilinear-antialiased``; lower-case letters and ``-``.
        padding: the rows and columns of the tensor that are no image: top, bottom, left, right.

    Example:
        >>> NetworkInput(800, 1216, "bilinear", (0, 0, 0, 17)).content
        (800, 1199)
    """

    height: int
    width: int
    interpolation: str = "none"
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def content(self) -> tuple[int, int]:
        """The height and width of the image in the tensor, without padding."""
        top, bottom, left, right = self.padding
        return self.height - top - bottom, self.width - left - right

    def problem(self) -> str | None:
        """Return what is wrong with the values, or None.

        Example:
            >>> NetworkInput(32, 32, "none", (0, 40, 0, 0)).problem()
            'the padding leaves nothing of the image'
        """
        if not (0 < self.height <= _LARGEST_INPUT and 0 < self.width <= _LARGEST_INPUT):
            return f"height and width must be 1 to {_LARGEST_INPUT}"
        if not re.fullmatch(r"[a-z][a-z-]{0,39}", self.interpolation):
            return "the interpolation must be of lower-case letters and -, such as bilinear"
        if len(self.padding) != 4 or min(self.padding) < 0:
            return "the padding must be four numbers of pixels: top, bottom, left, right"
        if min(self.content) <= 0:
            return "the padding leaves nothing of the image"
        return None


@dataclass(frozen=True)
class Instances:
    """The N instances that a model detects in one image.

    Attributes:
        boxes: float32 (N, 4), x1 y1 x2 y2 in pixels of the image, x2 >= x1, y2 >= y1.
        scores: float32 (N,), finite; higher is more confident.
        labels: integers (N,), indices into the model's `categories`.
        masks: bool (N, H, W), or N COCO RLEs of size (H, W), or None for a detector without masks.
        network_input: the `NetworkInput` that the network had of the image, or a tuple of its four values; None if it is
            not known.

    A model that takes prompts needs to return only the masks; the others may be None.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((1, 48, 64), bool)
        >>> len(Instances(np.array([[4.0, 6, 20, 22]]), np.array([0.9]), np.array([0]), mask).boxes)
        1
    """

    boxes: npt.NDArray[Any] | None
    scores: npt.NDArray[Any] | None
    labels: npt.NDArray[Any] | None
    masks: npt.NDArray[Any] | Sequence[Rle] | None = None
    network_input: tuple[int, int, str, tuple[int, int, int, int]] | NetworkInput | None = None


@dataclass(frozen=True)
class Detections:
    """The instances of one image under the data set's categories, as a predictions file stores them.

    Attributes:
        category_ids: int32 (N,), ids of the data set.
        scores: float64 (N,), or None if a model that takes prompts gives none.
        boxes: float64 (N, 4), x y w h in pixels.
        masks: N compressed COCO RLE counts, or None for a detector. `StoredPredictions` returns whole RLEs, with their
            size.
        dropped: number of instances whose label the data set does not annotate.
        clipped: number of boxes that reached over the border of the image.
        annotation_ids: int64 (N,), the annotations that were the prompts; None without prompts.
        network_input: what the network was given of the image; None if it is not known.
    """

    category_ids: npt.NDArray[Any]
    scores: npt.NDArray[Any] | None
    boxes: npt.NDArray[Any]
    masks: Sequence[Any] | None
    dropped: int = 0
    clipped: int = 0
    annotation_ids: npt.NDArray[Any] | None = None
    network_input: NetworkInput | None = None


@runtime_checkable
class Model(Protocol):
    """A model as the harness sees it: any object with `categories` and `predict`.

    Attributes:
        categories: names of the categories; labels are indices into them.

    A model may also have an attribute `prompt`, ``"boxes"`` or ``"points"``: it is then called with prompts made from the
    ground truth. And an attribute `facts`, a mapping of what only the loaded network knows: ``{"parameters": 44_401_393}``.

    Example:
        >>> import numpy as np
        >>> class Nothing:
        ...     categories = ["car"]
        ...
        ...     def predict(self, images, prompts=None):
        ...         return [Instances(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)) for _ in images]
        >>> isinstance(Nothing(), Model)
        True
    """

    categories: Sequence[str]

    def predict(self, images: Sequence[Image], prompts: Any = None) -> Sequence[Instances]:
        """Return the instances in every image, in the order of the images.

        Args:
            images: uint8 RGB (H, W, 3); sizes may differ.
            prompts: None, or an array for every image: boxes of the ground truth, float32 (N, 4) x1 y1 x2 y2, or a
                point in each of its masks, float32 (N, 2) x y. The N instances returned answer them in order. Their
                labels are not used; scores and boxes may be None.
        """


@runtime_checkable
class Dataset(Protocol):
    """Images with ground truth.

    Attributes:
        categories: the categories that are annotated.
        digest: a hash of the annotations and of the list of images; equal on every machine that has the same data.

    A data set may also have an attribute `shard_size`, the number of images per shard, by default 64, and an
    attribute `notes`: lines on what was repaired when its files were read, which every run shows. An attribute
    `withheld`, a text, says why it has no ground truth: its images are predicted, and evaluations are null with that
    reason. With a method `repaired`, which returns its annotation file as JSON values, ``segharness datasets check
    --fix`` writes that.
    """

    categories: Sequence[Category]
    digest: str

    def samples(self) -> Sequence[Sample]:
        """Return the images, always in the same order."""

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return the ground truth of a kind.

        Args:
            kind: ``"instances"`` is a COCO dict (images, annotations, categories). ``"panoptic"`` is the same, with one
                annotation a segment, and ``isthing``. ``"void"`` has annotations of regions that are not evaluated.

        Raises:
            KeyError: the data set has no ground truth of that kind.
        """


@runtime_checkable
class StoredPredictions(Protocol):
    """Predictions made elsewhere. A plugin offers them as a model; they are loaded instead of being computed."""

    def load_predictions(
        self, condition: str, image_ids: Sequence[int], known_image_ids: Collection[int]
    ) -> Sequence[Detections]:
        """Return the detections in each image under a condition.

        Args:
            condition: its name, such as ``clean`` or ``fog-3``.
            image_ids: of the images to return, in that order.
            known_image_ids: all image ids of the data set.

        Raises:
            NoPredictionsError: there are no predictions under that condition.
            CellError: they are broken, or of other images.
        """


class Corruption(Protocol):
    """A function of one uint8 RGB image (H, W, 3) that returns a new one of the same shape and dtype.

    The input is not modified. All randomness comes from `rng`. `severity` is one of those of the `CorruptionSpec`,
    usually 1 to 5.
    """

    def __call__(self, image: Image, severity: int, rng: np.random.Generator) -> Image: ...


@dataclass(frozen=True)
class Condition:
    """A condition of the images: ``clean``, a corruption at a severity (``fog-3``), or a mixture (``mixed-1``).

    Attributes:
        name: the id, as in node ids and folder names.
        corruption, severity: None for clean.
        category: of the corruption (blur, noise, digital, weather ...); None for clean and mixtures.
        mixture: whether each image draws its own corruptions. Mixtures are not part of averages, CD and rCD.
        version: of the corruption, or of all that a mixture may draw. Part of the identity of every file.
        tags: selected by ``-m``.

    Example:
        >>> Condition("fog-3", corruption="fog", severity=3, category="weather").name
        'fog-3'
    """

    name: str
    corruption: str | None = None
    severity: int | None = None
    category: str | None = None
    mixture: bool = False
    version: str = ""
    tags: tuple[str, ...] = ()


CLEAN = Condition("clean", tags=("clean",))
"""The condition of images that are not corrupted."""


CellKey = tuple[str, str, str]
"""Model, data set and condition of a cell: ids."""


@dataclass(frozen=True)
class Cell:
    """One model on one data set under one condition: the smallest part of a run that has results.

    Attributes:
        suite: name of the suite.
        model: id of the model.
        dataset: id of the data set.
        condition: of the images.
        tags: of the model, the data set and the condition; selected by ``-m``.
    """

    suite: str
    model: str
    dataset: str
    condition: Condition
    tags: frozenset[str] = field(default=frozenset())

    @property
    def node_id(self) -> str:
        """The id that listings show and ``-k`` selects by: ``suite::model::dataset::condition``."""
        return f"{self.suite}::{self.model}::{self.dataset}::{self.condition.name}"

    @property
    def key(self) -> CellKey:
        """Model, data set and condition, unique within a run."""
        return (self.model, self.dataset, self.condition.name)
