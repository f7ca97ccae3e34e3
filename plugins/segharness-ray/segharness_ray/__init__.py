"""Run segharness suites on a Ray cluster."""
