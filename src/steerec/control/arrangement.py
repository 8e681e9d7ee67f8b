"""The order of a chosen set: best first, as far as the windows of the quotas allow.

Legend: K items, F faces, G segments.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from steerec.control.cells import Cells, State
from steerec.control.feasibility import complete
from steerec.control.problem import IntArray


def arrange(cells: Cells, chosen: list[int], values: NDArray[np.float64], first: int | None) -> list[int]:
    """Order a set that some order satisfies.

    Args:
        cells: the cells of the problem.
        chosen: the K items.
        values: (N,) scores.
        first: an item that goes to the earliest position it may take, before the others are placed.

    Returns:
        The items by position: each position takes the item with the best score, ties by index, that leaves
        room for the rest.
    """
    ranked = sorted((item for item in chosen if item != first), key=lambda item: (-values[item], item))
    if cells.start.length.size == 1:
        return ranked if first is None else [first, *ranked]
    own, item_face = _own_cells(cells, chosen)
    state, places = own.start, {}
    if first is not None:
        for segment in range(own.start.length.size):
            taken = own.take(state, item_face[first], segment)
            if complete(own, taken) is not None:
                places[int(np.argmax(own.segment == segment))] = first
                state = taken
                break
    listed: list[int] = []
    witness = complete(own, state)
    for position in range(cells.count):
        if state.length[own.segment[position] :].sum() == state.length[own.segment[position]] and not places:
            return listed + ranked  # one segment is left: no row can tell its positions apart
        if position in places:
            listed.append(places.pop(position))
            continue
        item, state, witness = _next(own, state, witness, item_face, ranked, int(own.segment[position]))
        ranked.remove(item)
        listed.append(item)
    return listed


def is_arrangeable(cells: Cells, chosen: list[int]) -> bool:
    """Say whether some order of a set satisfies every windowed row."""
    own, _ = _own_cells(cells, chosen)
    return complete(own, own.start) is not None


def _own_cells(cells: Cells, chosen: list[int]) -> tuple[Cells, dict[int, int]]:
    """Cells of the chosen items alone, with the windowed rows; also the face of each item."""
    rows = np.flatnonzero(cells.windowed)
    faces, own = np.unique(cells.item_face[chosen], return_inverse=True)
    start = State(
        lower=cells.start.lower[rows],
        upper=cells.start.upper[rows],
        length=cells.start.length,
        supply=np.bincount(own).astype(np.int64),
    )
    small = replace(
        cells,
        face_cell=np.arange(faces.size),
        member=cells.member[rows][:, faces],
        first=cells.first[rows],
        last=cells.last[rows],
        control=cells.control[rows],
        num_quotas=rows.size,
        start=start,
    )
    return small, dict(zip(chosen, own.tolist(), strict=True))


def _next(
    cells: Cells,
    state: State,
    witness: IntArray | None,
    item_face: dict[int, int],
    ranked: list[int],
    segment: int,
) -> tuple[int, State, IntArray | None]:
    """The best item for the next position, the state after it and a completion of that state."""
    tried: set[int] = set()
    for item in ranked:
        face = item_face[item]
        if face in tried:
            continue
        tried.add(face)
        taken = cells.take(state, face, segment)
        if witness is not None and witness[face, segment] > 0:
            witness = witness.copy()
            witness[face, segment] -= 1
            return item, taken, witness
        found = complete(cells, taken)
        if found is not None:
            return item, taken, found
    raise AssertionError("a satisfiable set has no order")
