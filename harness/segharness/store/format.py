"""What the files of a run are, for machines: ``segharness schema``. docs/format.md says the same for people.

Arrow files are described by their columns, since Arrow has no schema language of its own; their metadata, and the
manifest, by JSON Schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from segharness.store.schemas import IMAGES, PREDICTIONS, RESULTS, SCHEMA_VERSION

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_HASH = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
"""128 bits of BLAKE2b, as hex."""
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_ID = {"type": "string", "pattern": "^[a-z0-9._-]+$"}
_NAMES = {"type": "array", "items": _TEXT}
_RANGE = {"type": "array", "maxItems": 2, "items": {"type": "integer"}}
_VERSION = {"type": "integer", "minimum": 1, "maximum": SCHEMA_VERSION}

UNITS = {
    **dict.fromkeys(("bbox", "height", "width", "input_height", "input_width", "padding"), "pixel"),
    "seconds": "second",
}
"""The units of columns that have one."""

COLUMNS: dict[str, dict[str, str]] = {
    "predictions": {
        "image_id": "the image, by the data set's own number",
        "category_id": "the category, by the data set's own number",
        "score": "the confidence; null if a model that takes prompts gives none",
        "bbox": "x, y, width, height of the box; x and y of its upper left corner",
        "mask": "the counts of a compressed COCO RLE of the image's size; null for detectors",
        "annotation_id": "the annotation that was the prompt; null without prompts",
    },
    "images": {
        "image_id": "the image, by the data set's own number",
        "height": "of the image",
        "width": "of the image",
        "n_instances": "how many rows the predictions have for the image",
        "dropped": "instances of categories that the data set does not have, which are not stored",
        "clipped": "boxes that reached over the border of the image, which were clipped",
        "seconds": "of the call of predict, divided by its images; null if the model was not run",
        "batch": "how many images that call had",
        "call": "how many calls the model had answered before in its process",
        "device": "what the model ran on",
        "prompt": "what the model got of the ground truth: boxes or points; null for nothing",
        "pixels": "the digest of the image that the model got: its first 64 bits of BLAKE2b, little-endian",
        "drawn": "the corruptions that a mixture drew; null for other conditions",
        "input_height": "of the tensor that entered the network, with padding; null if not known",
        "input_width": "of that tensor",
        "interpolation": "how the image was scaled to it: none, bilinear, bicubic ...",
        "padding": "its rows and columns that are no image: top, bottom, left, right",
        "error": "why the image has no predictions; null if it has",
    },
    "results": {
        "model": "the model, by its id in the suite",
        "reference": "the model that CD and rCD divide by; null for other metrics",
        "dataset": "the data set, by its id in the suite, or the name of a shift",
        "condition": "the condition; for numbers over several, the name of their set or of a part of it",
        "corruption": "of the condition; null for clean and for sets",
        "severity": "of the condition; null for clean and for sets",
        "evaluation": "how the cell was scored, by the id in the suite",
        "task": "segm, bbox ...",
        "split": "all, or one of the suite's splits of categories",
        "category": "one category; null for all of the split",
        "metric": "the number's name; the manifest has its unit and direction",
        "value": "the number in its metric's unit (fractions from 0 to 1); null if there is none",
        "reason": "why value is null, or why an interval that it should have is missing",
        "ci_low": "the lower end of the 95 percent interval, in the unit of value",
        "ci_high": "the upper end",
        "n_images": "images of the ground truth",
        "n_instances": "instances of the ground truth, without crowds",
        "device": "what a timing was taken on; null for other metrics",
    },
    "resamples": {
        "model": "as in results.arrow",
        "reference": "as in results.arrow",
        "dataset": "as in results.arrow",
        "condition": "as in results.arrow",
        "evaluation": "as in results.arrow",
        "task": "as in results.arrow",
        "split": "as in results.arrow",
        "metric": "as in results.arrow",
        "samples": "the number on each of the B resamples; NaN where it is undefined",
    },
}
"""What every column of the Arrow files holds."""

RESAMPLES = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in list(COLUMNS["resamples"])[:-1]),
        pa.field("samples", pa.list_(pa.float64(), 1000)),
    ]
)
"""The columns of resamples.arrow. The length of the lists is the number of resamples, 1000 by default."""

_METRIC = {
    "type": "object",
    "required": ["name", "unit", "better", "degradation", "column", "formula"],
    "properties": {
        "name": _TEXT,
        "unit": {"type": "string", "description": "fraction, count, seconds, per second, or another"},
        "better": {"enum": ["larger", "smaller", "neither"]},
        "degradation": {"type": "boolean", "description": "whether averages, CD and rCD are derived from it"},
        "column": {**_TEXT_OR_NULL, "description": "its heading in the tables of other evaluations"},
        "formula": _TEXT,
    },
}

_SUITE = {
    "type": "object",
    "description": "the resolved suite",
    "required": ["path", "name", "models", "groups", "datasets", "conditions", "condition_groups", "scoring", "seed"],
    "properties": {
        "path": _TEXT,
        "name": _ID,
        "description": _TEXT,
        "seed": {"type": "integer"},
        "models": {
            "type": "array",
            "items": {"type": "object", "required": ["id", "model"], "properties": {"id": _ID, "model": _TEXT}},
        },
        "groups": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "models", "reference"],
                "properties": {
                    "name": _TEXT,
                    "models": {"type": "array", "items": _ID},
                    "reference": {
                        "anyOf": [
                            _TEXT_OR_NULL,
                            {
                                "type": "object",
                                "required": ["results", "model"],
                                "properties": {"results": _TEXT, "model": _TEXT_OR_NULL, "digest": _TEXT_OR_NULL},
                            },
                        ]
                    },
                },
            },
        },
        "datasets": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "dataset"],
                "properties": {
                    "id": _ID,
                    "dataset": _TEXT,
                    "options": {"type": "object"},
                    "limit": {"type": ["integer", "null"]},
                    "sample": {"type": ["integer", "null"]},
                    "labels": {"type": "object"},
                    "categories": _NAMES,
                },
            },
        },
        "conditions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": _ID,
                    "corruption": _TEXT_OR_NULL,
                    "severity": {"type": ["integer", "null"]},
                    "category": _TEXT_OR_NULL,
                    "mixture": {"type": "boolean"},
                    "version": _TEXT,
                    "tags": _NAMES,
                },
            },
        },
        "condition_groups": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "conditions"],
                "properties": {"name": _TEXT, "conditions": {"type": "array", "items": _ID}},
            },
        },
        "scoring": {
            "type": "object",
            "required": ["tasks", "metrics", "splits"],
            "properties": {
                "tasks": _NAMES,
                "metrics": {
                    "type": "array",
                    "items": {
                        "anyOf": [
                            _TEXT,
                            {
                                "type": "object",
                                "required": ["id", "metric", "options"],
                                "properties": {
                                    "id": _ID,
                                    "metric": _TEXT,
                                    "options": {"type": "object"},
                                    "datasets": {"type": "array", "items": _ID},
                                },
                            },
                        ]
                    },
                },
                "splits": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "categories"],
                        "properties": {"name": _TEXT, "categories": _NAMES, "complement": {"type": "boolean"}},
                    },
                },
            },
        },
        "shifts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "clean", "datasets"],
                "properties": {"name": _TEXT, "clean": _ID, "datasets": {"type": "array", "items": _ID}},
            },
        },
        "report": {"type": "array", "items": {"type": "object", "required": ["view"]}},
    },
}

MANIFEST: dict[str, Any] = {
    "$schema": _DRAFT,
    "title": "manifest.json of a segharness run",
    "type": "object",
    "required": ["schema_version", "suite", "inputs", "plugin_arguments", "protocol"],
    "properties": {
        "schema_version": _VERSION,
        "suite": _SUITE,
        "protocol": {**_HASH, "description": "the protocol id"},
        "inputs": {
            "type": "object",
            "required": ["models", "datasets", "conditions"],
            "additionalProperties": False,
            "properties": {
                "models": {
                    "type": "object",
                    "description": "by model id and data set id, what decides the model's predictions",
                    "additionalProperties": {"type": "object", "additionalProperties": {"type": "object"}},
                },
                "datasets": {
                    "type": "object",
                    "description": "by data set id",
                    "additionalProperties": {
                        "type": "object",
                        "required": ["name", "digest"],
                        "properties": {"name": _TEXT, "digest": _TEXT, "version": _TEXT},
                    },
                },
                "conditions": {
                    "type": "object",
                    "description": "by the name of the condition",
                    "additionalProperties": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": _TEXT,
                            "corruption": _TEXT,
                            "version": _TEXT,
                            "seed": {"type": "integer"},
                            "source": _HASH,
                        },
                    },
                },
            },
        },
        "plugin_arguments": {
            "type": "object",
            "required": ["include", "folders"],
            "properties": {"include": _NAMES, "folders": _NAMES},
        },
        "plugins": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "distribution", "version", "used"],
                "properties": {"name": _TEXT, "distribution": _TEXT, "version": _TEXT, "used": {"type": "boolean"}},
            },
        },
        "packages": {"type": "object", "additionalProperties": _TEXT},
        "environments": {"type": "object", "description": "by model id"},
        "origins": {"type": "object", "description": "by model id", "additionalProperties": _TEXT},
        "python": _TEXT,
        "platform": _TEXT,
        "devices": _NAMES,
        "git": {"type": ["object", "null"]},
    },
}
"""JSON Schema of manifest.json."""

_OF_RESULTS: dict[str, Any] = {
    "engine": _TEXT,
    "bootstrap": {"type": "integer"},
    "notes": _NAMES,
    "facts": {
        "type": "object",
        "description": "what is known of each model, by its id, for `segharness report --by`",
        "additionalProperties": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    },
    "network_inputs": {
        "type": "array",
        "items": {
            "type": "object",
            "description": "what the network of a model was given of the images of a data set",
            "required": ["model", "dataset", "height", "width", "interpolation", "padded", "known", "unknown"],
            "properties": {
                "model": _ID,
                "dataset": _ID,
                "height": {**_RANGE, "description": "the least and the greatest, without padding; empty if not known"},
                "width": _RANGE,
                "interpolation": _NAMES,
                "padded": {"type": "boolean"},
                "known": {"type": "integer", "description": "of how many predictions it is recorded"},
                "unknown": {"type": "integer", "description": "of how many it is not"},
            },
        },
    },
    "observations": {"type": "array", "items": {"type": "array", "minItems": 3, "maxItems": 3, "items": _TEXT}},
    "references": {"type": "object", "additionalProperties": _HASH},
    "other_references": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": _HASH}},
    "reference_clean": {"type": "array", "items": {"type": "array", "minItems": 7, "maxItems": 7}},
    "metrics": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "required": ["table", "metrics"],
            "properties": {"table": {"type": "boolean"}, "metrics": {"type": "array", "items": _METRIC}},
        },
    },
}
"""What the manifest in results.arrow has besides what is in manifest.json."""


def _arrow(
    name: str, schema: pa.Schema, metadata: dict[str, Any], optional: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the description of an Arrow file; `optional` metadata may be missing."""
    return {
        "title": f"{name} of a segharness run",
        "format": "Arrow IPC file",
        "schema_version": SCHEMA_VERSION,
        "columns": [
            {
                "name": field.name,
                "type": str(field.type).replace(": double not null", ": double"),
                "nullable": field.nullable,
                **({"unit": UNITS[field.name]} if field.name in UNITS else {}),
                "description": COLUMNS[name][field.name],
            }
            for field in schema
        ],
        "metadata": {
            "key": "segharness",
            "schema": {
                "$schema": _DRAFT,
                "type": "object",
                "required": ["schema_version", *metadata],
                "properties": {"schema_version": _VERSION, **metadata, **(optional or {})},
            },
        },
    }


_SHARD = {"identity": _HASH, "inputs": {"type": "object"}, "checksum": _HASH}
_PREDICTABLE = {
    "predictable": {"type": "array", "items": {"type": "integer"}},
    "facts": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
}

SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "predictions": lambda: _arrow("predictions", PREDICTIONS, _SHARD, _PREDICTABLE),
    "images": lambda: _arrow("images", IMAGES, {**_SHARD, "predictions": _HASH}, _PREDICTABLE),
    "results": lambda: _arrow(
        "results",
        RESULTS,
        {
            "manifest": {**MANIFEST, "properties": {**MANIFEST["properties"], **_OF_RESULTS}},
            "rows": _HASH,
            "checksum": _HASH,
        },
    ),
    "resamples": lambda: _arrow("resamples", RESAMPLES, {"key": _HASH, "results": _HASH, "checksum": _HASH}),
    "manifest": lambda: MANIFEST,
}
"""The descriptions of a run's files, by what ``segharness schema`` calls them."""
