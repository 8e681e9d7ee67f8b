"""The moving mask equals the slow definition: the admissible items, counted leaf by leaf."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.control.admissible import Admissible
from steerec.control.problem import Cap, Problem, Quota
from steerec.decode import mask as mask_module
from steerec.decode import window as window_module
from steerec.decode.leaf_bits import LeafBits, digest, join_classes, leaf_bits_of
from steerec.decode.mask import LeafRanks, MovingMask, Window
from steerec.items.ranked_bits import pack, unpack
from steerec.items.trie import IntervalTrie

sys.path.append(str(Path(__file__).parent.parent / "control"))
from solver_oracle import random_problem, wide_problem, write_out

SEEDS = st.integers(0, 2**32 - 1)


def random_trie(num_items: int, rng: np.random.Generator) -> IntervalTrie:
    """Short spellings that share beginnings and begin one another; some items have several."""
    several = int(rng.integers(0, 2)) * num_items // 2
    forms: dict[tuple[int, ...], None] = {}
    while len(forms) < num_items + several:
        forms.setdefault(tuple(rng.integers(0, 4, size=rng.integers(1, 6)).tolist()))
    rows = [list(form) for form in forms]
    spellings: list[list[list[int]]] = [[row] for row in rows[:num_items]]
    for row in rows[num_items:]:
        spellings[rng.integers(num_items)].append(row)
    return IntervalTrie(spellings)


def random_list(problem: Problem, rng: np.random.Generator) -> list[int]:
    """Items chosen one after the other within the mask, some way into the list."""
    admissible, chosen = Admissible(problem), []
    for _ in range(int(rng.integers(0, problem.count + 1))):
        options = np.flatnonzero(admissible.mask(tuple(chosen)))
        if not options.size:
            break
        chosen.append(int(rng.choice(options)))
    return chosen


def all_intervals(trie: IntervalTrie, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Every node in every row, in order, then in another order, then arbitrary intervals, empty ones too."""
    row = np.repeat(np.arange(rows), trie.num_nodes)
    low, high = np.tile(trie.low, rows), np.tile(trie.high, rows)
    order = rng.permutation(len(row))
    ends = np.sort(rng.integers(0, trie.num_leaves + 1, size=(30, 2)), axis=1)
    extra = rng.integers(0, rows, size=30)
    return (
        np.concatenate([row, row[order], extra]),
        np.concatenate([low, low[order], ends[:, 0]]),
        np.concatenate([high, high[order], ends[:, 1]]),
    )


def check(trie: IntervalTrie, problems: list[Problem], rng: np.random.Generator) -> None:
    moving = MovingMask(trie, problems)
    rows = rng.integers(0, len(problems), size=5)
    for _ in range(3):
        chosen = [random_list(problems[row], rng) for row in rows]
        slow = np.stack(
            [Admissible(problems[row]).mask(tuple(c)) for row, c in zip(rows, chosen, strict=True)]
        )
        np.testing.assert_array_equal(moving.admissible(rows, chosen), slow)
        expected: Window = LeafRanks(trie, slow)
        window = moving.window(rows, chosen)
        intervals = all_intervals(trie, len(rows), rng)
        np.testing.assert_array_equal(window.counts(*intervals), expected.counts(*intervals))
        for node in range(trie.num_nodes):  # the decoders' question: the children of one node
            children = np.array(trie.children(node), np.int64)
            for row in range(len(rows)):
                asked = (np.full(len(children), row), trie.low[children], trie.high[children])
                np.testing.assert_array_equal(window.counts(*asked), expected.counts(*asked))
        places = (rng.integers(0, len(rows), size=40), rng.integers(0, trie.num_nodes, size=40))
        for got, right in zip(window.children(*places), expected.children(*places), strict=True):
            np.testing.assert_array_equal(got, right)


