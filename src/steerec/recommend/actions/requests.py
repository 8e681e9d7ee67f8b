"""Training samples of a model of actions: one per request end, or one per impression.

A person opens the app and is shown several items: a request. One sample when it ends, whose targets are all
its impressions, runs the history once for all of them; one sample per impression runs it every time. The
history of n impressions then costs n times as much (Zhai et al. 2024, arXiv 2402.17152, section 2.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.recommend.sequences.windows import deal
from steerec.seeding import numpy_rng

Ints = NDArray[np.int64]
Emission = Literal["request", "impression"]


class Sample(NamedTuple):
    """A piece of a person's sequence of which the last impressions are targets."""

    user: int
    """Row of the sequences."""
    places: Ints
    """Places in that sequence, consecutive."""
    first: int
    """Index in `places` of the first target."""


def request_ends(times: Ints | None, length: int, gap_s: int) -> Ints:
    """Return the places behind which a request ends, each as the number of impressions up to it.

    Args:
        times: (length,) seconds of the impressions; None: all of them are one request.
        length: impressions.
        gap_s: longest pause within a request, in seconds.

    Example:
        >>> request_ends(np.array([0, 10, 5000, 5001]), 4, gap_s=1800).tolist()
        [2, 4]
    """
    if not length:
        return np.zeros(0, np.int64)
    breaks = np.zeros(0, np.int64) if times is None else np.flatnonzero(np.diff(times[:length]) > gap_s) + 1
    return np.append(breaks, length).astype(np.int64)


def cut_samples(user: int, ends: Ints, window: int, offset: int) -> list[Sample]:
    """Cut a sequence so that each impression is a target exactly once.

    Args:
        user: row.
        ends: see `request_ends`.
        window: most impressions of a sample, history and targets together.
        offset: impressions of the first piece of a request longer than the window, in 1..window.

    Example:
        >>> samples = cut_samples(0, np.array([2, 7]), window=3, offset=1)
        >>> [(one.places.tolist(), one.first) for one in samples]
        [([0, 1], 0), ([0, 1, 2], 2), ([3, 4, 5], 0), ([4, 5, 6], 2)]
    """
    samples, start = [], 0
    for end in ends.tolist():
        cuts = [end] if end - start <= window else [*range(start + offset, end, window), end]
        for cut in cuts:
            oldest = max(0, cut - window)
            samples.append(Sample(user, np.arange(oldest, cut), start - oldest))
            start = cut
    return samples


class SampleBatches:
    """Batches of one epoch after another: `batches(step)` is a pure function of the step.

    Args:
        lengths: (U,) impressions of each person.
        times: U arrays of seconds; None where moments are not known.
        emit: "request": one sample per request end; "impression": one per impression, in which only the last
            impression is a target.
        gap_s: longest pause within a request.
        window: most impressions of a sample.
        batch_size: samples of a batch, about; the number of batches is the same in every epoch.
        seed: of offsets and order.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        times: Sequence[Ints] | None,
        *,
        emit: Emission,
        gap_s: int,
        window: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self._window, self._seed = window, seed
        moments = times if times is not None else [None] * len(lengths)
        self._ends = [
            np.arange(1, length + 1) if emit == "impression" else request_ends(when, length, gap_s)
            for length, when in zip(lengths, moments, strict=True)
        ]
        # Long requests have a piece more at some offsets: no batch is empty in an epoch of fewest pieces.
        fewest = sum(int(np.ceil(np.diff(ends, prepend=0) / window).sum()) for ends in self._ends)
        self.steps_per_epoch = max(1, min(round(len(self.samples(0)) / batch_size), fewest))
        self._epoch, self._batches = -1, list[list[Sample]]()

    def __call__(self, step: int) -> list[Sample]:
        """Return the batch of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._deal(epoch)
        return self._batches[place]

    def samples(self, epoch: int) -> list[Sample]:
        """Return all samples of an epoch, long requests cut at an offset drawn anew."""
        rng = numpy_rng(self._seed, "requests", epoch)
        offsets = rng.integers(1, self._window + 1, size=len(self._ends))
        return [
            sample
            for user, ends in enumerate(self._ends)
            for sample in cut_samples(user, ends, self._window, int(offsets[user]))
        ]

    def _deal(self, epoch: int) -> list[list[Sample]]:
        """Deal the samples of an epoch into batches of similar length, in random order."""
        rng = numpy_rng(self._seed, "deal", epoch)
        samples = self.samples(epoch)
        return deal(samples, lambda one: len(one.places), self.steps_per_epoch, rng)
