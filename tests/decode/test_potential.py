from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.decode.potential import interval_maximum, log_mean_exp
from steerec.items.trie import IntervalTrie


def test_golden_values() -> None:
    values = np.array([[np.log(1.0), np.log(3.0), -np.inf, 7.0]])
    rows, low, high = np.zeros(4, np.int64), np.array([0, 0, 3, 2]), np.array([2, 3, 4, 3])
    # mean(1, 3) = 2, with or without the leaf that does not count; one leaf is itself; none is -inf
    np.testing.assert_allclose(log_mean_exp(values, rows, low, high), [np.log(2), np.log(2), 7.0, -np.inf])
    np.testing.assert_array_equal(
        interval_maximum(values, rows, low, high), [np.log(3), np.log(3), 7, -np.inf]
    )


def test_neither_large_nor_far_values_are_lost() -> None:
    values = np.array([[1e6, -1e6, -1e6 + np.log(3.0)]])
    got = log_mean_exp(values, np.zeros(2, np.int64), np.array([1, 0]), np.array([3, 3]))
    assert got == pytest.approx([-1e6 + np.log(2.0), 1e6 - np.log(3.0)])


def test_equal_values_give_exactly_that_value() -> None:
    got = log_mean_exp(np.zeros((1, 9)), np.zeros(1, np.int64), np.array([0]), np.array([9]))
    assert got[0] == 0.0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_steps_along_a_path_telescope_to_the_leaf_minus_the_root(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = {tuple(rng.integers(3, size=rng.integers(1, 5)).tolist()) for _ in range(15)}
    trie = IntervalTrie([[code] for code in sorted(codes)])
    values = np.where(rng.random(trie.num_leaves) < 0.7, 4 * rng.standard_normal(trie.num_leaves), -np.inf)[
        None
    ]
    node_values = log_mean_exp(values, np.zeros(trie.num_nodes, np.int64), trie.low, trie.high)
    for leaf in np.flatnonzero(np.isfinite(values[0])):
        node, total = 0, 0.0
        while not trie.is_leaf[node]:
            child = next(c for c in trie.children(node) if trie.low[c] <= leaf < trie.high[c])
            total += node_values[child] - node_values[node]
            node = child
        assert total == pytest.approx(values[0, leaf] - node_values[0])
