"""The grammar of suite files, as a JSON Schema.

It has three uses: `segharness.suite.check` checks suites by it, ``segharness schema`` prints it for editors, and it
documents every key. It may use only the keywords that `check` knows.
"""

from __future__ import annotations

from typing import Any

VERSION = 1

ID = "^[a-z0-9][a-z0-9._-]*$"
_ID = {"type": "string", "pattern": ID, "description": "a short name: lower-case letters, digits, . _ -"}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_SEVERITIES = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1},
    "description": "whole numbers that the corruption has: 1 to 5 for most",
}
_OPTIONS = {
    "type": "object",
    "additionalProperties": True,
    "description": "options of the plugin; see `segharness models`",
}

_RESOLUTION = {
    "type": "string",
    "enum": ["model", "original", "original-if-possible"],
    "description": "the size at which networks are given the images: `model`, as each was published; `original`, as the "
    "images are; `original-if-possible`, the same for the networks that can; model when absent",
}

_MODEL = {
    "type": "object",
    "additionalProperties": False,
    "required": ["model"],
    "properties": {
        "id": {**_ID, "description": "the name in node ids and tables; derived from the model's name when absent"},
        "model": {"type": "string", "description": "`family/name` of a plugin, or `./file.py:function`"},
        "options": _OPTIONS,
        "options_for": {
            "type": "object",
            "additionalProperties": _OPTIONS,
            "description": "options for one data set only, by the data set's id; they win over `options`",
        },
        "weights": {
            "type": "string",
            "description": "a weights file, relative to the suite, or a name that the model knows",
        },
        "python": {
            "type": "string",
            "description": "the interpreter of another environment to run the model in",
        },
        "batch_size": {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^auto$", "description": "auto, or a whole number"},
            ],
            "description": "images per call of predict; 1 is canonical; auto finds the fastest that fits",
        },
        "needs": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "device": {"type": "string", "pattern": "^[a-z]+$", "description": "cuda, cpu ... or any"},
                "memory": {"type": "number", "minimum": 0, "description": "GiB that the loaded model takes"},
            },
            "description": "the devices that can run it; wins over the needs that its plugin states",
        },
        "facts": {
            "type": "object",
            "additionalProperties": True,
            "description": "what is known of it, for `segharness report --by`: normalisation, epochs ...",
        },
        "tags": {**_STRINGS, "description": "additional tags for `-m`"},
    },
}
_MODELS = {
    "type": "array",
    "items": {"anyOf": [{"type": "string"}, _MODEL]},
    "description": "names, or mappings with options",
}
_REFERENCE = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["results"],
            "properties": {
                "results": {
                    "type": "string",
                    "description": "a results.arrow of an earlier run, relative to the suite",
                },
                "model": {"type": "string", "description": "which of its models; needed when it has several"},
            },
        },
    ],
    "description": "the model that CD and rCD divide by: a model's id, or stored results",
}

