"""One series out of many: slowly changing features merged into the main series, as HSTU reads them.

The longest behaviour series is the main one. Every other series is compressed to the first event of each run
of equal values and merged in by time; series of numbers are left out, since a network that sees the behaviour
itself can count it (Zhai et al. 2024, arXiv 2402.17152, section 2.1).

Legend: n events of a series, T tokens of the merged one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.errors import DataError

Ints = NDArray[np.int64]
NO_TARGET = -1


class Series(NamedTuple):
    """Events of one kind: what was watched, where the person lived, whom they followed."""

    times: Ints
    """(n,) seconds, ascending; one moment may hold several events."""
    values: NDArray[Any]
    """(n,) values; of a floating type where the feature is a number."""


class FeatureView(NamedTuple):
    """The merged series, oldest token first."""

    names: tuple[str, ...]
    """T names of the series that each token comes from."""
    values: tuple[Any, ...]
    """T values."""
    times: Ints
    """(T,) seconds."""
    targets: Ints
    """(T,) place of the token that each predicts; `NO_TARGET` where it predicts none."""
    weights: NDArray[np.float32]
    """(T,) 1 where there is a target, else 0: what the token's loss counts."""


def feature_view(
    series: Mapping[str, Series], main: str | None = None, positive: NDArray[np.bool_] | None = None
) -> FeatureView:
    """Merge a person's series into one.

    An event of the main series predicts the next event of the main series; a token of a slow feature predicts
    nothing. Where two series have an event at the same moment, the slow feature comes first: it is the state
    in which the behaviour happened.

    Args:
        series: by name.
        main: name of the main series; None: the longest one that is no number, the first of equals.
        positive: (n,) whether each event of the main series is worth predicting; None: all are.

    Raises:
        DataError: there is no main series, it is a number, or lengths do not agree.

    Example:
        >>> watched = Series(np.array([10, 20]), np.array(["Alien", "Up"]))
        >>> city = Series(np.array([5, 12, 15]), np.array(["Rome", "Rome", "Oslo"]))
        >>> view = feature_view({"watched": watched, "city": city}, main="watched")
        >>> list(view.values)
        ['Rome', 'Alien', 'Oslo', 'Up']
        >>> view.targets.tolist(), view.weights.tolist()
        ([-1, 3, -1, -1], [0.0, 1.0, 0.0, 0.0])
    """
    kept = {name: one for name, one in series.items() if not np.issubdtype(one.values.dtype, np.floating)}
    _check(series)
    main = max(kept, key=lambda name: len(kept[name].times), default=None) if main is None else main
    if main is None or main not in kept:
        known = ", ".join(kept) or "none"
        raise DataError(
            f"A view needs a main series whose values are no numbers, got {main!r}. Series: {known}."
        )
    if positive is not None and len(positive) != len(kept[main].times):
        raise DataError(
            f'positive needs one value for each of the {len(kept[main].times)} events of "{main}", '
            f"got {len(positive)}."
        )
    slow = [(name, run_starts(one)) for name, one in kept.items() if name != main]
    parts = [*slow, (main, kept[main])]  # stable sort: at one moment slow features come first
    names = [name for name, one in parts for _ in range(len(one.times))]
    values = [value for _, one in parts for value in one.values.tolist()]
    times = np.concatenate([one.times for _, one in parts]).astype(np.int64)
    order = np.argsort(times, kind="stable")
    names = [names[i] for i in order]
    targets = _targets(np.array([name == main for name in names], np.bool_), positive)
    return FeatureView(
        tuple(names),
        tuple(values[i] for i in order),
        times[order],
        targets,
        (targets != NO_TARGET).astype(np.float32),
    )


def run_starts(series: Series) -> Series:
    """Keep the first event of each run of equal values.

    Example:
        >>> run_starts(Series(np.arange(5), np.array(["a", "a", "b", "a", "a"]))).times.tolist()
        [0, 2, 3]
    """
    values = series.values
    starts = np.ones(len(values), np.bool_)
    starts[1:] = values[1:] != values[:-1]
    return Series(series.times[starts], values[starts])


def _targets(is_main: NDArray[np.bool_], positive: NDArray[np.bool_] | None) -> Ints:
    """Return (T,): a main token's target is the main token after it, where that one is worth predicting."""
    places = np.flatnonzero(is_main)
    targets = np.full(len(is_main), NO_TARGET, np.int64)
    targets[places[:-1]] = places[1:]
    if positive is not None:
        targets[places[:-1][~positive[1:]]] = NO_TARGET
    return targets


def _check(series: Mapping[str, Series]) -> None:
    for name, one in series.items():
        if len(one.times) != len(one.values):
            raise DataError(
                f'The series "{name}" has {len(one.times)} moments for {len(one.values)} values: one each.'
            )
        if np.any(np.diff(one.times) < 0):
            raise DataError(f'The moments of the series "{name}" must ascend: sort it by time.')
