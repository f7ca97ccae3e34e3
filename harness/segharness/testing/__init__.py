"""Tools for the tests of plugins; segharness's own tests use them too.

There is a check for every kind of thing that a plugin offers: ``check_model``, ``check_dataset``, ``check_corruption``,
``check_metric``, ``check_reporter``, ``check_executor`` and ``check_suite``. The plugin ``segharness.testing.sample``
(``-p segharness.testing.sample``) has a data set, models and a corruption that need no files. With
``pytest_plugins = ["segharness.testing.harness_fixture"]`` in a conftest, the fixture ``harness`` runs the command line in
a temporary folder. ``processes``, ``workers_of`` and ``wait_for`` are for tests that disturb a run.
"""

from segharness.testing.command_line import CommandLine, CommandResult
from segharness.testing.corruption_checks import check_corruption, corruption_findings
from segharness.testing.dataset_checks import check_dataset, dataset_findings
from segharness.testing.findings import Finding
from segharness.testing.labelled_images import LabelledImage, labelled_images, photographs
from segharness.testing.model_checks import check_model, model_findings
from segharness.testing.processes import processes, wait_for, workers_of
from segharness.testing.run_checks import check_executor, check_metric, check_reporter, check_suite

__all__ = [
    "CommandLine",
    "CommandResult",
    "Finding",
    "LabelledImage",
    "check_corruption",
    "check_dataset",
    "check_executor",
    "check_metric",
    "check_model",
    "check_reporter",
    "check_suite",
    "corruption_findings",
    "dataset_findings",
    "labelled_images",
    "model_findings",
    "photographs",
    "processes",
    "wait_for",
    "workers_of",
]
