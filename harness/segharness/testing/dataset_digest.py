"""Whether a data set has the same digest in another process, as workers and other machines make it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from segharness.data.open_dataset import open_dataset
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.suite.from_arguments import dataset_from_argument
from segharness.testing.findings import Finding


def digest_finding(name: str, digest: str, plugins: Sequence[str], variables: Mapping[str, str]) -> Finding:
    """Compare the digest of a data set with the one that another process finds.

    Args:
        name: of the data set.
        digest: in this process.
        plugins: the values of ``-p``.
        variables: the values of options that have a variable.
    """
    request = {"name": name, "plugins": list(plugins), "variables": dict(variables)}
    done = subprocess.run(
        [sys.executable, "-m", "segharness.testing.dataset_digest", json.dumps(request)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "271828"},
        check=False,
    )
    if done.returncode != 0:
        return Finding("digest", skipped="it could not be made in another process")
    other = done.stdout.splitlines()[-1]
    if other != digest:
        look = "hash(), which differs from process to process, the time, or random numbers: use hashlib on the content"
        return Finding("digest", f"`digest` is {digest[:16]} here and {other[:16]} in another process", look)
    return Finding("digest")


def main(request: Mapping[str, object]) -> None:
    """Print the digest of the data set that a request names."""
    host = PluginHost.load(PluginArguments(tuple(request["plugins"])))  # type: ignore[arg-type]
    entry = dataset_from_argument(str(request["name"]), host, variables=request["variables"])  # type: ignore[arg-type]
    print(open_dataset(entry, host).dataset.digest)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
