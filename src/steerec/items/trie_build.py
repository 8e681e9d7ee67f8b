"""From spellings to the flat arrays of their trie: sort, compare neighbours, cut level by level.

Everything runs over whole arrays, in blocks that fit the cache where an intermediate would be as large as the
tokens, so that ten million titles take seconds and little more memory than the result.

Legend: N items, L leaves (spellings), D longest spelling in tokens, M nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steerec.errors import DataError

END = -1
"""Token of an edge that consumes nothing: its parent's sequence is a spelling and begins longer ones too."""

Indices = NDArray[Any]
"""Integers of the smallest width that holds them: int16 depths, int32 tokens, items, leaves and nodes."""
BoolArray = NDArray[np.bool_]

_BLOCK = 2**15
_KEY_BITS = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class TrieArrays:
    """The arrays of a trie; see `IntervalTrie` for what they mean."""

    tokens: Indices
    lengths: Indices
    items: Indices
    low: Indices
    high: Indices
    start: Indices
    stop: Indices
    child_bounds: Indices
    first_token: Indices
    item_leaves: Indices
    item_bounds: Indices


def build_arrays(tokens: Indices, items: Indices | None, num_items: int | None) -> TrieArrays:
    """Sort and index spellings.

    Args:
        tokens: (L, D) token ids >= 0, padded on the right with END.
        items: (L,) item that each row spells; None: row i spells item i.
        num_items: N; None: one more than the largest item, and every item must have a spelling.

    Raises:
        DataError: a row is empty or not padded with END, an item has no spelling, or two items share one.
    """
    tokens = np.asarray(tokens)
    if tokens.ndim != 2 or not np.issubdtype(tokens.dtype, np.integer):
        raise DataError(f"Tokens are an (L, D) integer array; got {tokens.dtype} of shape {tokens.shape}.")
    if not tokens.size:
        raise DataError("A trie needs at least one item.")
    owner = _owners(len(tokens), items, num_items)
    lengths = _lengths(tokens, owner)
    tokens = tokens[:, : int(lengths.max())]
    order = sort_order(tokens)
    tokens, lengths, owner = _take(tokens, order), lengths[order], owner[order]
    del order
    common = _common_prefix(tokens)
    repeat = (common == lengths) & (common == np.append(lengths[:1], lengths[:-1]))
    repeat[0] = False
    if repeat.any():
        _check_shared(repeat, tokens, owner)
        tokens, lengths, owner, common = (part[~repeat] for part in (tokens, lengths, owner, common))
    item_leaves, item_bounds = _by_item(owner, num_items)
    low, high, start, stop, child_bounds = _nodes(lengths, common)
    return TrieArrays(
        tokens=tokens,
        lengths=lengths,
        items=owner,
        low=low,
        high=high,
        start=start,
        stop=stop,
        child_bounds=child_bounds,
        first_token=_first_tokens(tokens, low, start, stop),
        item_leaves=item_leaves,
        item_bounds=item_bounds,
    )


def pad_spellings(spellings: Sequence[Sequence[Sequence[int]]]) -> tuple[Indices, Indices]:
    """Lay nested spellings out as (L, D) int32 tokens and (L,) int32 items.

    Raises:
        DataError: there is no item, an item has no spelling, or a spelling is empty.
    """
    if not len(spellings):
        raise DataError("A trie needs at least one item.")
    for item, forms in enumerate(spellings):
        if not forms or not all(len(form) for form in forms):
            raise DataError(f"Item {item} has {'an empty' if forms else 'no'} spelling; each needs tokens.")
    rows = [form for forms in spellings for form in forms]
    lengths = np.array([len(row) for row in rows])
    tokens = np.full((len(rows), lengths.max()), END, np.int32)
    tokens[np.arange(tokens.shape[1]) < lengths[:, None]] = [token for row in rows for token in row]
    return tokens, np.repeat(np.arange(len(spellings), dtype=np.int32), [len(forms) for forms in spellings])


