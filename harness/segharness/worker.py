"""``python -m segharness.worker``: the process that executors start; see `segharness.runner.worker`."""

from segharness.runner.worker import main

if __name__ == "__main__":
    raise SystemExit(main())
