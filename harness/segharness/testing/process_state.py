"""What the code of one plugin may change in this process, so that the check of the next is not another one."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def restored_state() -> Iterator[list[str]]:
    """Restore the working directory, ``sys.path``, cores, warnings' filters and global random numbers afterwards.

    Yields:
        A list that has, afterwards, what was changed and must not be, in words.

    Example:
        >>> with restored_state() as changed:
        ...     np.random.seed(3)
        >>> changed
        ['the global random numbers of numpy']
    """
    changed: list[str] = []
    folder, path = Path.cwd(), list(sys.path)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    state_of_numpy: Any = np.random.get_state(legacy=False)
    state_of_python, errors = random.getstate(), np.geterr()
    torch: Any = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch is not None else 0
    with warnings.catch_warnings():
        try:
            yield changed
        finally:
            with suppress(OSError):
                if Path.cwd() != folder:
                    changed.append("the working directory")
            os.chdir(folder)
            sys.path[:] = path
            if cores is not None and os.sched_getaffinity(0) != cores:
                changed.append("the cores that this process runs on")
                os.sched_setaffinity(0, cores)
            now: Any = np.random.get_state(legacy=False)
            if not np.array_equal(now["state"]["key"], state_of_numpy["state"]["key"]):
                changed.append("the global random numbers of numpy")
            np.random.set_state(state_of_numpy)
            random.setstate(state_of_python)
            np.seterr(**errors)
            if torch is not None:
                torch.set_num_threads(threads)
