"""A changing trie equals one built from scratch, after any sequence of changes."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.control.problem import Problem
from steerec.decode.mask import LeafRanks, MovingMask
from steerec.errors import DataError
from steerec.items.side_trie import GrowingTrie
from steerec.items.trie import END, IntervalTrie

Spelling = tuple[int, ...]


def padded(spellings: list[Spelling]) -> np.ndarray:
    tokens = np.full((len(spellings), max(map(len, spellings))), END, np.int64)
    for row, spelling in enumerate(spellings):
        tokens[row, : len(spelling)] = spelling
    return tokens


def scratch(known: dict[Spelling, int], num_items: int) -> IntervalTrie:
    return IntervalTrie.from_tokens(padded(list(known)), np.array(list(known.values())), num_items=num_items)


def random_spellings(rng: np.random.Generator, taken: dict[Spelling, int]) -> list[Spelling]:
    found = {tuple(rng.integers(0, 3, size=rng.integers(1, 5)).tolist()) for _ in range(rng.integers(1, 6))}
    return sorted(found - set(taken))


def check(growing: GrowingTrie, known: dict[Spelling, int], rng: np.random.Generator) -> None:
    """Compare with a trie from scratch: look-ups, prefixes, and what a moving mask counts below a prefix."""
    assert set(np.flatnonzero(growing.present).tolist()) == set(known.values())
    for probe in [*known, *random_spellings(rng, {})]:
        assert growing.find(probe) == known.get(probe)
    if not known:
        return
    whole = scratch(known, growing.num_items)
    assert growing.is_prefix_free == whole.is_prefix_free
    compacted = growing.compact()
    for name, values in vars(whole._arrays).items():
        np.testing.assert_array_equal(getattr(compacted._arrays, name), values)
    items = growing.num_items
    problem = Problem(count=1, allowed=growing.present & (rng.random(items) < 0.8), work=np.arange(items))
    row = np.zeros(1, np.int64)
    windows = [MovingMask(part, [problem]).window(row, [()]) for part in growing.parts]
    expected = LeafRanks(whole, problem.allowed[None])
    for node in range(whole.num_nodes):
        prefix = whole.spelling(int(whole.low[node]))[: int(whole.stop[node])]
        ends = bool(whole.first_child[node] == whole.last_child[node])
        total = 0
        for part, window in zip(growing.parts, windows, strict=True):
            below = [
                leaf
                for leaf in range(part.num_leaves)
                if (part.spelling(leaf) == prefix if ends else part.spelling(leaf)[: len(prefix)] == prefix)
            ]
            if below:
                total += int(window.counts(row, np.array([below[0]]), np.array([below[-1] + 1]))[0])
        assert expected.counts(row, whole.low[[node]], whole.high[[node]]).tolist() == [total]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_any_sequence_of_changes_equals_a_trie_from_scratch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = random_spellings(rng, {})
    known = {spelling: item for item, spelling in enumerate(first)}
    growing = GrowingTrie(IntervalTrie.from_tokens(padded(first)))
    check(growing, known, rng)
    for _ in range(8):
        change = rng.choice(["insert", "remove", "compact"], p=[0.5, 0.35, 0.15])
        fresh = random_spellings(rng, known)
        if change == "insert" and fresh:
            owner = np.sort(rng.integers(0, len(fresh), size=len(fresh)))
            owner = np.unique(owner, return_inverse=True)[1]
            growing, numbers = growing.insert(padded(fresh), owner)
            known |= {spelling: int(numbers[own]) for spelling, own in zip(fresh, owner, strict=True)}
        elif change == "remove" and known:
            gone = rng.choice(list(known.values()), size=2)
            growing = growing.remove(gone)
            known = {spelling: item for spelling, item in known.items() if item not in gone}
        elif change == "compact" and known:
            growing = GrowingTrie(growing.compact())
            assert growing.side is None
        check(growing, known, rng)


def test_golden_insert_remove_and_return_of_a_title() -> None:
    # Alien (1), Heat (2, 3); then Alien 3 (1, 3) is inserted, Heat removed and released anew
    growing = GrowingTrie(IntervalTrie([[(1, 9)], [(2, 3, 9)]]))
    growing, numbers = growing.insert(padded([(1, 3, 9)]))
    assert numbers.tolist() == [2]
    assert growing.find((1, 3, 9)) == 2
    assert growing.is_prefix_free
    with pytest.raises(DataError, match=r"New item 0 is spelled \(2, 3, 9\) like item 1"):
        growing.insert(padded([(2, 3, 9)]))
    growing = growing.remove([1])
    assert growing.find((2, 3, 9)) is None
    growing, numbers = growing.insert(padded([(2, 3, 9)]))
    assert numbers.tolist() == [3]
    assert growing.find((2, 3, 9)) == 3
    assert growing.present.tolist() == [True, False, True, True]
    main = growing.compact()
    assert main.num_items == 4
    assert main.items.tolist() == [2, 0, 3]
    assert main.leaves(1).size == 0
    begun, _ = growing.insert(padded([(1, 3)]))  # begins Alien 3 of the side trie
    assert not begun.is_prefix_free


def test_wrong_changes_are_refused() -> None:
    growing = GrowingTrie(IntervalTrie([[(1,)]]))
    with pytest.raises(DataError, match=r"Items are numbered 0\.\.0; got \[1\] to remove"):
        growing.remove([1])
    with pytest.raises(DataError, match="Items 0 and 1 are both spelled"):
        growing.insert(padded([(4, 5), (4, 5)]))
    with pytest.raises(DataError, match="at least one item"):
        growing.remove([0]).compact()


def test_readers_of_a_version_see_no_later_change() -> None:
    """Load: readers work on a version while the writer makes hundreds of others and compacts them."""
    rng = np.random.default_rng(0)
    codes = np.unique(rng.integers(0, 50, size=(400, 3)), axis=0)
    growing = GrowingTrie(IntervalTrie.from_tokens(codes[:200]))
    version, wrong = growing, []

    def read() -> None:
        for _ in range(3):
            for item, code in enumerate(codes.tolist()):
                if version.find(code) != (item if item < 200 else None):
                    wrong.append(item)

    readers = [Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for code in codes[200:]:
        growing, numbers = growing.insert(code[None])
        growing = growing.remove(numbers - 200)
        if growing.side is not None and growing.side.num_leaves > 50:
            growing = GrowingTrie(growing.compact())
    for reader in readers:
        reader.join()
    assert not wrong
    assert [growing.find(code) for code in codes.tolist()[200:]] == list(range(200, len(codes)))
    assert growing.find(codes[0].tolist()) is None
