"""The training command ``python -m segharness_adaptis.train toy``."""

from __future__ import annotations

import sys

from segharness_toycells.training import main

from segharness_adaptis.task import TASKS

if __name__ == "__main__":
    sys.exit(main("python -m segharness_adaptis.train", TASKS))
