"""For ``segharness datasets check``: everything that is wrong with an annotation file, not only the first mistakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from segharness_coco.annotations import broken, complete, structure


def instances(annotations: str, images: str | None = None) -> Iterator[str]:
    """Yield every key that is missing and every broken item of ``coco/instances``."""
    try:
        content = json.loads(Path(annotations).read_bytes())
    except OSError as error:
        yield f"{annotations}: cannot be read: {error.strerror}"
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        yield f"{annotations}: not JSON: {error}"
    else:
        yield from (f"{annotations}: {problem}" for problem in (*structure(content), *broken(complete(content))))
