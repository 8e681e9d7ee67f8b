"""Training windows of a sequence model: every transition of every user once per epoch, little padding.

Legend: U users, N^alpha attention of a sequence of N items under stochastic length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from steerec.seeding import numpy_rng

Ints = NDArray[np.int64]
_LENGTH_BIN = 10
Piece = TypeVar("Piece")


class Window(NamedTuple):
    """A piece of a user's sequence."""

    user: int
    """Row of the sequences."""
    places: Ints
    """Places in that sequence, ascending."""


def cut_windows(length: int, window: int, offset: int) -> list[Ints]:
    """Cut a sequence into pieces of `window` inputs and one target more, so that no transition is lost.

    The first piece ends after `offset` transitions (0: it is a full one); a piece begins with the last item
    of the one before it.

    Args:
        length: items of the sequence.
        window: inputs of a piece at most.
        offset: in 0..window - 1.

    Returns:
        Places of 2 to window + 1 items each; no piece for fewer than two items.

    Example:
        >>> [piece.tolist() for piece in cut_windows(6, window=3, offset=1)]
        [[0, 1], [1, 2, 3, 4], [4, 5]]
    """
    starts = range(offset - window if offset else 0, length - 1, window)
    pieces = [np.arange(max(start, 0), min(start + window + 1, length)) for start in starts]
    return [piece for piece in pieces if len(piece) >= 2]


def thin(places: Ints, longest: int, alpha: float, rng: np.random.Generator) -> Ints:
    """Return a random part of a long sequence: stochastic length (Zhai et al. 2024, arXiv 2402.17152, 2.3).

    A sequence of n items with n > N^(alpha / 2) keeps N^(alpha / 2) of them with probability
    1 - N^alpha / n^2, else all; attention then costs O(N^alpha). Recent items are kept more often: the weight
    of an item is the reciprocal of its age. The last item is always kept.

    Args:
        places: n places, ascending.
        longest: N.
        alpha: in (1, 2]; 2 changes nothing.
        rng: draws.
    """
    length, kept = len(places), int(longest ** (alpha / 2))
    if length <= kept or rng.random() < longest**alpha / length**2:
        return places
    weights = 1.0 / np.arange(length - 1, 0, -1)
    earlier = rng.choice(length - 1, size=kept - 1, replace=False, p=weights / weights.sum())
    kept_places: Ints = places[np.append(np.sort(earlier), length - 1)]
    return kept_places


def expected_sparsity(lengths: Ints, longest: int, alpha: float) -> float:
    """Return the share of items that stochastic length leaves out, in expectation: its closed form.

    Args:
        lengths: of the sequences.
        longest: N.
        alpha: see `thin`.
    """
    lengths = np.asarray(lengths, np.float64)
    kept = int(longest ** (alpha / 2))
    chance = np.where(lengths > kept, 1.0 - np.minimum(longest**alpha / lengths**2, 1.0), 0.0)
    return float((chance * (lengths - kept)).sum() / lengths.sum())


def deal(
    pieces: Sequence[Piece], length: Callable[[Piece], int], num_batches: int, rng: np.random.Generator
) -> list[list[Piece]]:
    """Deal pieces into batches of similar length, in random order.

    Args:
        pieces: in any order.
        length: of a piece, in items.
        num_batches: as equal in number as can be.
        rng: draws.
    """
    shuffled = [pieces[i] for i in rng.permutation(len(pieces))]
    shuffled.sort(key=lambda piece: length(piece) // _LENGTH_BIN)  # stable: random within a bin
    bounds = np.linspace(0, len(shuffled), num_batches + 1).round().astype(int)
    return [shuffled[bounds[i] : bounds[i + 1]] for i in rng.permutation(num_batches)]


class EpochBatches:
    """Batches of one epoch after another: `batches(step)` is a pure function of the step.

    Long sequences are cut at an offset drawn anew for each user and epoch, so that over epochs each position
    is seen with short and long contexts. Windows of similar length share a batch.

    Args:
        lengths: (U,) items of each sequence.
        window: inputs of a window at most.
        batch_size: windows of a batch, about; the number of batches is the same in every epoch.
        seed: seed of offsets and order.
        alpha: of stochastic length; None keeps windows whole.
    """

    def __init__(
        self, lengths: Sequence[int], *, window: int, batch_size: int, seed: int, alpha: float | None = None
    ) -> None:
        self._lengths = {user: length for user, length in enumerate(lengths) if length >= 2}
        self._window, self._seed, self._alpha = window, seed, alpha
        transitions = np.array([length - 1 for length in self._lengths.values()])
        # A sequence cut at a random offset has one piece more than one cut from its start, on average.
        num_windows = float(np.sum(np.where(transitions > window, transitions / window + 1, 1.0)))
        fewest = int(np.sum(np.ceil(transitions / window)))  # however the offsets fall: no batch is empty
        self.steps_per_epoch = max(1, min(round(num_windows / batch_size), fewest))
        self._epoch, self._batches = -1, list[list[Window]]()

    def __call__(self, step: int, micro: int = 0) -> list[Window]:
        """Return the batch of a step; `micro` is part of the interface and unused."""
        del micro
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._draw(epoch)
        return self._batches[place]

    def _draw(self, epoch: int) -> list[list[Window]]:
        rng = numpy_rng(self._seed, "windows", epoch)
        pieces: list[Window] = []
        for user, length in self._lengths.items():
            whole = length <= self._window + 1
            offset = 0 if whole else int(rng.integers(self._window))
            pieces += [Window(user, piece) for piece in cut_windows(length, self._window, offset)]
        if self._alpha is not None:
            pieces = [Window(one.user, self._thinned(one.places, rng)) for one in pieces]
        return deal(pieces, lambda piece: len(piece.places), self.steps_per_epoch, rng)

    def _thinned(self, places: Ints, rng: np.random.Generator) -> Ints:
        """Thin the inputs; the target behind them stays."""
        assert self._alpha is not None
        return np.append(thin(places[:-1], self._window, self._alpha, rng), places[-1])
