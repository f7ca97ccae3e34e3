"""The training command ``python -m segharness_toymaskrcnn.train bn``."""

from __future__ import annotations

import sys

from segharness_toycells.training import main

from segharness_toymaskrcnn.task import TASKS

if __name__ == "__main__":
    sys.exit(main("python -m segharness_toymaskrcnn.train", TASKS))
