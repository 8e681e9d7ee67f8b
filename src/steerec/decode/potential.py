"""The teacher term: what an item adds to its log-probability, shared out over the nodes of the trie.

At a node the term is log-mean-exp of the additions (w times the teacher's score, plus wishes) over the
admissible leaves below it. A child's step adds its own value minus its parent's, so along a path the steps
telescope to the leaf's addition minus a constant of the request.

Legend: B rows, N items, L leaves, I intervals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def log_mean_exp(values: FloatArray, rows: IntArray, low: IntArray, high: IntArray) -> FloatArray:
    """Return log-mean-exp over intervals of leaves, and exactly c where all values are one number c.

    Args:
        values: (B, L) additions in nats; -inf at leaves that are not admissible, which do not count.
        rows: (I,) row of each interval.
        low: (I,) first leaf of each.
        high: (I,) leaf after the last of each, low < high.

    Returns:
        (I,) float64 log(mean(exp(v))) over the admissible leaves; -inf where there are none. Computed
        around the interval's own maximum, so neither large weights nor far nodes underflow.
    """
    if len(rows) == 0:
        return np.zeros(0)
    sizes = high - low
    starts = np.cumsum(sizes) - sizes
    interval = np.repeat(np.arange(len(rows)), sizes)
    inside = values[rows[interval], np.arange(len(interval)) - starts[interval] + low[interval]]
    top = np.maximum.reduceat(inside, starts)  # (I,)
    finite = np.where(np.isneginf(top), 0.0, top)
    total = np.add.reduceat(np.exp(inside - finite[interval]), starts)
    count = np.add.reduceat(~np.isneginf(inside), starts, dtype=np.int64)
    with np.errstate(divide="ignore"):
        return top + np.log(total / np.maximum(count, 1))


def interval_maximum(values: FloatArray, rows: IntArray, low: IntArray, high: IntArray) -> FloatArray:
    """Return the largest value in each interval: (I,) float64; arguments as in `log_mean_exp`."""
    if len(rows) == 0:
        return np.zeros(0)
    sizes = high - low
    starts = np.cumsum(sizes) - sizes
    interval = np.repeat(np.arange(len(rows)), sizes)
    inside = values[rows[interval], np.arange(len(interval)) - starts[interval] + low[interval]]
    return np.maximum.reduceat(inside, starts)
