"""Weights of the hub: a snapshot's folder, with the few files that are needed and nothing that could run code."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
from huggingface_hub import errors
from segharness import UsageError

from segharness_transformers.files import FILES, problem_with_folder


def fetch(weights: str, revision: str | None = None, local_files_only: bool = False) -> Path:
    """Return the local folder of a repository of the hub, fetched first where it is not in the hub's cache.

    Args:
        weights: ``owner/name``.
        revision: a branch, tag or commit; main when None.
        local_files_only: fetch nothing.

    Raises:
        UsageError: it cannot be had, or has no safetensors; the message says which files to put where.
    """
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                weights, revision=revision, local_files_only=local_files_only, allow_patterns=list(FILES)
            )
        )
    except (OSError, ValueError, errors.HTTPError) as error:
        why = "nothing may be fetched, and it is not in the hub's cache" if local_files_only else _first(error)
        raise UsageError(f"the weights `{weights}` cannot be fetched: {why}; {_advice(weights, revision)}") from error
    if (problem := problem_with_folder(folder)) is not None:
        raise UsageError(f"the weights `{weights}`: {problem}; {_advice(weights, revision)}")
    return folder


def _advice(weights: str, revision: str | None) -> str:
    where = f"https://huggingface.co/{weights}/tree/{revision or 'main'}"
    return (
        f"put config.json, preprocessor_config.json and *.safetensors of {where} (and, of OneFormer, the tokenizer's "
        "vocab.json and merges.txt) into a folder, and give that folder as `weights`"
    )


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
