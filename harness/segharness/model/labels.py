"""A model's labels -> a data set's categories, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from segharness.errors import ContractError
from segharness.records import Category


class Labels:
    """A model's labels -> a data set's category ids, by name and declared aliases.

    Raises:
        ContractError: the model's `categories` are not names, or none of them is a category of the data set.
    """

    def __init__(self, model_categories: Sequence[str], categories: Sequence[Category]) -> None:
        names = list(model_categories)
        if not names or not all(isinstance(name, str) for name in names):
            raise ContractError(f"`categories` must be a sequence of names, not {model_categories!r:.80}")
        by_name = {_plain(alias): c.id for c in categories for alias in c.aliases}
        by_name |= {_plain(c.name): c.id for c in categories}
        exact = {c.name: c.id for c in categories}
        self.size = len(names)
        self.ids = np.array([exact.get(name, by_name.get(_plain(name), -1)) for name in names], dtype=np.int64)
        self.known = self.ids >= 0
        counts = Counter(name for name, known in zip(names, self.known, strict=True) if known)
        if (twice := next((name for name, count in counts.items() if count > 1), None)) is not None:
            at = [i for i, name in enumerate(names) if name == twice]
            raise ContractError(
                f"its labels {at[0]} and {at[1]} are both called `{twice}`: give one of them another name"
            )
        for c in categories:
            if not 0 <= c.id < 2**31:
                raise ContractError(f"category `{c.name}` has the id {c.id}, which is not in 0..{2**31 - 1}")
        if not self.known.any():
            raise ContractError(
                f"none of its categories ({', '.join(names[:5])} ...) is one of the data set's "
                f"({', '.join(c.name for c in list(categories)[:5])} ...)"
            )


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ")
