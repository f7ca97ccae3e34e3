"""Scoring: turns stored predictions into metrics, and the APs of a run into degradation under corruption."""

from segharness.score.agreement import agreement
from segharness.score.data_sources import DataSources, GivenPlaces, find_data_sources
from segharness.score.recompute import BrokenRule, Recomputed, check_files, recompute
from segharness.score.request import GroundTruth, Score, ScoreRequest, check_split
from segharness.score.score_checks import checked_scores
from segharness.score.score_options import DEFAULT_RESAMPLES, ScoreOptions, check_engine
from segharness.score.score_run import score_run
from segharness.score.score_subset import score_subset
from segharness.score.stored_reference import check_stored_reference, models_of, protocol_of
from segharness.score.verify import Finding, Verification, verify

__all__ = [
    "DEFAULT_RESAMPLES",
    "BrokenRule",
    "DataSources",
    "Finding",
    "GivenPlaces",
    "GroundTruth",
    "Recomputed",
    "Score",
    "ScoreOptions",
    "ScoreRequest",
    "Verification",
    "agreement",
    "check_engine",
    "check_files",
    "check_split",
    "check_stored_reference",
    "checked_scores",
    "find_data_sources",
    "models_of",
    "protocol_of",
    "recompute",
    "score_run",
    "score_subset",
    "verify",
]
