"""Confidence intervals by resampling users: percentile 95 % of 10,000 resamples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.seeding import numpy_rng

NUM_RESAMPLES = 10_000
_CHUNK = 250


class Interval(NamedTuple):
    """A mean with its 95 % interval and the number of users behind it."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.low > 0 or self.high < 0


def mean_interval(
    values: NDArray[np.floating], users: NDArray[np.integer] | None = None, *, seed: int = 0
) -> Interval:
    """Return the mean of per-user means and its percentile bootstrap interval over users.

    Args:
        values: float (n,), one value per evaluated point; NaN marks a point the metric is undefined for.
        users: int (n,), whose point it is; a user's points are averaged first. None: one user per point.
        seed: seed of the resamples.

    Returns:
        Mean, 2.5 % and 97.5 % points of 10,000 user resamples, number of users. All NaN when empty.
    """
    values = np.asarray(values, dtype=np.float64)
    users = np.arange(len(values)) if users is None else np.asarray(users)
    kept = ~np.isnan(values)
    if not kept.any():
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    means = user_means(values[kept], users[kept])
    resampled = _resampled_means(means, seed)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(float(means.mean()), float(low), float(high), len(means))


def paired_difference(
    values: NDArray[np.floating],
    reference: NDArray[np.floating],
    users: NDArray[np.integer] | None = None,
    *,
    seed: int = 0,
) -> Interval:
    """Return the interval of the mean per-user difference `values - reference`; shapes (n,), same points."""
    return mean_interval(np.asarray(values) - np.asarray(reference), users, seed=seed)


def user_means(values: NDArray[np.float64], users: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return each user's mean value, users in ascending order; shapes (n,), (n,) -> (number of users,)."""
    _, group = np.unique(users, return_inverse=True)
    return np.bincount(group, weights=values) / np.bincount(group)


def _resampled_means(means: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    rng = numpy_rng(seed, "bootstrap", len(means))
    parts = [
        means[rng.integers(len(means), size=(_CHUNK, len(means)))].mean(axis=1)
        for _ in range(NUM_RESAMPLES // _CHUNK)
    ]
    return np.concatenate(parts)