def sort_order(tokens: Indices) -> Indices:
    """Return the rows (L,) of padded (L, D) tokens in the order of their sequences; END comes first.

    As many tokens as fit are packed into one 64-bit key. Later rounds sort only the rows that are still
    alike, by their group and the next tokens; most titles part after a few words.
    """
    bits = max(int(tokens.max()) + 1, 1).bit_length()
    width = tokens.shape[1]
    depth = min(_KEY_BITS // bits, width)
    key = _packed(tokens, None, 0, depth, bits)
    order = np.argsort(key)  # (L,)
    tied, group = _ties(key[order], bits)
    while depth < width and tied.size:
        room = (_KEY_BITS - int(group[-1]).bit_length()) // bits
        taken = min(room, width - depth)
        key = group << np.uint64(taken * bits)
        key |= _packed(tokens, order[tied], depth, depth + taken, bits)
        by = np.argsort(key)
        order[tied] = order[tied[by]]
        place, group = _ties(key[by], bits)
        tied, depth = tied[place], depth + taken
    return order


def _ties(key: NDArray[np.uint64], bits: int) -> tuple[Indices, NDArray[np.uint64]]:
    """Places in a sorted key whose rows are alike so far and go on, and the number of each one's group."""
    new = np.append(True, key[1:] != key[:-1])
    alone = new & np.append(new[1:], True)
    ended = (key & np.uint64(2**bits - 1)) == 0  # END is packed as 0
    tied = np.flatnonzero(~alone & ~ended)
    return tied, (np.cumsum(new[tied]) - 1).astype(np.uint64)


def _packed(tokens: Indices, rows: Indices | None, first: int, last: int, bits: int) -> NDArray[np.uint64]:
    """Pack columns first..last-1 of the rows into one key each, `bits` a token."""
    key = np.zeros(len(tokens) if rows is None else len(rows), np.uint64)
    for part in _blocks(len(key)):
        block = tokens[part if rows is None else rows[part], first:last]
        block = (block.astype(np.int64) + 1).astype(np.uint64).T
        for column in block:
            key[part] = (key[part] << np.uint64(bits)) | column
    return key


def _blocks(length: int) -> Iterator[slice]:
    for begin in range(0, length, _BLOCK):
        yield slice(begin, min(begin + _BLOCK, length))


def _owners(num_rows: int, items: Indices | None, num_items: int | None) -> Indices:
    """(L,) int32 item of each row, checked."""
    owner = np.arange(num_rows, dtype=np.int32) if items is None else np.asarray(items).astype(np.int32)
    if owner.shape != (num_rows,):
        raise DataError(f"{num_rows} spellings need one item each; got items of shape {owner.shape}.")
    least, largest = int(owner.min()), int(owner.max())
    if least < 0 or (num_items is not None and largest >= num_items):
        raise DataError(f"Spellings name items {least}..{largest}; allowed are 0..{(num_items or 1) - 1}.")
    if num_items is None and items is not None:
        bare = np.flatnonzero(np.bincount(owner) == 0)
        if bare.size:
            raise DataError(f"Item {bare[0]} has no spelling; each needs tokens.")
    return owner


def _lengths(tokens: Indices, owner: Indices) -> Indices:
    """(L,) tokens of each row; rows must be non-empty and padded with END on the right only."""
    width = tokens.shape[1]
    lengths = np.empty(len(tokens), np.int16 if width < 2**15 else np.int32)
    for part in _blocks(len(tokens)):
        block = tokens[part]
        real = block != END
        lengths[part] = real.sum(axis=1)
        wrong = (real[:, 1:] & ~real[:, :-1]).any(axis=1) | (block < END).any(axis=1)
        if wrong.any():
            row = part.start + int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"The spelling of item {owner[row]} is {tokens[row].tolist()}: token ids are >= 0, and "
                f"{END} stands only behind the last one."
            )
        if not real[:, 0].all():
            row = part.start + int(np.flatnonzero(~real[:, 0])[0])
            raise DataError(f"Item {owner[row]} has an empty spelling; each needs tokens.")
    return lengths


def _take(tokens: Indices, order: Indices) -> Indices:
    taken = np.empty(tokens.shape, np.int32)
    for part in _blocks(len(order)):
        taken[part] = tokens[order[part]]
    return taken


def _common_prefix(tokens: Indices) -> Indices:
    """(L,) tokens that a sorted row shares with the row before it; 0 for the first."""
    width = tokens.shape[1]
    common = np.zeros(len(tokens), np.int16 if width < 2**15 else np.int32)
    for part in _blocks(len(tokens) - 1):
        here, before = tokens[part.start + 1 : part.stop + 1], tokens[part]
        differs = (here != before) | (here == END)
        at = differs.argmax(axis=1)
        at[~differs[np.arange(len(at)), at]] = width
        common[part.start + 1 : part.stop + 1] = at
    return common


