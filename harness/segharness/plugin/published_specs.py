"""What plugins offer of printed results: `PublishedSpec`, a table of a paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from segharness.errors import PluginError
from segharness.plugin.spec_checks import check_spec, slug


@dataclass(frozen=True)
class PublishedSpec:
    """A printed table. It stands beside measured numbers, and is never averaged, ranked or divided with them.

    Attributes:
        name: what commands call the table, such as ``acme/table-2``.
        tables: by metric, the CSV file in the plugin's package, ``"segharness_acme:tables/2.csv"``. Its first column
            `model` names the rows, further columns hold numbers as they were printed; an empty cell was not printed.
        source: authors, title, venue and year, or an address.
        where: where in the source, such as ``"Table 2"``.
        protocol: what is known of how the numbers were made: data, task, severities, resolution.
        description: one line.
        scale: how an AP of 1 is written: 100 for percent, 1 for fractions.
        decimals: of the printed numbers.
        clean: the column of the numbers on clean images or data; empty for a table that has no degradation.
        reference: the row that the source's CD and rCD divide by; empty if it has none.
        printed: columns that are no conditions: an average, CD or rCD as printed, by ``average``, ``cd``, ``rcd``; any
            other name for what is neither.
        task, dataset, images, severity: what the numbers are of, as far as it is one thing: ``segm`` or ``bbox``, the data
            set as suites call it and how many images it has, the severity of columns that name a corruption. ``segharness
            report --published`` compares them with one's own.
        ids: the ids that models have in suites if they are printed rows, by the rows' names; a name in lower case, with
            hyphens for spaces, needs none.
        datasets: for numbers on several data sets, what is known of each, by its column: ``dataset``, as suites call it,
            the number of ``images``, ``resolution``, ``labels`` and ``categories`` as suites have them. The column
            `clean` is one of them.
        measures: for numbers on clean images, what each column is: the ``dataset`` as suites call it, its ``images``, the
            ``metric`` as results call it, its ``task``, the ``evaluation`` (``coco`` if absent) and the ``split`` of
            categories (``all`` if absent). A ``note`` says why one's own numbers are others all the same.
        sets: named choices of conditions, such as ``{"paper15": ("fog", "snow")}``. The first is the default.

    Example:
        >>> tables = {"AP": "segharness_acme:tables/2.csv"}
        >>> PublishedSpec("acme/table-2", tables=tables, source="Acme, 2025", where="Table 2").scale
        100.0
    """

    name: str
    _: KW_ONLY
    tables: Mapping[str, str]
    source: str
    where: str = ""
    protocol: str = ""
    description: str = ""
    scale: float = 100.0
    decimals: int = 1
    clean: str = ""
    reference: str = ""
    printed: Mapping[str, str] = field(default_factory=dict)
    task: str = ""
    dataset: str = ""
    images: int | None = None
    severity: int | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    measures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_spec(self)
        if not isinstance(self.tables, Mapping) or not self.tables:
            raise PluginError(f"PublishedSpec `{self.name}`: has no tables")
        for metric, file in self.tables.items():
            if not isinstance(file, str) or ":" not in file:
                raise PluginError(
                    f"PublishedSpec `{self.name}`: {metric} is {file!r:.60}, not 'package:path/in/it.csv'"
                )
        if self.scale not in (1.0, 100.0):
            raise PluginError(f"PublishedSpec `{self.name}`: scale is {self.scale!r:.60}, not 1 or 100")
        known = {"dataset", "images", "resolution", "labels", "categories"}
        for column, of_it in self.datasets.items():
            if not isinstance(of_it, Mapping) or not of_it.keys() <= known:
                raise PluginError(f"PublishedSpec `{self.name}`: datasets: `{column}` is {of_it!r:.60}, not of {known}")
        needed = {"dataset", "images", "metric", "task"}
        for column, of_it in self.measures.items():
            if not isinstance(of_it, Mapping) or not needed <= of_it.keys() <= needed | {"evaluation", "split", "note"}:
                raise PluginError(
                    f"PublishedSpec `{self.name}`: measures: `{column}` is {of_it!r:.60}, not of {needed}"
                )
        if self.datasets and self.clean not in self.datasets:
            raise PluginError(f"PublishedSpec `{self.name}`: datasets lacks the column `{self.clean}`, which is clean")
        if not self.source:
            raise PluginError(f"PublishedSpec `{self.name}`: has no source")

    def id_of(self, row: str) -> str:
        """Return the id that a model of a suite has if it is a row of the table.

        Example:
            >>> spec = PublishedSpec("a/1", tables={"AP": "a:1.csv"}, source="A", ids={"w/o": "without"})
            >>> spec.id_of("w/o"), spec.id_of("R50 FPN")
            ('without', 'r50-fpn')
        """
        return self.ids.get(row) or slug(row.lower().replace(" ", "-"))
