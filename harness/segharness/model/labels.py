"""Maps a model's labels to a data set's categories, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from segharness.errors import ContractError, coded
from segharness.records import Category


class Labels:
    """Maps a model's labels to a data set's category ids, by name and declared aliases.

    An exact name wins. Otherwise case, outer spaces, and ``_`` instead of a space do not matter.

    Attributes:
        size: the number of labels.
        ids: int64 (size,), the category id of each label; -1 if the data set does not have it.
        known: bool (size,), the labels that are categories of the data set.

    Raises:
        ContractError: the model's `categories` are not names, two labels share the name of a category, none of them is
            a category of the data set, or a category id is too large.

    Example:
        >>> from segharness.records import Category
        >>> Labels(["Cat", "ghost", "traffic_light"], [Category(2, "cat"), Category(5, "traffic light")]).ids.tolist()
        [2, -1, 5]
    """

    def __init__(self, model_categories: Sequence[str], categories: Sequence[Category]) -> None:
        names = list(model_categories)
        if not names or not all(isinstance(name, str) for name in names):
            raise ContractError(f"`categories` must be a sequence of names, not {model_categories!r:.80}")
        by_name = {normalized(alias): category.id for category in categories for alias in category.aliases}
        by_name |= {normalized(category.name): category.id for category in categories}
        exact = {category.name: category.id for category in categories}
        self.size = len(names)
        self.ids = np.array([exact.get(name, by_name.get(normalized(name), -1)) for name in names], dtype=np.int64)
        self.known = self.ids >= 0
        counts = Counter(name for name, known in zip(names, self.known, strict=True) if known)
        if (duplicate := next((name for name, count in counts.items() if count > 1), None)) is not None:
            labels = [label for label, name in enumerate(names) if name == duplicate]
            raise ContractError(
                f"its labels {labels[0]} and {labels[1]} are both called `{duplicate}`: give one of them another name"
            )
        for category in categories:
            if not 0 <= category.id < 2**31:
                raise ContractError(
                    f"category `{category.name}` has the id {category.id}, which is not in 0..{2**31 - 1}"
                )
        if not self.known.any():
            raise ContractError(
                coded(
                    "T10",
                    f"none of its categories ({', '.join(names[:5])} ...) is one of the data set's "
                    f"({', '.join(category.name for category in list(categories)[:5])} ...)",
                )
            )


def normalized(name: str) -> str:
    """Return a category's name without what does not matter: case, outer spaces, and ``_`` instead of a space."""
    return name.strip().lower().replace("_", " ")
