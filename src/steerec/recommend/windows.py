"""Training windows of a sequence model: every transition of every user once per epoch, little padding.

Legend: `B` windows of a batch, `L` items of a window, `U` users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.seeding import numpy_rng

Ints = NDArray[np.int64]
PAD_TARGET = -1
_LENGTH_BIN = 10


class WindowBatch(NamedTuple):
    """Windows padded on the right to the longest of the batch."""

    inputs: Ints
    """(B, L) items; padding holds 0."""
    targets: Ints
    """(B, L) the item after each input; `PAD_TARGET` on padding."""


def cut_windows(sequence: Ints, window: int, offset: int) -> list[Ints]:
    """Cut a sequence into pieces of `window` inputs and one target more, so that no transition is lost.

    The first piece ends after `offset` transitions (0: it is a full one); a piece begins with the last item
    of the one before it.

    Args:
        sequence: item indices, oldest first.
        window: inputs of a piece at most.
        offset: in 0..window - 1.

    Returns:
        Pieces of 2 to window + 1 items; none for fewer than two items.

    Example:
        >>> [piece.tolist() for piece in cut_windows(np.arange(6), window=3, offset=1)]
        [[0, 1], [1, 2, 3, 4], [4, 5]]
    """
    starts = range(offset - window if offset else 0, len(sequence) - 1, window)
    pieces = [sequence[max(start, 0) : start + window + 1] for start in starts]
    return [piece for piece in pieces if len(piece) >= 2]


class EpochBatches:
    """Batches of one epoch after another: `batches(step)` is a pure function of the step.

    Long sequences are cut at an offset drawn anew for each user and epoch, so that over epochs each position
    is seen with short and long contexts. Windows of similar length share a batch.

    Args:
        sequences: U arrays of item indices.
        window: inputs of a window at most.
        batch_size: windows of a batch, about; the number of batches is the same in every epoch.
        seed: seed of offsets and order.
    """

    def __init__(self, sequences: Sequence[Ints], *, window: int, batch_size: int, seed: int) -> None:
        self._sequences = [sequence for sequence in sequences if len(sequence) >= 2]
        self._window, self._seed = window, seed
        transitions = np.array([len(sequence) - 1 for sequence in self._sequences])
        # A sequence cut at a random offset has one piece more than one cut from its start, on average.
        num_windows = float(np.sum(np.where(transitions > window, transitions / window + 1, 1.0)))
        self.steps_per_epoch = max(1, round(num_windows / batch_size))
        self._epoch, self._batches = -1, list[list[Ints]]()

    def __call__(self, step: int, micro: int = 0) -> WindowBatch:
        """Return the batch of a step; `micro` is part of the interface and unused."""
        del micro
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._draw(epoch)
        return pad(self._batches[place])

    def _draw(self, epoch: int) -> list[list[Ints]]:
        rng = numpy_rng(self._seed, "windows", epoch)
        pieces: list[Ints] = []
        for sequence in self._sequences:
            whole = len(sequence) <= self._window + 1
            offset = 0 if whole else int(rng.integers(self._window))
            pieces += cut_windows(sequence, self._window, offset)
        shuffled = [pieces[i] for i in rng.permutation(len(pieces))]
        shuffled.sort(key=lambda piece: len(piece) // _LENGTH_BIN)  # stable: random within a bin
        bounds = np.linspace(0, len(shuffled), self.steps_per_epoch + 1).round().astype(int)
        order = rng.permutation(self.steps_per_epoch)
        return [shuffled[bounds[i] : bounds[i + 1]] for i in order]


def pad(pieces: Sequence[Ints]) -> WindowBatch:
    """Split pieces into inputs and targets, padded on the right to the longest."""
    length = max(len(piece) for piece in pieces) - 1
    inputs = np.zeros((len(pieces), length), np.int64)
    targets = np.full((len(pieces), length), PAD_TARGET, np.int64)
    for row, piece in enumerate(pieces):
        inputs[row, : len(piece) - 1] = piece[:-1]
        targets[row, : len(piece) - 1] = piece[1:]
    return WindowBatch(inputs, targets)
