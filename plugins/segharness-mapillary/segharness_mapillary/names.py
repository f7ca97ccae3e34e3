"""The names of Vistas' categories: ``object--vehicle--car``, and what models call it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segharness import Category

_SEPARATOR = "--"


@dataclass(frozen=True)
class ShippedCategory:
    """A category of a JSON file. ``object--vehicle--car`` stands in `name`, or in `supercategory` beside ``Car``.

    Attributes:
        id: as in the file.
        name, supercategory: as in the file.
        is_thing: whether it has instances.
    """

    id: int
    name: str
    supercategory: str
    is_thing: bool

    @property
    def whole_name(self) -> str:
        """The name with its groups."""
        is_readable = _SEPARATOR not in self.name and _SEPARATOR in self.supercategory
        return self.supercategory if is_readable else self.name


def named_categories(shipped: Sequence[ShippedCategory], readable: Mapping[str, str]) -> list[Category]:
    """Return categories under their whole names, with aliases that mean one of them alone.

    The aliases of a category are its readable name, and the last part of its name with ``-`` and with spaces. A
    readable name wins: in v2.0 ``bicycle`` is the vehicle, not the symbol on the road.

    Args:
        shipped: the categories.
        readable: readable names by whole name, for categories whose file does not have one.

    Example:
        >>> [car, light] = named_categories(
        ...     [
        ...         ShippedCategory(56, "Car", "object--vehicle--car", True),
        ...         ShippedCategory(49, "object--traffic-light", "object", True),
        ...     ],
        ...     {},
        ... )
        >>> car.name, car.aliases, light.aliases
        ('object--vehicle--car', ('Car', 'car'), ('traffic-light', 'traffic light'))
    """
    read = {c.id: c.name if c.name != c.whole_name else readable.get(c.whole_name, "") for c in shipped}
    last = {c.id: _last_parts(c.whole_name) for c in shipped}
    readers = Counter(name.lower() for name in read.values() if name)
    users = Counter(part for id, parts in last.items() for part in {p.lower() for p in parts} - {read[id].lower()})
    categories = []
    for category in shipped:
        name = read[category.id]
        own = [name] if name and readers[name.lower()] == 1 else []
        for part in last[category.id]:
            if part.lower() == name.lower() or (users[part.lower()] == 1 and not readers[part.lower()]):
                own.append(part)
        aliases = tuple(alias for alias in dict.fromkeys(own) if alias != category.whole_name)
        categories.append(Category(category.id, category.whole_name, aliases))
    return categories


def _last_parts(name: str) -> list[str]:
    part = name.split(_SEPARATOR)[-1]
    return list(dict.fromkeys((part, part.replace("-", " "))))
