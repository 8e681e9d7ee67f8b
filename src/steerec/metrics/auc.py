"""The area under the ROC curve: how often a positive is scored above a negative."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def auc(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Return the share of pairs (positive, negative) in which the positive scores higher; a tie is a half.

    Equal to the Mann-Whitney statistic over the number of pairs (Hanley and McNeil 1982).

    Args:
        scores: (n,), higher is more likely positive.
        labels: (n,).

    Returns:
        In [0, 1]; NaN where all labels are equal.

    Raises:
        ValueError: shapes differ.

    Example:
        >>> auc(np.array([0.9, 0.4, 0.4, 0.1]), np.array([True, True, False, False]))
        0.875
    """
    if scores.shape != labels.shape or scores.ndim != 1:
        raise ValueError(f"scores and labels must be (n,) both; got {scores.shape} and {labels.shape}.")
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)  # ties share their mean rank
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
