"""One positive factor per recommender that turns its scores into nats.

After calibration, softmax(scores) over the items that are not in the history is the best such estimate of
the probability of the next item, so that wishes and teacher terms (in nats) mean the same on top of any
recommender. Guo et al. (2017) call it temperature scaling. Rankings do not change.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

_LOG_RANGE = (-12.0, 12.0)


def negative_log_likelihood(
    scores: NDArray[np.floating],
    targets: NDArray[np.integer],
    masked: NDArray[np.bool_],
    scale: float = 1.0,
) -> float:
    """Return the mean of -log softmax(scale * scores)[target] over unmasked items, in nats.

    Args:
        scores: (B, N), finite.
        targets: (B,); rows whose target is masked are left out.
        masked: (B, N) items that cannot come next.
        scale: positive factor on the scores.

    Returns:
        Nats per row; NaN when no row is left.
    """
    rows = np.flatnonzero(~masked[np.arange(len(targets)), targets])
    if len(rows) == 0:
        return float("nan")
    scaled = scale * scores[rows].astype(np.float64)
    open_items = np.where(masked[rows], -np.inf, scaled)
    return float(np.mean(logsumexp(open_items, axis=1) - scaled[np.arange(len(rows)), targets[rows]]))


def fit_scale(scores: NDArray[np.floating], targets: NDArray[np.integer], masked: NDArray[np.bool_]) -> float:
    """Return the factor on the scores with the least negative log-likelihood.

    The likelihood is concave in the factor, so a bounded search in its logarithm finds the optimum. Scores
    that carry no information (all equal, or worse than none) keep the factor 1: shrinking them to nothing
    would destroy their order in single precision.

    Args:
        scores: (B, N), finite.
        targets: (B,) held-out items.
        masked: (B, N) items that cannot come next.

    Returns:
        A positive factor; 1.0 when there is nothing to learn it from.
    """
    spread = float(np.std(scores)) if scores.size else 0.0
    if spread == 0.0 or np.isnan(negative_log_likelihood(scores, targets, masked)):
        return 1.0
    result = minimize_scalar(
        lambda log_factor: negative_log_likelihood(
            scores, targets, masked, float(np.exp(log_factor)) / spread
        ),
        bounds=_LOG_RANGE,
        method="bounded",
        options={"xatol": 1e-3},
    )
    at_edge = result.x < _LOG_RANGE[0] + 1.0
    return 1.0 if at_edge else float(np.exp(result.x) / spread)


class Reliability(NamedTuple):
    """Choices that were given about the same probability."""

    predicted: float
    """Mean probability."""
    observed: float
    """Share of them that came next."""
    number: int
    """Of choices, an item at a point each."""


def reliability(
    scores: NDArray[np.floating],
    targets: NDArray[np.integer],
    masked: NDArray[np.bool_],
    num_bins: int = 10,
) -> list[Reliability]:
    """Compare the probabilities that scores in nats stand for with how often items came next.

    Bins are evenly spaced in the logarithm of the probability, from 1e-4 to 1; rarer choices share the first
    bin (Guo et al. 2017, arXiv 1706.04599, draw such diagrams). Calibrated scores lie on the diagonal.

    Args:
        scores: (B, N) in nats.
        targets: (B,) held-out items.
        masked: (B, N) items that cannot come next.
        num_bins: bins; empty ones are left out.
    """
    open_items = np.where(masked, -np.inf, scores.astype(np.float64))
    log_probs = open_items - logsumexp(open_items, axis=1, keepdims=True)  # (B, N)
    edges = np.linspace(_LEAST_LOG, 0.0, num_bins + 1)[1:-1]
    place = np.digitize(log_probs, edges)  # (B, N) in 0..num_bins - 1
    came = np.zeros(scores.shape, np.bool_)
    came[np.arange(len(targets)), targets] = True
    found = []
    for one in range(num_bins):
        inside = (place == one) & ~masked
        if inside.any():
            predicted, observed = float(np.exp(log_probs[inside]).mean()), float(came[inside].mean())
            found.append(Reliability(predicted, observed, int(inside.sum())))
    return found


_LEAST_LOG = float(np.log(1e-4))
