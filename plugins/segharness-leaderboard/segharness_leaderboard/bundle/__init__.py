"""Bundles: the predictions of one model under a named protocol, with the model's card, under one digest."""

from segharness_leaderboard.bundle.bundle import BUNDLE, Bundle, BundleFile, Made, expected_paths
from segharness_leaderboard.bundle.merkle import merkle_root
from segharness_leaderboard.bundle.model_card import ModelCard, Remote

__all__ = [
    "BUNDLE",
    "Bundle",
    "BundleFile",
    "Made",
    "ModelCard",
    "Remote",
    "expected_paths",
    "merkle_root",
]
