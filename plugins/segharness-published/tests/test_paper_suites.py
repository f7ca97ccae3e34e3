"""The suites of the robustness paper's tables have the printed rows in their order, and divide by the printed reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.specs import PublishedSpec
from segharness.score.published import read_published

REPOSITORY = Path(__file__).resolve().parents[3]
HOST = PluginHost.load(PluginArguments())

MISSING = {"robustness/ib": {"YOLACT", "YOLACT++"}, "robustness/ic": {"S49", "S96", "S143"}}
"""Printed rows whose networks no plugin runs yet; the suites say so."""

OTHERWISE = {"GN scr": "gn-scratch", "SyncBN scr": "syncbn-scratch", "w/o": "without", "with": "together"}
"""Ids that differ from the printed names by more than case."""

TABLES = {"1a": "ia", "1b": "ib", "1c": "ic", "1d": "id", "3": "iii"}


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    import subprocess
    import sys

    def collect(table):
        words = ["collect", f"suites/paper/table{table}.yaml", "--resolved", "--var", "coco=nowhere"]
        done = subprocess.run(
            [sys.executable, "-m", "segharness", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        return yaml.safe_load(done.stdout)

    return collect


@pytest.mark.parametrize("table", TABLES)
def test_rows_order_and_reference_are_as_printed(resolved, table):
    spec = HOST.get(f"robustness/{TABLES[table]}", PublishedSpec)
    rows = [row.model for row in read_published(spec) if row.model not in MISSING.get(spec.name, set())]
    suite = resolved(table)
    [group] = suite["groups"]
    assert group["models"] == [OTHERWISE.get(row, row.lower()) for row in rows]
    assert group["reference"] == OTHERWISE.get(spec.reference, spec.reference.lower())
    if spec.name in MISSING:
        text = (REPOSITORY / f"suites/paper/table{table}.yaml").read_text()
        assert ("YOLACT++" in text or "SpineNet-49, -96 and -143" in text) and "which no plugin runs yet" in text


@pytest.mark.parametrize("table", TABLES)
def test_the_networks_are_those_of_the_printed_clean_ap(resolved, table):
    """The zoos' own AP, as their lists print it; a difference over 0.1 is in the suite's comments."""
    spec = HOST.get(f"robustness/{TABLES[table]}", PublishedSpec)
    printed = {OTHERWISE.get(row.model, row.model.lower()): 100 * row.values["clean"] for row in read_published(spec)}
    text = (REPOSITORY / f"suites/paper/table{table}.yaml").read_text()
    metric = "box AP" if table == "3" else "mask AP"
    for model in resolved(table)["models"]:
        zoo = published_ap(model["model"])[metric]
        if abs(zoo - printed[model["id"]]) > 0.1 + 1e-9:
            assert f"{zoo}, printed {printed[model['id']]:.1f}" in text, model["id"]


def published_ap(name):
    plugin, _, model = name.partition("/")
    rows = json.loads((REPOSITORY / f"plugins/segharness-{plugin}/segharness_{plugin}/catalogue.json").read_text())
    [row] = [row for row in rows if Path(row["config"]).stem == model and row.get("published")]
    return row["published"].get("COCO", row["published"])
