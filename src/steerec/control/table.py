"""Tables over count vectors: exact answers for crossing quotas and windows, where the table is small.

A table has one axis for the filled positions of each segment and one for each row, which counts the members
chosen so far, or the non-members where that axis is shorter. No axis ever passes its end. A set of reachable
count vectors is one Python integer, one bit a vector, so adding an item to all of them is a shift and a mask.

Legend: G segments, R rows, V variables of a model, S size of the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steerec.control.model import Model
from steerec.control.problem import BoolArray, IntArray

_HUGE = 2**62


@dataclass(frozen=True, kw_only=True, eq=False)
class Axes:
    """The axes of a table."""

    size: int
    """S, number of count vectors; a size of 2**62 or more is given as 2**62, and cannot be laid out."""
    ends: list[int]
    """Largest count on each axis; segments first, then rows."""
    floors: list[int]
    """Smallest count that a finished list has on each axis."""
    strides: list[int]
    """Distance between neighbours along each axis."""
    step: IntArray
    """(V, G) distance that one item moves."""
    moves: BoolArray
    """(V, G, axes) axes that one item moves along."""


def axes_of(model: Model) -> Axes:
    """Lay out the table of a model."""
    span = model.inside @ model.length  # (R,)
    outside = (span - model.lower) < model.upper
    ends = np.concatenate([model.length, np.where(outside, span - model.lower, model.upper)])
    floors = np.concatenate([model.length, np.where(outside, span - model.upper, model.lower)])
    counted = model.member ^ outside[:, None]  # (R, V)
    moves = np.concatenate(
        [
            np.broadcast_to(
                np.eye(model.length.size, dtype=np.bool_), (model.pool.size, *(model.length.size,) * 2)
            ),
            counted.T[:, None, :] & model.inside.T[None, :, :],
        ],
        axis=2,
    )
    strides, size = [], 1
    for end in ends.tolist():
        strides.append(size if size < _HUGE else 0)
        size = min(size * (end + 1), _HUGE)
    return Axes(
        size=size,
        ends=ends.tolist(),
        floors=floors.tolist(),
        strides=strides,
        step=moves @ np.array(strides, dtype=np.int64),
        moves=moves,
    )


def at_least(axes: Axes, axis: int, count: int) -> int:
    """Bits of the count vectors with at least `count` on one axis."""
    stride, period = axes.strides[axis], axes.strides[axis] * (axes.ends[axis] + 1)
    bits = ((1 << (period - stride * count)) - 1) << (stride * count)
    width = period
    while width < axes.size:
        bits |= bits << width
        width *= 2
    return bits & ((1 << axes.size) - 1)


class Reach:
    """The count vectors that a model can reach, and how."""

    def __init__(self, model: Model, axes: Axes) -> None:
        self._model, self._axes = model, axes
        self._ones = [at_least(axes, axis, 1) for axis in range(len(axes.ends))]
        self._full = (1 << axes.size) - 1
        self._landing: dict[bytes, int] = {}

    def counts(self) -> IntArray | None:
        """Return counts (V, G) of one list, or None where no list exists."""
        model, total = self._model, self._model.total
        reached, history = 1, []
        for pool in range(model.supply.size):
            options = [
                (int(v), int(g))
                for v in np.flatnonzero(model.pool == pool)
                for g in np.flatnonzero(model.alive[v])
            ]
            supply = int(model.supply[pool])
            layers = [[reached]] if supply >= total else [[reached, *[0] * supply]]
            for option in options:
                layers.append(self._spread(layers[-1], option, bounded=supply < total))
            history.append((options, layers))
            reached = 0
            for bits in layers[-1]:
                reached |= bits
        for axis, floor in enumerate(self._axes.floors):
            if floor:
                reached &= at_least(self._axes, axis, floor)
        return self._trace(history, (reached & -reached).bit_length() - 1) if reached else None

    def _spread(self, layer: list[int], option: tuple[int, int], *, bounded: bool) -> list[int]:
        """Use an option any number of times.

        Entry j of a layer holds the vectors reached with j works of the pool; a pool that cannot run out
        has one entry.
        """
        step, landing = int(self._axes.step[option]), self._land(option)
        if bounded:
            grown = [layer[0]]
            for used in range(1, len(layer)):
                grown.append(layer[used] | ((grown[-1] << step) & landing))
            return grown
        bits = fresh = layer[0]
        while fresh:
            fresh = (fresh << step) & landing & ~bits
            bits |= fresh
        return [bits]

    def _land(self, option: tuple[int, int]) -> int:
        """Bits where a step of `option` may land: no axis has passed its end."""
        moves = self._axes.moves[option]
        key = moves.tobytes()
        if key not in self._landing:
            bits = self._full
            for axis in np.flatnonzero(moves):
                bits &= self._ones[axis]
            self._landing[key] = bits
        return self._landing[key]

    def _trace(self, history: list[tuple[list[tuple[int, int]], list[list[int]]]], vector: int) -> IntArray:
        """Walk back from a reached vector to the counts that made it."""
        counts = np.zeros(self._model.alive.shape, dtype=np.int64)
        for options, layers in reversed(history):
            used = next(j for j, bits in enumerate(layers[-1]) if bits >> vector & 1)
            bounded = len(layers[-1]) > 1
            for option, before in zip(reversed(options), reversed(layers[:-1]), strict=True):
                while not before[used] >> vector & 1:
                    counts[option] += 1
                    vector -= int(self._axes.step[option])
                    used -= bounded
            assert used == 0, "a table walk ended with works unaccounted for"
        assert vector == 0, "a table walk did not come back to the empty list"
        return counts
