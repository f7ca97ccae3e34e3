"""The values that travel between the stations of a run.

Nothing here imports numpy: plugins import these names while they are being listed, which must stay cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Image: TypeAlias = npt.NDArray[np.uint8]

Rle: TypeAlias = Mapping[str, Any]
"""COCO run-length encoding of one mask: ``{"size": [height, width], "counts": bytes}`` (compressed, column-major)."""


@dataclass(frozen=True)
class Category:
    """A class of objects that a data set annotates.

    `aliases` are other names under which a model may know it; labels are matched by name, never by number.
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
        height, width: pixels; what the source holds must agree.
        name: what messages call the image; the file's name when empty.
    """

    image_id: int
    source: Path | bytes | Callable[[], bytes | Image]
    height: int
    width: int
    name: str = ""

    def __str__(self) -> str:
        return self.name or (self.source.name if isinstance(self.source, Path) else f"image {self.image_id}")


@dataclass(frozen=True)
class Instances:
    """What a model found in one image.

    Attributes:
        boxes: float32 (N, 4), x1 y1 x2 y2 in pixels of the image given, x2 >= x1, y2 >= y1.
        scores: float32 (N,), finite; higher is more confident.
        labels: integers (N,), indices into the model's `categories`.
        masks: bool (N, H, W), or N COCO RLEs of size (H, W), or None for a detector without masks.

    In an answer to prompts only the masks are needed; the others may be None.
    """

    boxes: npt.NDArray[Any] | None
    scores: npt.NDArray[Any] | None
    labels: npt.NDArray[Any] | None
    masks: npt.NDArray[Any] | Sequence[Rle] | None = None


@dataclass(frozen=True)
class Detections:
    """The instances of one image in the data set's own terms; the columns of a predictions file.

    Attributes:
        category_ids: int32 (N,), the data set's.
        scores: float64 (N,), or None where a model that takes prompts gives none.
        boxes: float64 (N, 4), x y w h in pixels.
        masks: N compressed COCO RLE counts, or None for a detector. `StoredPredictions` returns whole RLEs, with their size.
        dropped: instances whose label the data set does not annotate.
        clipped: boxes that reached over the border of the image.
        annotation_ids: int64 (N,), the ground truths that were the prompts; None without prompts.
    """

    category_ids: npt.NDArray[Any]
    scores: npt.NDArray[Any] | None
    boxes: npt.NDArray[Any]
    masks: Sequence[Any] | None
    dropped: int = 0
    clipped: int = 0
    annotation_ids: npt.NDArray[Any] | None = None


@runtime_checkable
class Model(Protocol):
    """Any object with these two: a model as the harness sees it.

    `predict` takes a list of uint8 RGB images (H, W, 3) and returns one `Instances` each, in the same order.

    A model may also have `prompt`, ``"boxes"`` or ``"points"``: then `prompts` holds an array for every image, the ground
    truth's boxes, float32 (N, 4) x1 y1 x2 y2, or a point in each of its masks, float32 (N, 2) x y; and the N instances
    returned answer them in order. Their labels are not looked at; scores and boxes may be None.
    """

    categories: Sequence[str]

    def predict(self, images: Sequence[Image], prompts: Any = None) -> Sequence[Instances]: ...


@runtime_checkable
class Dataset(Protocol):
    """Images with ground truth.

    Attributes:
        categories: what is annotated.
        digest: a hash of the annotations and of the list of images; equal on every machine that has the same data.

    A data set may also have `shard_size` (images a shard, 64 when absent).
    """

    categories: Sequence[Category]
    digest: str

    def samples(self) -> Sequence[Sample]:
        """Return the images, in an order that is the same every time."""

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return the ground truth of `kind`; ``"instances"`` is a COCO dict: images, annotations, categories.

        A data set that has no ground truth of that kind raises `KeyError`.
        """


@runtime_checkable
class StoredPredictions(Protocol):
    """What was predicted elsewhere: offered as a model, it is asked for what it has instead of being run."""

    def load_predictions(
        self, condition: str, image_ids: Sequence[int], known_image_ids: Collection[int]
    ) -> Sequence[Detections]:
        """Return what was found in each image under a condition.

        Args:
            condition: its name, ``clean``, ``fog-3``.
            image_ids: of the images asked for.
            known_image_ids: all image ids of the data set.

        Raises:
            CellError: there is nothing for that condition, or it is of other images.
        """


class Corruption(Protocol):
    """A function of one uint8 RGB image (H, W, 3) that returns a new one of the same shape and dtype.

    `severity` is 1 to 5. All randomness comes from `rng`; the input is not modified.
    """

    def __call__(self, image: Image, severity: int, rng: np.random.Generator) -> Image: ...


@dataclass(frozen=True)
class Condition:
    """What was done to the images: ``clean``, ``fog-3`` (corruption and severity), ``mixed-1``.

    Attributes:
        name: the id, as in node ids and folder names.
        corruption, severity: None for clean.
        category: the corruption's category (blur, noise, digital, weather ...), None for clean and mixtures.
        mixture: whether each image draws its own corruptions; mixtures stay outside averages, CD and rCD.
        version: of the corruption, or of all a mixture may draw; part of the identity of every file made under it.
        tags: for ``-m``.
    """

    name: str
    corruption: str | None = None
    severity: int | None = None
    category: str | None = None
    mixture: bool = False
    version: str = ""
    tags: tuple[str, ...] = ()


CLEAN = Condition("clean", tags=("clean",))


@dataclass(frozen=True)
class Cell:
    """One model on one data set under one condition: the smallest thing that has a result."""

    suite: str
    model: str
    dataset: str
    condition: Condition
    tags: frozenset[str] = field(default=frozenset())

    @property
    def node_id(self) -> str:
        return f"{self.suite}::{self.model}::{self.dataset}::{self.condition.name}"

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.model, self.dataset, self.condition.name)
