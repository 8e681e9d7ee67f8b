"""Signatures: the quotas that an item counts in and the cap values it carries, as one number an item.

Whole catalogues are numbered in narrow integers and in blocks that stay in the cache, and are never sorted
unless a cap can bind.

Legend: N items, A allowed items, M quotas, S signatures, F faces, C cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steerec.control.problem import BoolArray, IntArray
from steerec.control.twins import Twins

Codes = NDArray[Any]
"""Integers of the smallest width that holds them."""

_RELABEL_BITS = 40
_LARGE_CODE = 2**14
_SPARSE = 8
_BLOCK = 2**16


@dataclass(frozen=True, kw_only=True, eq=False)
class Signatures:
    """The signatures of the allowed items of a problem."""

    code: Codes
    """(N,) signature of each allowed item, -1 for the others."""
    counts: IntArray
    """(S,) allowed items of each signature, >= 1."""
    member: BoolArray
    """(M, S) whether the signature counts in the quota."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Faces:
    """What the works of a problem show of themselves."""

    item_face: Codes
    """(N,) face of each allowed item, -1 for the others."""
    signature: IntArray
    """(F,) signature of each face."""
    cell: IntArray
    """(F,) cell of each face."""
    supply: IntArray
    """(C,) works of each cell."""


def relabel(codes: IntArray) -> IntArray:
    """Replace codes >= 0 by 0, 1, 2, ... in the order of their values."""
    largest = int(codes.max(initial=0))
    if largest < max(_LARGE_CODE, _SPARSE * codes.size):  # a table is several times faster than a sort
        present = np.zeros(largest + 1, dtype=np.bool_)
        present[codes] = True
        return np.asarray((np.cumsum(present) - 1)[codes], dtype=np.int64)
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def distinct(codes: IntArray) -> IntArray:
    """Return the distinct codes >= 0, ascending."""
    largest = int(codes.max(initial=0))
    if largest >= _SPARSE * codes.size:
        return np.unique(codes)
    present = np.zeros(largest + 1, dtype=np.bool_)
    present[codes] = True
    return np.flatnonzero(present)


def join_bits(bits: BoolArray) -> IntArray:
    """Number the distinct columns of (R, F) bits: equal columns, equal numbers; returns (F,)."""
    codes = np.zeros(bits.shape[1], dtype=np.int64)
    for row in range(bits.shape[0]):
        if row % _RELABEL_BITS == 0 and row:
            codes = relabel(codes)
        codes = 2 * codes + bits[row]
    return relabel(codes)


def quota_signatures(allowed: BoolArray, masks: Sequence[BoolArray]) -> Signatures:
    """Number the distinct memberships of the allowed items, the first mask being the most significant.

    Args:
        allowed: (N,) items that may be recommended.
        masks: M quotas' items, (N,) each.
    """
    member = np.zeros((0, 1), dtype=np.bool_)
    code: Codes = np.zeros(allowed.size, dtype=np.int8)
    for place, mask in enumerate(masks):
        if member.shape[1] > _LARGE_CODE:
            code, _, member = _without_gaps(code, allowed, member)
        width = 2 * member.shape[1]
        code = code.astype(narrow(width))
        if place:
            code *= 2
        code += mask
        pair = np.tile([False, True], member.shape[1])
        member = np.concatenate([np.repeat(member, 2, axis=1), pair[None]])
    code, counts, member = _without_gaps(code, allowed, member)
    return Signatures(code=code, counts=counts, member=member)


def with_values(
    signatures: Signatures, allowed: BoolArray, values: Sequence[tuple[IntArray, IntArray, int]]
) -> Signatures:
    """Tell signatures apart by cap values too.

    Args:
        signatures: those of the quotas.
        allowed: (N,) items that may be recommended.
        values: for each cap the (item, value) pairs of allowed items that can bind, and how many values do.
    """
    if not any(number for _, _, number in values):
        return signatures
    items = np.flatnonzero(allowed)  # (A,)
    codes = signatures.code[items].astype(np.int64)
    for owner, value, number in values:
        if not number:
            continue
        for column in _columns(owner, value, items):
            codes = relabel(codes * (number + 1) + column)
    counts = np.bincount(codes)
    code = np.full(allowed.size, -1, dtype=narrow(counts.size))
    code[items] = codes
    example = np.zeros(counts.size, dtype=np.int64)
    example[codes] = items
    return Signatures(
        code=code, counts=counts.astype(np.int64), member=signatures.member[:, signatures.code[example]]
    )


