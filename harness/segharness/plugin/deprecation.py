"""How a part of the plugin API is taken away: with a warning for one minor version, which names plugin and replacement."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class PluginDeprecationWarning(FutureWarning):
    """A plugin uses what a later segharness will not have. `PluginHost` adds the plugin's name and shows it once.

    It is shown by default, unlike a `DeprecationWarning`.

    Example:
        >>> issubclass(PluginDeprecationWarning, FutureWarning)
        True
    """


def deprecated(what: str, *, instead: str, removed_in: str) -> None:
    """Warn whoever calls a part of the API that will be removed. A plugin may use it for its own API, too.

    Args:
        what: the part, such as ``ModelSpec(gpu=...)``.
        instead: what to use.
        removed_in: the first version without it; the minor version after the one that begins to warn, or later.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     deprecated("ModelSpec(gpu=...)", instead="ModelSpec(needs=...)", removed_in="0.3")
        >>> print(caught[0].message)
        ModelSpec(gpu=...) is deprecated and will be gone in segharness 0.3: use ModelSpec(needs=...)
    """
    message = f"{what} is deprecated and will be gone in segharness {removed_in}: use {instead}"
    warnings.warn(message, PluginDeprecationWarning, stacklevel=3)


@contextmanager
def collected(into: list[str]) -> Iterator[None]:
    """Append the texts of such warnings to `into`, each once, instead of showing them; other warnings are shown."""
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as recorded:
            caught = recorded
            warnings.simplefilter("always", PluginDeprecationWarning, append=True)  # a filter of the caller's own wins
            yield
    finally:
        for warning in caught:
            if not issubclass(warning.category, PluginDeprecationWarning):
                warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
            elif str(warning.message) not in into:
                into.append(str(warning.message))
