"""Predictions -> numbers: evaluations, degradation, results."""

from segharness.score.request import GroundTruth, Score, ScoreRequest, check_split
from segharness.score.score import BOOTSTRAP, ScoreOptions, check_engine, score_run
from segharness.score.stored import check_stored_reference, models_of, protocol_of

__all__ = [
    "BOOTSTRAP",
    "GroundTruth",
    "Score",
    "ScoreOptions",
    "ScoreRequest",
    "check_engine",
    "check_split",
    "check_stored_reference",
    "models_of",
    "protocol_of",
    "score_run",
]
