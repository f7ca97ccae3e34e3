"""``python -m segharness.worker``: the process that executors start; see `segharness.execution.worker.main`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    if Path(sys.path[0] or ".").resolve() == Path.cwd():
        del sys.path[0]  # what lies in the user's folder is not ours to import, whatever it is called
    from segharness.execution.worker.main import main

    raise SystemExit(main())
