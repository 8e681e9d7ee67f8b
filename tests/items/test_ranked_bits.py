from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.items.ranked_bits import RankedBits, pack, pack_positions, unpack

LENGTHS = st.one_of(st.integers(0, 200), st.sampled_from([63, 64, 65, 127, 128, 129, 640]))


@given(length=LENGTHS, seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.0, 0.03, 0.5, 1.0]))
@settings(max_examples=200, deadline=None)
def test_ranks_equal_a_running_sum(length: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.random(length) < share
    ranked = RankedBits.of(bits)
    before = np.append(0, np.cumsum(bits))
    np.testing.assert_array_equal(ranked.rank(np.arange(length + 1)), before)
    np.testing.assert_array_equal(ranked.rank(np.arange(length + 1, dtype=np.int32)), before)
    assert ranked.total == bits.sum()
    low, high = np.sort(rng.integers(0, length + 1, size=(2, 50)), axis=0)
    np.testing.assert_array_equal(ranked.count(low, high), before[high] - before[low])
    edges = np.unique(np.append(low, high))  # intervals that touch, as the children of a node do
    np.testing.assert_array_equal(ranked.count(edges[:-1], edges[1:]), np.diff(before[edges]))
    np.testing.assert_array_equal(ranked.holds(np.arange(length)), bits)


@given(length=LENGTHS, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_packing_round_trips_and_leaves_no_bit_behind_the_end(length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.random(length) < 0.5
    words = pack(bits)
    assert len(words) == length // 64 + 1
    np.testing.assert_array_equal(unpack(words, length), bits)
    assert not unpack(words, 64 * len(words))[length:].any()
    np.testing.assert_array_equal(pack_positions(rng.permutation(np.flatnonzero(bits)), length), words)


def test_golden_words() -> None:
    bits = np.zeros(130, np.bool_)
    bits[[0, 3, 64, 129]] = True
    assert pack(bits).tolist() == [0b1001, 1, 0b10]
    ranked = RankedBits(pack(bits))
    assert ranked.rank(np.array([0, 1, 3, 4, 64, 65, 129, 130])).tolist() == [0, 1, 1, 2, 2, 3, 3, 4]
    assert ranked.nbytes == 3 * 8 + 3 * 4
