"""A stranger who submits a model: a plugin that needs numpy alone, its wheel and weights, and an https server."""

from __future__ import annotations

import http.server
import json
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.distributions import build

PYPROJECT = """
[build-system]
requires = ["hatchling>=1.24"]
build-backend = "hatchling.build"

[project]
name = "segharness-stranger"
version = "1.0"
dependencies = ["segharness>=0.1", "numpy>=1.24"]

[project.entry-points.segharness]
stranger = "segharness_stranger.plugin"

[tool.hatch.build.targets.wheel]
packages = ["segharness_stranger"]
"""

PLUGIN = """
from segharness import ModelSpec, WeightsSpec, hookimpl


@hookimpl
def segharness_models():
    yield ModelSpec(
        "stranger/cells", factory="segharness_stranger.cells:Cells", description="regions", weights=WeightsSpec("required")
    )
"""

MODEL = '''
"""Cells are the connected regions that are brighter than a share of the image's brightest; numpy alone."""
import json
import struct

import numpy as np
from segharness import Instances


class Cells:
    categories = ("cell",)

    def __init__(self, weights):
        with open(weights, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            self.share, self.least = np.frombuffer(file.read(), np.float32)
        assert header["share"]["shape"] == [2]

    def predict(self, images, prompts=None):
        return [self._find(image) for image in images]

    def _find(self, image):
        value = image.max(axis=2).astype(np.float32)
        smooth = np.pad(value, 1, mode="edge")
        smooth = sum(smooth[i : i + value.shape[0], j : j + value.shape[1]] for i in range(3) for j in range(3)) / 9
        low, high = np.percentile(smooth, [20, 99])
        found = [mask for mask in regions(smooth > low + self.share * (high - low)) if mask.sum() >= self.least]
        masks = np.array(found, dtype=bool).reshape(-1, *value.shape)
        spans = [[np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1)] for mask in masks]
        boxes = [[x[0], y[0], x[-1] + 1, y[-1] + 1] for x, y in spans]
        sizes = [mask.sum() / ((b[2] - b[0]) * (b[3] - b[1])) for mask, b in zip(masks, boxes)]
        return Instances(
            np.array(boxes, dtype=np.float32).reshape(-1, 4),
            np.array(sizes, dtype=np.float32),
            np.zeros(len(masks), dtype=np.int64),
            masks,
        )


def regions(mask):
    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    for _ in range(200):
        around = np.pad(numbers, 1)
        largest = np.maximum.reduce([numbers, around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]])
        largest[mask] = np.maximum(largest, largest.ravel()[largest - 1])[mask]  # and what that pixel has
        largest[~mask] = 0
        if np.array_equal(largest, numbers):
            break
        numbers = largest
    return [numbers == number for number in np.unique(numbers) if number]
'''


def write_weights(file: Path, *values: float) -> Path:
    """Write weights in the safetensors format."""
    data = np.array(values, dtype=np.float32).tobytes()
    header = json.dumps({"share": {"dtype": "F32", "shape": [len(values)], "data_offsets": [0, len(data)]}}).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return file


def write_plugin(folder: Path, **replaced: str) -> Path:
    """Write the plugin's project into a folder, build its wheel, and return that.

    Args:
        folder: to write into.
        replaced: other texts for ``pyproject``, ``plugin`` and ``model``.
    """
    package = folder / "segharness_stranger"
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(replaced.get("pyproject", PYPROJECT))
    (package / "__init__.py").write_text('"""A stranger\'s plugin."""\n')
    (package / "plugin.py").write_text(replaced.get("plugin", PLUGIN))
    (package / "cells.py").write_text(replaced.get("model", MODEL))
    build(folder, folder / "dist")
    [wheel] = (folder / "dist").glob("*.whl")
    return wheel


REDIRECTED = {
    "/to-http": "http://localhost/x.whl",
    "/to-file": "file:///etc/passwd",
    "/redirected": "/x.whl",
    "/again": "/again",
}
"""Where paths of the server lead."""


@contextmanager
def https_server(folder: Path, certificates: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve a folder on this machine. Yields the address, and the environment in which its certificate is believed."""
    certificates.mkdir(parents=True, exist_ok=True)
    key, certificate = certificates / "key.pem", certificates / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, directory=str(folder), **named)

        def do_GET(self):
            target = REDIRECTED.get(self.path)
            if target is None:
                return super().do_GET()
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}", {"SSL_CERT_FILE": str(certificate)}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
