"""``python -m segharness.worker``, the process that executors start; see `segharness.execution.worker.main`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    if Path(sys.path[0] or ".").resolve() == Path.cwd():
        del sys.path[0]  # modules in the user's folder must not shadow those that a worker imports
    from segharness.execution.worker.main import main

    raise SystemExit(main())
