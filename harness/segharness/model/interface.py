"""Checks whether an object is a model that the engine can use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

from segharness.errors import UsageError
from segharness.records import StoredPredictions


def has_stored_predictions(model: Any) -> TypeGuard[StoredPredictions]:
    """Return whether a model has stored predictions: it has `load_predictions` and no `predict`."""
    return isinstance(model, StoredPredictions) and not hasattr(model, "predict")


def require_model(model: Any) -> None:
    """Raise UsageError if an object is neither a `Model` nor `StoredPredictions`."""
    if has_stored_predictions(model):
        return
    if not callable(getattr(model, "predict", None)):
        raise UsageError(f"a {type(model).__name__} has no method `predict`, which a model needs")
    categories = getattr(model, "categories", None)
    if not isinstance(categories, Sequence) or isinstance(categories, str):
        raise UsageError(f"a {type(model).__name__} has no `categories`: a sequence of names, one a label")
