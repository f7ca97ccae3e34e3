"""Tools for the tests of plugins; segharness's own tests use them too.

``check_model``, ``check_dataset`` and ``check_corruption`` check an object against its contract. With
``pytest_plugins = ["segharness.testing.harness_fixture"]`` in a conftest, the fixture ``harness`` runs the command line in
a temporary folder. ``processes``, ``workers_of`` and ``wait_for`` are for tests that disturb a run.
"""

from segharness.testing.command_line import CommandLine, CommandResult
from segharness.testing.contracts import check_corruption, check_dataset, check_model
from segharness.testing.processes import processes, wait_for, workers_of

__all__ = [
    "CommandLine",
    "CommandResult",
    "check_corruption",
    "check_dataset",
    "check_model",
    "processes",
    "wait_for",
    "workers_of",
]
