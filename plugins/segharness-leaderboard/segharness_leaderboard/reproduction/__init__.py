"""Tier 3: a sample of a bundle's predictions is made again from the published plugin and weights, and compared."""

from segharness_leaderboard.reproduction.sampling import Draw, Sampling, draws_needed, share_needed

__all__ = ["Draw", "Sampling", "draws_needed", "share_needed"]