@pytest.mark.parametrize("few", [1, 64], ids=["positions", "bitsets"])
@given(seed=SEEDS)
@settings(max_examples=120, deadline=None)
def test_mask_equals_the_slow_definition(few: int, seed: int) -> None:
    """Overlapping quotas, windows, caps, split works, blocked items, several spellings, in one batch."""
    rng = np.random.default_rng(seed)
    first = random_problem(seed)
    problems = [first]
    for other in rng.integers(2**32, size=200):
        problem = random_problem(int(other))
        if problem.num_items == first.num_items:
            problems.append(problem)
        if len(problems) == 4:
            break
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask_module, "_FEW", few)
        patch.setattr(window_module, "_WIDE", few)
        check(random_trie(first.num_items, rng), problems, rng)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_mask_equals_the_slow_definition_on_lists_of_ten(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problems = [wide_problem(int(other)) for other in rng.integers(2**32, size=3)]
    candidates = rng.random(60) < 0.4
    problems.append(
        replace(problems[0], allowed=problems[0].allowed & candidates, blocked_candidates=~candidates)
    )
    check(random_trie(60, rng), problems, rng)


def test_counts_equal_the_enumeration_of_all_satisfying_lists() -> None:
    """An oracle that shares nothing with the solver."""
    for seed in range(40):
        problem = random_problem(seed)
        trie = random_trie(problem.num_items, np.random.default_rng(seed))
        lists = write_out(problem).satisfying
        for chosen in [(), *(tuple(one[:1].tolist()) for one in lists[:3])]:
            if len(chosen) == problem.count:
                continue
            rest = lists[(lists[:, : len(chosen)] == chosen).all(axis=1)][:, len(chosen)]
            window = MovingMask(trie, [problem]).window(np.zeros(1, np.int64), [chosen])
            for node in range(trie.num_nodes):
                low, high = trie.interval(node)
                expected = sum(int(item in rest) for item in trie.items[low:high])
                got = window.counts(np.zeros(1, np.int64), np.array([low]), np.array([high]))
                assert got.tolist() == [expected]


def test_golden_counts_of_a_request_with_a_quota_and_a_twin() -> None:
    # leaves in order: 10 11 12 20 21 -> items 3 0 4 1 2; items 0 and 1 are one work; one of 3, 4 comes first
    trie = IntervalTrie([[(1, 1)], [(2, 0)], [(2, 1)], [(1, 0)], [(1, 2)]])
    mask = np.array([False, False, False, True, True])
    problem = Problem(
        count=3,
        quotas=(Quota(mask=mask, lower=1, upper=1, first=1, last=1, control=0),),
        allowed=np.ones(5, np.bool_),
        work=np.array([0, 0, 1, 2, 3]),
    )
    moving = MovingMask(trie, [problem])
    window = moving.window(np.array([0, 0, 0]), [(), (3,), (3, 1)])
    top = np.array(trie.children(0))  # leaves 0..2 and 3..4
    rows = np.repeat(np.arange(3), 2)
    counts = window.counts(rows, np.tile(trie.low[top], 3), np.tile(trie.high[top], 3))
    # first 3 or 4; then anything but item 3; then neither item 0 (the twin of 1) nor 1 nor 3
    assert counts.reshape(3, 2).tolist() == [[2, 0], [2, 2], [1, 1]]


def test_a_complete_row_and_an_infeasible_request_admit_nothing() -> None:
    trie = IntervalTrie([[(0,)], [(1,)], [(2,)]])
    free = Problem(count=1, allowed=np.ones(3, np.bool_), work=np.arange(3))
    never = replace(free, count=2, allowed=np.array([True, False, False]))
    nothing = replace(free, allowed=np.zeros(3, np.bool_))
    moving = MovingMask(trie, [free, never, nothing])
    window = moving.window(np.array([0, 0, 1, 2]), [(1,), (), (), ()])
    counts = window.counts(np.arange(4), np.zeros(4, np.int64), np.full(4, 3))
    assert counts.tolist() == [0, 3, 0, 0]
    assert moving.admissible(np.zeros(0, np.int64), []).shape == (0, 3)
    assert window.counts(*(np.zeros(0, np.int64),) * 3).shape == (0,)


def test_requests_of_like_contents_share_their_bitsets() -> None:
    """Masks that are equal but not the same array, in other batches too."""
    rng = np.random.default_rng(0)
    trie, mask = random_trie(40, rng), rng.random(40) < 0.5

    def request() -> Problem:
        quota = Quota(mask=mask.copy(), lower=3, upper=3, first=1, last=3, control=0)
        return Problem(count=3, quotas=(quota,), allowed=np.ones(40, np.bool_), work=np.arange(40))

    windows = [MovingMask(trie, [request(), request()]).window(np.array([0, 1]), [(), ()]) for _ in range(2)]
    assert len(windows[0]._bits) == 1
    assert windows[0]._bits[0] is windows[1]._bits[0]


def test_a_cap_with_many_values_needs_no_bitset_of_its_own_for_each() -> None:
    """What a chosen item closes is subtracted as positions; the bitset stays."""
    num_items = 600
    cap = Cap(
        indptr=np.arange(num_items + 1),
        value_ids=np.arange(num_items) // 3,
        limit=1,
        control=0,
        labels=tuple(map(str, range(num_items // 3))),
    )
    problem = Problem(count=4, caps=(cap,), allowed=np.ones(num_items, np.bool_), work=np.arange(num_items))
    trie = IntervalTrie.from_tokens(np.arange(num_items)[:, None])
    moving, everything = MovingMask(trie, [problem]), (np.zeros(1, np.int64), np.array([0]), np.array([600]))
    sets = []
    for chosen in ((), (5,), (5, 100), (5, 100, 301)):
        window = moving.window(np.zeros(1, np.int64), [chosen])
        assert window.counts(*everything).tolist() == [600 - 3 * len(chosen)]
        sets.append(window._bits[0])
    assert all(one is sets[0] for one in sets)


@given(seed=SEEDS, num_quotas=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_classes_are_joined_by_words_as_item_by_item(seed: int, num_quotas: int) -> None:
    rng = np.random.default_rng(seed)
    length = int(rng.integers(1, 200))
    masks = rng.random((num_quotas, length)) < rng.random((num_quotas, 1))
    member, of_leaf = np.unique(masks, axis=1, return_inverse=True)
    wanted = rng.random(member.shape[1]) < 0.5
    joined = join_classes([pack(mask) for mask in masks], member, wanted, pack(np.ones(length, np.bool_)))
    words = pack(np.zeros(length, np.bool_)) if joined is None else joined
    np.testing.assert_array_equal(unpack(words, length), wanted[of_leaf.ravel()])
    assert unpack(words, len(words) * 64)[length:].sum() == 0


def test_bitsets_of_a_trie_are_bounded_and_go_with_it() -> None:
    trie = random_trie(30, np.random.default_rng(1))
    bits = LeafBits(capacity=100)  # one word and one count take 12 bytes
    masks = np.eye(30, dtype=np.bool_)
    kept = [bits.words(trie, mask, digest(mask)) for mask in masks]
    again = [bits.words(trie, mask, digest(mask)) for mask in masks[-2:]]
    assert again[0] is kept[-2]
    assert again[1] is kept[-1]
    assert bits._size <= 100
    np.testing.assert_array_equal(bits.words(trie, masks[0], digest(masks[0])), kept[0])
    assert leaf_bits_of(trie) is leaf_bits_of(trie)