SUITE: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "segharness suite",
    "type": "object",
    "additionalProperties": False,
    "required": ["segharness", "datasets", "conditions"],
    "properties": {
        "segharness": {"const": VERSION, "description": "the version of this file format"},
        "name": {**_ID, "description": "names the run folder; the file's name when absent"},
        "description": {"type": "string", "description": "a sentence or two for readers"},
        "extends": {
            "anyOf": [{"type": "string"}, _STRINGS],
            "description": "suite files to build on; mappings merge, lists and scalars are replaced, null removes",
        },
        "requires": {
            **_STRINGS,
            "description": "distributions that must be installed, as PEP 508 requirements, e.g. segharness-coco>=0.1",
        },
        "seed": {"type": "integer", "minimum": 0, "description": "the seed of all random corruptions; 0 when absent"},
        "models": _MODELS,
        "reference": _REFERENCE,
        "groups": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "models"],
                "properties": {"name": _ID, "reference": _REFERENCE, "models": _MODELS},
            },
            "description": "several groups of models, each with its own reference; instead of `models`",
        },
        "datasets": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["dataset"],
                        "properties": {
                            "id": {**_ID, "description": "the name in node ids and tables"},
                            "dataset": {"type": "string", "description": "`family/name` of a plugin"},
                            "options": _OPTIONS,
                            "limit": {"type": "integer", "minimum": 1, "description": "only the first images"},
                            "sample": {
                                "type": "integer",
                                "minimum": 1,
                                "description": "only so many images, drawn by a fixed rule from their ids",
                            },
                            "labels": {
                                "type": "object",
                                "additionalProperties": {"type": "string"},
                                "description": "for a category: the category that it becomes, `drop` or `ignore`",
                            },
                            "categories": {
                                "anyOf": [{"type": "string"}, _STRINGS],
                                "description": "the categories that are scored: a named set, or a list; all when absent",
                            },
                            "resolution": _RESOLUTION,
                            "tags": {**_STRINGS, "description": "additional tags for `-m`"},
                        },
                    },
                ]
            },
            "description": "names, or mappings with options",
        },
        "resolution": {**_RESOLUTION, "description": "for data sets that do not set it themselves"},
        "conditions": {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "array",
                    "items": {
                        "anyOf": [
                            {"type": "string"},
                            {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {
                                    "set": {"type": "string", "description": "a named set, e.g. paper15"},
                                    "name": {**_ID, "description": "the name of your own list in tables"},
                                    "corruptions": {**_STRINGS, "description": "corruptions, instead of `set`"},
                                    "severities": _SEVERITIES,
                                },
                            },
                        ]
                    },
                },
            ],
            "description": "`clean`, a set (paper15), a corruption (fog: all severities; fog-3: one), a mixture (mixed)",
        },
        "scoring": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "tasks": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "segm (mask AP), bbox (box AP), boundary; segm and bbox when absent",
                },
                "metrics": {
                    "type": "array",
                    "items": {
                        "anyOf": [
                            {"type": "string"},
                            {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["metric"],
                                "properties": {
                                    "id": {**_ID, "description": "the name of the evaluation in results"},
                                    "metric": {"type": "string", "description": "a metric on offer, e.g. coco"},
                                    "options": {
                                        **_OPTIONS,
                                        "description": "options of the metric; see docs/metrics.md",
                                    },
                                    "datasets": {
                                        **_STRINGS,
                                        "description": "the ids of the data sets that it scores; all when absent",
                                    },
                                },
                            },
                        ]
                    },
                    "description": "evaluations: names, or mappings with options; coco when absent",
                },
                "splits": {
                    "type": "object",
                    "additionalProperties": {
                        "anyOf": [
                            {"type": "string"},
                            _STRINGS,
                            {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["not"],
                                "properties": {"not": {"anyOf": [{"type": "string"}, _STRINGS]}},
                            },
                        ]
                    },
                    "description": "name: a category set (voc), a list of category names, or {not: ...}",
                },
            },
        },
        "shifts": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "clean", "datasets"],
                "properties": {
                    "name": _ID,
                    "clean": {"type": "string", "description": "the id of the data set that counts as clean"},
                    "datasets": {**_STRINGS, "description": "the ids of the data sets that count as corrupted"},
                },
            },
            "description": "CD and rCD over data sets: one counts as clean, the others take the place of corruptions",
        },
        "limit": {"type": "integer", "minimum": 1, "description": "only the first images of every data set"},
        "report": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["view"],
                        "properties": {
                            "view": {"type": "string", "description": "metrics, classes, parts or ratios"},
                            "datasets": {
                                **_STRINGS,
                                "description": "the ids of the data sets to show; all when absent",
                            },
                        },
                    },
                ]
            },
            "description": "views to show besides the usual tables, named like the flags of `segharness report`",
        },
    },
}


def for_editors() -> dict[str, Any]:
    """Return the schema of a single file as written, before variables are expanded and bases are merged.

    ``${NAME}`` may stand for a number, every key may be ``null``, and a file that extends another may lack keys.
    """
    variable = {"type": "string", "pattern": r"\$\{"}

    def with_variables(part: Any) -> Any:
        if isinstance(part, list):
            return [with_variables(item) for item in part]
        if not isinstance(part, dict):
            return part
        part = {key: with_variables(value) for key, value in part.items()}
        if part.get("type") == "integer" or "enum" in part:
            description = {k: part.pop(k) for k in ("description",) if k in part}
            return {"anyOf": [part, variable], **description}
        if "pattern" in part and part.get("type") == "string":
            part["pattern"] = f"{part['pattern']}|\\$\\{{"
        return part

    schema: dict[str, Any] = with_variables(SUITE)
    keys = schema["properties"]
    for key in keys.keys() - {"segharness"}:
        keys[key] = {"anyOf": [keys[key], {"type": "null"}], "description": keys[key].get("description", "")}
    del schema["required"]
    schema["anyOf"] = [{"required": ["segharness", "extends"]}, {"required": SUITE["required"]}]
    return schema
