from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.errors import DataError
from steerec.items.trie import END, IntervalTrie

SEQUENCES = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple), min_size=1, max_size=25, unique=True
)


def spellings_of(sequences: list[tuple[int, ...]], seed: int) -> list[list[tuple[int, ...]]]:
    """Deal the sequences out to items, so that some items have several spellings."""
    rng = np.random.default_rng(seed)
    items: list[list[tuple[int, ...]]] = []
    for sequence in sequences:
        if items and rng.random() < 0.3:
            items[rng.integers(len(items))].append(sequence)
        else:
            items.append([sequence])
    return items


def test_golden_trie_with_a_prefix_title() -> None:
    # Alien = (1), Alien 3 = (1, 3), Aliens = (2, 5), Heat = (4, 6, 7)
    trie = IntervalTrie([[(4, 6, 7)], [(1,)], [(1, 3)], [(2, 5)]])
    assert trie.items.tolist() == [1, 2, 3, 0]
    top = list(trie.children(0))
    assert [trie.edge(node) for node in top] == [(1,), (2, 5), (4, 6, 7)]
    assert [trie.interval(node) for node in top] == [(0, 2), (2, 3), (3, 4)]
    below = list(trie.children(top[0]))
    assert [trie.edge(node) for node in below] == [(), (3,)]
    assert [int(trie.first_token[node]) for node in below] == [END, 3]
    assert not trie.is_prefix_free
    assert trie.num_nodes == 6
    assert trie.find((1,)) == 0
    assert trie.find((1, 3)) == 1
    assert trie.find((1, 4)) is None
    assert trie.find((4, 6)) is None
    assert trie.find(()) is None


@settings(max_examples=200, deadline=None)
@given(sequences=SEQUENCES, seed=st.integers(0, 9))
def test_every_node_is_the_interval_of_its_prefix(sequences: list[tuple[int, ...]], seed: int) -> None:
    spellings = spellings_of(sequences, seed)
    trie = IntervalTrie(spellings)
    leaves = sorted(sequences)
    assert [trie.spelling(leaf) for leaf in range(trie.num_leaves)] == leaves
    for leaf, item in enumerate(trie.items):
        assert leaves[leaf] in spellings[item]
        assert leaf in trie.leaves(int(item))
        assert trie.leaf_nodes[leaf] in np.flatnonzero(trie.is_leaf)
        assert trie.low[trie.leaf_nodes[leaf]] == leaf
    waiting: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    seen = 0
    while waiting:
        node, prefix = waiting.pop()
        seen += 1
        low, high = trie.interval(node)
        below = [leaf for leaf in range(len(leaves)) if leaves[leaf][: len(prefix)] == prefix]
        assert set(range(low, high)) <= set(below)
        if trie.is_leaf[node]:
            assert (low, high) == (leaves.index(prefix), leaves.index(prefix) + 1)
            continue
        assert list(range(low, high)) == below
        children = list(trie.children(node))
        assert node == 0 or len(children) > 1, "a path-compressed node branches"
        bounds = [trie.interval(child) for child in children]
        assert [bound[0] for bound in bounds] == [low] + [bound[1] for bound in bounds[:-1]]
        assert bounds[-1][1] == high
        firsts = [int(trie.first_token[child]) for child in children]
        assert firsts == sorted(set(firsts))
        waiting += [(child, prefix + trie.edge(child)) for child in children]
    assert seen == trie.num_nodes <= 2 * trie.num_leaves
    is_prefix = any(a != b and b[: len(a)] == a for a in leaves for b in leaves)
    assert trie.is_prefix_free == (not is_prefix)


@settings(max_examples=100, deadline=None)
@given(sequences=SEQUENCES, probe=st.lists(st.integers(0, 4), max_size=6), seed=st.integers(0, 9))
def test_find_and_ranks_equal_brute_force(
    sequences: list[tuple[int, ...]], probe: list[int], seed: int
) -> None:
    spellings = spellings_of(sequences, seed)
    trie = IntervalTrie(spellings)
    leaves = sorted(sequences)
    expected = leaves.index(tuple(probe)) if tuple(probe) in leaves else None
    assert trie.find(probe) == expected
    assert [trie.find(leaf) for leaf in leaves] == list(range(len(leaves)))
    admissible = np.random.default_rng(seed).random((2, len(spellings))) < 0.5
    ranks = trie.ranks(admissible)
    for row in range(2):
        for node in range(trie.num_nodes):
            low, high = trie.interval(node)
            count = sum(admissible[row, trie.items[leaf]] for leaf in range(low, high))
            assert ranks[row, high] - ranks[row, low] == count


def test_one_item_and_a_shared_beginning() -> None:
    assert IntervalTrie([[(7, 8)]]).edge(1) == (7, 8)
    shared = IntervalTrie([[(7, 8, 1)], [(7, 8, 2)]])
    assert [shared.edge(node) for node in range(4)] == [(), (7, 8), (1,), (2,)]


def test_spellings_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(DataError, match=r"Items 0 and 1 are both spelled \(1, 2\)"):
        IntervalTrie([[(1, 2)], [(3,), (1, 2)]])
    with pytest.raises(DataError, match="Item 1 has no spelling"):
        IntervalTrie([[(1,)], []])
    with pytest.raises(DataError, match="Item 0 has an empty spelling"):
        IntervalTrie([[()]])
    with pytest.raises(DataError, match="at least one item"):
        IntervalTrie([])