def _columns(owner: IntArray, value: IntArray, items: IntArray) -> Iterator[IntArray]:
    """Yield the first, second, ... value of each item (A,), counted from 1; 0 where it has no more."""
    if (owner[1:] <= owner[:-1]).any():
        order = np.lexsort((value, owner))
        owner, value = owner[order], value[order]
    where = np.searchsorted(items, owner)
    place = np.arange(owner.size) - np.searchsorted(owner, owner)  # j-th value of its item
    for j in range(int(place.max()) + 1):
        column = np.zeros(items.size, dtype=np.int64)
        column[where[place == j]] = value[place == j] + 1
        yield column


def find_faces(signatures: Signatures, allowed: BoolArray, work: IntArray, twins: Twins) -> Faces:
    """Group works into cells; only twins need a look at their work.

    Args:
        signatures: of the allowed items.
        allowed: (N,) items that may be recommended.
        work: (N,) work of each item.
        twins: those of the whole catalogue.
    """
    code, counts = signatures.code, signatures.counts
    width = counts.size
    numbers = np.arange(width)
    items = twins.items[allowed[twins.items]]
    if not items.size:
        return Faces(item_face=code, signature=numbers, cell=numbers, supply=counts)
    owner, own = work[items], code[items].astype(np.int64)
    shown = np.unique(owner * width + own)
    owners, start, times = np.unique(shown // width, return_index=True, return_counts=True)
    alone = np.repeat(times == 1, times)
    supply = counts - np.bincount(own, minlength=width) + np.bincount(shown[alone] % width, minlength=width)
    if (times == 1).all():
        return Faces(item_face=code, signature=numbers, cell=numbers, supply=supply)
    kinds: dict[tuple[int, ...], int] = {}
    group = np.zeros(owners.size, dtype=np.int64)  # 0: not split; else the number of its kind
    for one in np.flatnonzero(times > 1):
        kind = tuple((shown[start[one] : start[one] + times[one]] % width).tolist())
        group[one] = kinds.setdefault(kind, len(kinds) + 1)
    item_group = group[np.searchsorted(owners, owner)]
    is_split = item_group > 0
    split, split_face = np.unique((item_group * width + own)[is_split], return_inverse=True)
    whole = np.flatnonzero(counts > np.bincount(own[is_split], minlength=width))
    table = np.full(width + 1, -1, dtype=narrow(whole.size + split.size))
    table[whole + 1] = np.arange(whole.size)
    item_face = _look_up(table, code)
    item_face[items[is_split]] = whole.size + split_face
    return Faces(
        item_face=item_face,
        signature=np.concatenate([whole, split % width]),
        cell=np.concatenate([np.arange(whole.size), whole.size + split // width - 1]),
        supply=np.concatenate([supply[whole], np.bincount(group[group > 0])[1:]]),
    )


def narrow(largest: int) -> type[np.signedinteger[Any]]:
    """Return the smallest signed integer type that holds -1..largest."""
    for kind in (np.int8, np.int16, np.int32):
        if largest <= np.iinfo(kind).max:
            return kind
    return np.int64


def _without_gaps(code: Codes, allowed: BoolArray, member: BoolArray) -> tuple[Codes, IntArray, BoolArray]:
    """Number the codes of allowed items 0, 1, 2, ...; others get -1. Returns codes, counts, members."""
    width = member.shape[1]
    if not allowed.all():
        np.putmask(code, ~allowed, -1)
    counts = np.zeros(width + 1, dtype=np.int64)  # from -1 on
    for part in _blocks(code.size):
        counts += np.bincount(code[part].astype(np.int64) + 1, minlength=width + 1)
    present = counts[1:] > 0
    if not present.all():
        table = np.full(width + 1, -1, dtype=narrow(int(present.sum())))
        table[1:][present] = np.arange(present.sum())
        code = _look_up(table, code)
    return code, counts[1:][present], member[:, present]


def _look_up(table: Codes, code: Codes) -> Codes:
    """`table[code + 1]`, without a copy of `code` in 8 bytes an item."""
    found = np.empty(code.size, dtype=table.dtype)
    for part in _blocks(code.size):
        found[part] = table[code[part].astype(np.int64) + 1]
    return found


def _blocks(length: int) -> Iterator[slice]:
    for begin in range(0, length, _BLOCK):
        yield slice(begin, begin + _BLOCK)
