from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.errors import DataError
from steerec.items import trie_build
from steerec.items.trie import END, IntervalTrie
from steerec.items.trie_build import sort_order

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


def assert_same(one: IntervalTrie, other: IntervalTrie) -> None:
    for name, values in vars(one._arrays).items():
        np.testing.assert_array_equal(values, getattr(other._arrays, name))
    assert one.num_items == other.num_items


@settings(max_examples=150, deadline=None)
@given(sequences=SEQUENCES, seed=st.integers(0, 9), scale=st.sampled_from([1, 300, 50_000, 500_000_000]))
def test_token_arrays_of_any_vocabulary_give_the_trie_of_nested_spellings(
    sequences: list[tuple[int, ...]], seed: int, scale: int
) -> None:
    """Few and many tokens fit in one sort key; rows come in any order, some of them twice."""
    spellings = [
        [tuple(scale * t for t in form) for form in forms] for forms in spellings_of(sequences, seed)
    ]
    rows = [(item, form) for item, forms in enumerate(spellings) for form in forms]
    rng = np.random.default_rng(seed)
    rows += [rows[k] for k in rng.integers(len(rows), size=3)]
    rows = [rows[k] for k in rng.permutation(len(rows))]
    tokens = np.full((len(rows), 7), END)
    for row, (_, form) in enumerate(rows):
        tokens[row, : len(form)] = form
    trie = IntervalTrie.from_tokens(tokens, np.array([item for item, _ in rows]))
    assert_same(trie, IntervalTrie(spellings))
    assert trie.tokens.dtype == trie.items.dtype == trie.low.dtype == np.int32


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    letters=st.sampled_from([1, 2, 5, 40_000, 2**31 - 2]),
    block=st.sampled_from([1, 7, 2**15]),
)
def test_rows_are_sorted_as_sequences(seed: int, letters: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    rows, width = int(rng.integers(1, 200)), int(rng.integers(1, 30))
    tokens = rng.integers(letters, size=(rows, width))
    tokens[np.arange(width) >= rng.integers(1, width + 1, size=rows)[:, None]] = END
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trie_build, "_BLOCK", block)
        order = sort_order(tokens)
    assert sorted(order.tolist()) == list(range(rows))
    assert tokens[order].tolist() == sorted(tokens.tolist())


def test_unicode_and_duplicate_titles_by_their_bytes() -> None:
    """Titles as bytes: one begins another, scripts mix, an item has two spellings, an emoji joins several."""
    titles = [["Amélie"], ["Amélie 2"], ["千と千尋の神隠し", "Spirited Away"], ["👩‍👩‍👧"], ["👩"], ["Àma"]]
    trie = IntervalTrie([[tuple(title.encode()) for title in forms] for forms in titles])
    for item, forms in enumerate(titles):
        for title in forms:
            leaf = trie.find(tuple(title.encode()))
            assert leaf is not None
            assert trie.items[leaf] == item
            assert bytes(trie.spelling(leaf)).decode() == title
    ordered = [bytes(trie.spelling(leaf)) for leaf in range(trie.num_leaves)]
    assert ordered == sorted(title.encode() for forms in titles for title in forms)
    both = sorted(ordered.index(title.encode()) for title in titles[2])
    assert trie.leaves(2).tolist() == trie.leaves_of(np.array([2])).tolist() == both
    with pytest.raises(DataError, match="Items 0 and 1 are both spelled"):
        IntervalTrie([[tuple("Amélie".encode())], [tuple("Amélie".encode())]])


def test_a_part_of_a_catalogue_may_leave_items_without_a_spelling() -> None:
    trie = IntervalTrie.from_tokens(np.array([[7, 8], [7, 9], [3, END]]), np.array([4, 1, 4]), num_items=6)
    assert trie.num_items == 6
    assert [trie.leaves(item).tolist() for item in range(6)] == [[], [2], [], [], [0, 1], []]
    assert trie.leaves_of(np.array([4, 1, 9])).tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="Item 0 has no spelling"):
        IntervalTrie.from_tokens(np.array([[7, 8], [7, 9]]), np.array([4, 1]))


@pytest.mark.parametrize(
    ("tokens", "items", "message"),
    [
        (np.array([[1.0]]), None, "an .L, D. integer array; got float64"),
        (np.array([1, 2]), None, r"integer array; got int64 of shape \(2,\)"),
        (np.array([[1, END, 2]]), None, r"The spelling of item 0 is \[1, -1, 2\]"),
        (np.array([[3], [-2]]), None, r"The spelling of item 1 is \[-2\]"),
        (np.array([[3], [END]]), None, "Item 1 has an empty spelling"),
        (np.array([[3], [4]]), np.array([0]), r"2 spellings need one item each; got items of shape \(1,\)"),
        (np.array([[3], [4]]), np.array([0, -1]), r"Spellings name items -1\.\.0"),
        (np.array([[3], [4], [3]]), np.array([2, 1, 0]), r"Items 0 and 2 are both spelled \(3,\)"),
        (np.zeros((0, 3), np.int64), None, "at least one item"),
    ],
)
def test_token_arrays_that_are_not_spellings_are_refused(
    tokens: np.ndarray, items: np.ndarray | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        IntervalTrie.from_tokens(tokens, items)


@settings(max_examples=30, deadline=None)
@given(sequences=SEQUENCES, seed=st.integers(0, 9))
def test_a_saved_trie_is_mapped_and_the_same(
    tmp_path_factory: pytest.TempPathFactory, sequences: list[tuple[int, ...]], seed: int
) -> None:
    trie = IntervalTrie(spellings_of(sequences, seed))
    path = tmp_path_factory.mktemp("trie") / "trie.safetensors"
    trie.save(path)
    loaded = IntervalTrie.load(path)
    assert_same(trie, loaded)
    assert not loaded.tokens.flags.writeable
    assert not loaded.tokens.flags.owndata, "the file is mapped, not read"
    assert [loaded.find(form) for form in sequences] == [trie.find(form) for form in sequences]


def test_a_file_that_is_no_trie_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    with pytest.raises(DataError, match="cannot be read as a safetensors file"):
        IntervalTrie.load(tmp_path / "absent")
    (tmp_path / "text").write_text("not a trie at all")
    with pytest.raises(DataError, match="cannot be read as a safetensors file"):
        IntervalTrie.load(tmp_path / "text")
    save_file({"tokens": np.zeros((1, 1), np.int32)}, tmp_path / "other", metadata={"format": "x"})
    with pytest.raises(DataError, match="is no trie: its format is 'x'"):
        IntervalTrie.load(tmp_path / "other")
    save_file({"tokens": np.zeros(1, np.float32)}, tmp_path / "floats")
    with pytest.raises(DataError, match='"tokens" in .* is of type F32; allowed are I16, I32, I64'):
        IntervalTrie.load(tmp_path / "floats")