def _check_shared(repeat: BoolArray, tokens: Indices, owner: Indices) -> None:
    """Raise DataError where a row repeats the spelling of another item."""
    places = np.flatnonzero(repeat)
    shared = places[owner[places] != owner[places - 1]]
    if shared.size:
        one, other = sorted(owner[[shared[0] - 1, shared[0]]].tolist())
        spelled = tokens[shared[0]]
        raise DataError(
            f"Items {one} and {other} are both spelled {tuple(spelled[spelled != END].tolist())}: a spelling "
            "names one item. Tell the items apart by an attribute or by their id."
        )


def _by_item(owner: Indices, num_items: int | None) -> tuple[Indices, Indices]:
    """Leaves in the order of their items (L,), and where each item's begin (N + 1,)."""
    counts = np.bincount(owner, minlength=num_items or 0)
    bounds = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=bounds[1:])
    if len(counts) == len(owner) and (counts == 1).all():  # a permutation needs no sort
        leaves = np.empty(len(owner), np.int32)
        leaves[owner] = np.arange(len(owner), dtype=np.int32)
        return leaves, bounds
    return np.argsort(owner, kind="stable").astype(np.int32), bounds


def _nodes(lengths: Indices, common: Indices) -> tuple[Indices, Indices, Indices, Indices, Indices]:
    """Low, high, start, stop (M,) and child bounds (M + 1,) of the nodes, level by level."""
    low, high = np.zeros(1, np.int32), np.array([len(lengths)], np.int32)
    start = stop = np.zeros(1, lengths.dtype)
    levels: list[list[Indices]] = [[], [], [], [], []]
    count = 1
    while len(low):
        inner = (high - low > 1) | (stop < lengths[low])
        child_low, child_high, parent = _split(low, high, stop, inner, common)
        sizes = np.bincount(parent, minlength=len(low))
        first = (count + np.cumsum(sizes) - sizes).astype(np.int32)
        for level, values in zip(levels, (low, high, start, stop, first), strict=True):
            level.append(values)
        count += len(child_low)
        start = stop[parent]
        low, high = child_low, child_high
        stop = _branch_depth(low, high, lengths, common)
    levels[4].append(np.array([count], np.int32))
    low, high, start, stop, bounds = (np.concatenate(levels.pop(0)) for _ in range(5))
    return low, high, start, stop, bounds


def _split(
    low: Indices, high: Indices, stop: Indices, inner: BoolArray, common: Indices
) -> tuple[Indices, Indices, Indices]:
    """Cut each inner interval where neighbours share no more than `stop` tokens; (low, high, parent)."""
    sizes = np.where(inner, high - low, 0)
    parent = np.repeat(np.arange(len(low), dtype=np.int32), sizes)
    ahead = (low - np.cumsum(sizes) + sizes).astype(np.int32)
    leaf = np.repeat(ahead, sizes)
    leaf += np.arange(len(leaf), dtype=np.int32)
    begins = common[leaf] <= stop[parent]
    begins[(np.cumsum(sizes) - sizes)[inner]] = True
    child_low, child_parent = leaf[begins], parent[begins]
    following = np.append(child_low[1:], np.int32(0))
    ends_parent = np.append(child_parent[1:] != child_parent[:-1], True)
    return child_low, np.where(ends_parent, high[child_parent], following), child_parent


def _branch_depth(low: Indices, high: Indices, lengths: Indices, common: Indices) -> Indices:
    """Depth at which each interval branches: the least common prefix inside it, or the leaf's length."""
    depth = lengths[low]
    many = high - low > 1
    if many.any():
        # reduceat takes (from, to) pairs; the even results are the intervals, the pad allows to == L
        pairs = np.stack([low[many] + 1, high[many]], axis=1).ravel()
        padded = np.append(common, np.iinfo(common.dtype).max)
        depth[many] = np.minimum.reduceat(padded, pairs)[::2]
    return depth


def _first_tokens(tokens: Indices, low: Indices, start: Indices, stop: Indices) -> Indices:
    """(M,) first token of each node's edge; END where the edge has none."""
    first = np.full(len(low), END, np.int32)
    for part in _blocks(len(low)):
        column = np.minimum(start[part], tokens.shape[1] - 1)
        first[part] = np.where(start[part] < stop[part], tokens[low[part], column], END)
    return first
