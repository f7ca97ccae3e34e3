"""Weights on the hub: fetches a snapshot with the few files that are needed, none of which can run code."""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors
from segharness import Origin, UsageError

from segharness_transformers.files import FILES, problem_with_folder


def fetch(weights: str, revision: str | None = None, local_files_only: bool = False) -> Path:
    """Return the local folder of a repository on the hub; fetch it first if it is not in the hub's cache.

    Args:
        weights: ``owner/name``.
        revision: a branch, tag or commit; main if None.
        local_files_only: fetch nothing.

    Raises:
        UsageError: it cannot be fetched, or has no safetensors; the message says which files to put where.
    """
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                weights, revision=revision, local_files_only=local_files_only, allow_patterns=list(FILES)
            )
        )
    except (OSError, ValueError, errors.HTTPError) as error:  # type: ignore[attr-defined]
        reason = "nothing may be fetched, and it is not in the hub's cache" if local_files_only else _first_line(error)
        raise UsageError(
            f"the weights `{weights}` cannot be fetched: {reason}; {_advice(weights, revision)}"
        ) from error
    if (problem := problem_with_folder(folder)) is not None:
        raise UsageError(f"the weights `{weights}`: {problem}; {_advice(weights, revision)}")
    return folder


def origin(path: Path, weights: str, revision: str | None = None) -> Origin:
    """Return the commit of a snapshot in the hub's cache; with a note, if the name may stand for another one tomorrow.

    Args:
        path: what `fetch` returned.
        weights: ``owner/name``.
        revision: a branch, tag or commit; main if None.
    """
    commit = path.name if re.fullmatch(r"[0-9a-f]{40}", path.name) else "unknown"
    address = f"{weights}@{commit}"
    if commit == "unknown" or (revision is not None and re.fullmatch(r"[0-9a-f]{40}", revision)):
        return Origin(address)
    moving = f"the revision `{revision}`" if revision is not None else "the branch main"
    note = (
        f"its weights `{weights}` are those of {moving}, now commit {commit}; they may be others tomorrow: "
        f"options: {{revision: {commit}}} keeps these"
    )
    return Origin(address, note)


def _advice(weights: str, revision: str | None) -> str:
    url = f"https://huggingface.co/{weights}/tree/{revision or 'main'}"
    return (
        f"put config.json, preprocessor_config.json and *.safetensors of {url} (and, for OneFormer, the tokenizer's "
        "vocab.json and merges.txt) into a folder, and give that folder as `weights`"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
