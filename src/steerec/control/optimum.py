"""The best list under a request, exactly, for scores that add up.

The set comes first, then its order. Nested quotas are greedy; the rest is a table or an integer program over
a small pool. Cap values enter only once the best set without them breaks them: the best set of fewer rows,
if it breaks no other, is the best set of all.

Legend: N items, K length of the list, V variables of a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from steerec.control.arrangement import arrange, is_arrangeable
from steerec.control.cells import Cells, cells_of
from steerec.control.conflict import infeasible
from steerec.control.model import Model, build_model
from steerec.control.nested import Greedy, Tree, fill, nest
from steerec.control.problem import BoolArray, IntArray, Problem
from steerec.control.selection import Entries, best_items
from steerec.errors import RequestError

FloatArray = NDArray[np.float64]

_HEAD = 128
"""Items to sort before the rest: most lists end within them."""


def best_list(
    problem: Problem,
    scores: NDArray[np.floating],
    *,
    must_include: int | None = None,
    order: IntArray | None = None,
) -> list[int]:
    """Return the satisfying list with the largest total score, best items first as far as positions allow.

    Among equal totals the set with the smaller sum of item indices wins; equal scores are listed by index.
    Fewest items with score -inf come first of all: they are a last resort. The order fills one position after
    the other with the best item of the set that still leaves room for the rest.

    With `must_include` it is the best of the lists that hold that item, if there are any, else the best list.
    The item goes to the earliest position that it can take within that set.

    Args:
        problem: a compiled request over N items.
        scores: (N,) numbers or -inf.
        must_include: catalogue index of an item, the true next one in instruction data.
        order: (N,) items by descending score, ties by index, where the caller has it already.

    Returns:
        Catalogue indices of K items.

    Raises:
        RequestError: the scores hold NaN or +inf, or have the wrong shape.
        InfeasibleRequest: no list satisfies the problem.

    Example:
        >>> from steerec.control.problem import Quota
        >>> comedies = np.array([True, True, False, False])
        >>> quota = Quota(mask=comedies, lower=1, upper=1, first=1, last=1, control=0)
        >>> problem = Problem(count=2, quotas=(quota,), allowed=np.ones(4, dtype=bool), work=np.arange(4))
        >>> best_list(problem, np.array([0.1, 0.2, 0.9, 0.8]))  # a comedy first
        [1, 2]
    """
    values = _checked(scores, problem.num_items)
    cells = cells_of(problem)
    chosen, first = None, None
    if must_include is not None and problem.allowed[must_include]:
        chosen, first = _best_set(cells, values, must_include, order), must_include
    if chosen is None:
        chosen, first = _best_set(cells, values, None, order), None
    if chosen is None:
        raise infeasible(problem)
    return arrange(cells, chosen, values, first)


def _checked(scores: NDArray[np.floating], num_items: int) -> FloatArray:
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (num_items,):
        raise RequestError(f"Scores have shape {values.shape}; one per item is needed, ({num_items},).")
    if not (values < np.inf).all():
        bad = int(np.flatnonzero(~(values < np.inf))[0])
        raise RequestError(
            f"The score of item {bad} is {values[bad]}. Scores are numbers, or -inf for a last resort."
        )
    return values


def _best_set(
    cells: Cells, values: FloatArray, forced: int | None, order: IntArray | None
) -> list[int] | None:
    """The items of the best list, in any order; None where there is no list."""
    chosen = _best_of(cells.flat, values, forced, order)
    if chosen is None or cells.windowed.sum() <= 1 or is_arrangeable(cells, chosen):
        return chosen
    return _best_of(cells, values, forced, order)


def _best_of(
    cells: Cells, values: FloatArray, forced: int | None, order: IntArray | None
) -> list[int] | None:
    """The best set within the rows of `cells`: the best within some, with more rows until none breaks."""
    quotas = np.arange(cells.member.shape[0]) < cells.num_quotas
    active = quotas
    is_lazy = False
    while True:
        model = build_model(cells, cells.start, active)
        if model is None:
            return None
        tree = nest(model)
        if tree is None and model.length.size == 1 and not is_lazy:
            is_lazy, active = True, np.zeros_like(quotas)  # crossing quotas: which of them matter?
            continue
        chosen = _best_of_model(cells, model, tree, values, forced, order)
        if chosen is None:
            return None
        used = cells.member[:, cells.item_face[chosen]].sum(axis=1)
        broken = ~active & ((used > cells.start.upper) | (used < cells.start.lower))
        if not broken.any():
            return chosen
        active = active | broken


def _best_of_model(
    cells: Cells,
    model: Model,
    tree: Tree | None,
    values: FloatArray,
    forced: int | None,
    order: IntArray | None,
) -> list[int] | None:
    """The best set that satisfies the rows of a model."""
    variable = np.append(model.face_variable, -1)[cells.item_face]  # (N,)
    if not model.pool.size or (forced is not None and variable[forced] < 0):
        return None
    if tree is not None:
        chosen = _greedy(cells, model, tree, variable, values, forced, order)
        if chosen is None or np.unique(cells.work[chosen]).size == len(chosen):
            return chosen
    return best_items(model, _entries(cells, model, variable, values, forced, order), forced)


def _greedy(
    cells: Cells,
    model: Model,
    tree: Tree,
    variable: IntArray,
    values: FloatArray,
    forced: int | None,
    order: IntArray | None,
) -> list[int] | None:
    """Take the best item that leaves the list completable, again and again: optimal in a matroid.

    Works stand once in each variable; a work that is split could come twice, which the caller checks.
    """
    if fill(tree, model.supply[model.pool]) is None:
        return None
    grown = Greedy(tree)
    chosen: list[int] = []
    used: set[tuple[int, int]] = set()
    is_open = np.append(np.ones(model.pool.size, dtype=np.bool_), False)  # the last one is for variable -1
    best = _by_score(values, is_open[variable], order)
    for items in best if forced is None else chain([np.array([forced])], best):
        kept = items[is_open[variable[items]]]
        for item, kind, work in zip(
            kept.tolist(), variable[kept].tolist(), cells.work[kept].tolist(), strict=True
        ):
            if (work, kind) in used or not is_open[kind]:
                continue
            if grown.add(kind):
                chosen.append(item)
                used.add((work, kind))
                if len(chosen) == cells.count:
                    return chosen
            elif item == forced:
                return None
            else:
                is_open[kind] = False
    raise AssertionError("a greedy list of a feasible tree is short")


def _by_score(values: FloatArray, wanted: BoolArray, order: IntArray | None) -> Iterator[IntArray]:
    """Yield the wanted items (N,) in blocks, best first, ties by index."""
    if order is not None:
        ranked = order[wanted[order]]
        for start in range(0, ranked.size, _HEAD):
            yield ranked[start : start + _HEAD]
        return
    items = np.flatnonzero(wanted)
    size = _HEAD
    while items.size > 4 * size:
        value = values[items]
        bar = np.partition(value, items.size - size)[items.size - size]
        head = items[value >= bar]
        yield head[np.argsort(-values[head], kind="stable")]
        items, size = items[value < bar], 4 * size
    yield items[np.argsort(-values[items], kind="stable")]


def _entries(
    cells: Cells,
    model: Model,
    variable: IntArray,
    values: FloatArray,
    forced: int | None,
    order: IntArray | None,
) -> Entries:
    """The pool: the best works of each variable, as many as a list could use of it."""
    items = np.concatenate(list(_by_score(values, variable >= 0, order)))
    if forced is not None:
        items = np.append(forced, items[cells.work[items] != cells.work[forced]])
    items = items[
        np.argsort(variable[items].astype(np.min_scalar_type(model.pool.size)), kind="stable")
    ]  # by variable, best first
    times = np.bincount(cells.work[items])
    twin = np.flatnonzero(times[cells.work[items]] > 1)
    if twin.size:
        pair = variable[items[twin]] * times.size + cells.work[items[twin]]
        again = np.ones(twin.size, dtype=np.bool_)
        again[np.unique(pair, return_index=True)[1]] = False
        items = np.delete(items, twin[again])
    kind = variable[items]
    place = np.arange(items.size) - np.searchsorted(kind, kind)
    items = items[place < model.most[kind]]
    score = values[items]
    finite = score[np.isfinite(score)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    last_resort = low - cells.count * (high - low) - 1.0  # costs more than any exchange of the others gains
    return Entries(
        item=items,
        variable=variable[items],
        work=cells.work[items],
        score=np.where(np.isfinite(score), score, last_resort),
    )
