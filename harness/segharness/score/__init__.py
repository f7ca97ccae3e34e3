"""Predictions -> numbers: scoring protocols, degradation, results."""

from segharness.score.curves import check_stored_reference, models_of
from segharness.score.request import GroundTruth, Score, ScoreRequest, check_split
from segharness.score.score import check_engine, score_run

__all__ = [
    "GroundTruth",
    "Score",
    "ScoreRequest",
    "check_engine",
    "check_split",
    "check_stored_reference",
    "models_of",
    "score_run",
]
