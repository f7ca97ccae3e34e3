"""Arrow tables with another column in the place of one that they have."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    """Return a table with other values in a column, of the same type.

    Args:
        table: any.
        name: of the column.
        values: an Arrow array, or what becomes one.

    Example:
        >>> with_column(pa.table({"a": [1, 2]}), "a", [3, 4]).to_pydict()
        {'a': [3, 4]}
    """
    place = table.schema.get_field_index(name)
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array(values, field.type))
