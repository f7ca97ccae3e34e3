"""The Python API, and what the command line does with it."""

from segharness.api.results_file import score_results, scored_results
from segharness.api.run_suite import evaluate, run, run_folder
from segharness.api.whole_run import FinishedRun, finish_run, prepare_run

__all__ = [
    "FinishedRun",
    "evaluate",
    "finish_run",
    "prepare_run",
    "run",
    "run_folder",
    "score_results",
    "scored_results",
]
