"""Writes new plugins: distributions that build, install, are found, run a suite and pass their own tests at once."""

from segharness.scaffold.new_plugin import PARTS, new_plugin

__all__ = ["PARTS", "new_plugin"]
