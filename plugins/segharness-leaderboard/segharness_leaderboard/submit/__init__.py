"""Submitting: a run becomes a bundle, and a bundle is checked as a board checks it."""

from segharness_leaderboard.submit.check import Checked, check_bundle
from segharness_leaderboard.submit.pack import PackedBundle, pack

__all__ = ["Checked", "PackedBundle", "check_bundle", "pack"]
