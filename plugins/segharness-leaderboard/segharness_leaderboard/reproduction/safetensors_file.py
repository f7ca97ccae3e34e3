"""Whether a file of weights has the form of safetensors, which holds no code: a header of JSON, and numbers."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from segharness import UsageError

_LARGEST_HEADER = 100 << 20


def check_safetensors(file: Path) -> None:
    """Raise UsageError if a file is not one in the safetensors format."""
    size = file.stat().st_size
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > min(_LARGEST_HEADER, size - 8):
                raise ValueError("its header is longer than the file")
            header = json.loads(opened.read(length))
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        for name, tensor in header.items():
            if name != "__metadata__":
                start, end = tensor["data_offsets"]
                if not (type(start) is int and type(end) is int and 0 <= start <= end <= size - 8 - length):
                    raise ValueError(f"the tensor {name!r:.60} lies outside of it")
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{file.name}: is no safetensors file: {str(error)[:200]}") from error
