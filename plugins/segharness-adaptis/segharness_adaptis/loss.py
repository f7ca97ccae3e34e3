"""The focal losses: normalized for masks, plain for the foreground."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def normalized_focal(logits: Tensor, targets: Tensor, alpha: float = 0.5, gamma: float = 2.0) -> Tensor:
    """Return the normalized focal loss of each map: -alpha (1/P) sum (1-p)^gamma log p, P = sum (1-p)^gamma.

    p is the confidence of the right answer. P is not differentiated, so the gradient of wrong pixels does not fade as
    the network improves. (AdaptIS, section 3.3)

    Args:
        logits: (N, H, W).
        targets: bool (N, H, W).
        alpha, gamma: the parameters of the focal loss.

    Returns:
        (N,).
    """
    wrong, cost = _focal_parts(logits, targets)
    weights = wrong**gamma
    total = weights.detach().sum(dim=(1, 2)).clamp_min(1e-6)
    return alpha * (weights * cost).sum(dim=(1, 2)) / total


def focal(logits: Tensor, targets: Tensor, gamma: float = 2.0) -> Tensor:
    """Return the focal loss, the mean over all pixels. (Lin et al., 2017)

    Args:
        logits: (N, H, W).
        targets: bool (N, H, W).
        gamma: how strongly easy pixels are weighted down.
    """
    wrong, cost = _focal_parts(logits, targets)
    return (wrong**gamma * cost).mean()


def _focal_parts(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return 1 - p and -log p of the right answer."""
    signed = torch.where(targets, logits, -logits)
    return torch.sigmoid(-signed), -functional.logsigmoid(signed)
