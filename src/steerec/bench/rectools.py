"""RecTools' models on our splits: the log goes over, lists in our item indices come back.

Legend: P points, S timed steps, K places of a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pydantic
from numpy.typing import NDArray

from steerec.bench.errand import send
from steerec.bench.outside.parcel import Parcel
from steerec.config import Config
from steerec.data.split import Point, Split
from steerec.metrics.lists import ranks_in_lists

Ints = NDArray[np.int64]
ModelName = Literal["sasrec", "hstu"]
LIST_LENGTH = 10


class RivalConfig(Config):
    """Size and training of another library's model; what is not named here is left as that library has it."""

    width: pydantic.PositiveInt = 64
    """Of item vectors and layers."""
    layers: pydantic.PositiveInt = 2
    heads: pydantic.PositiveInt = 2
    dropout: float = pydantic.Field(0.2, ge=0, lt=1)
    window: pydantic.PositiveInt = 50
    """Items of the history that the network sees."""
    batch_size: pydantic.PositiveInt = 128
    """Sequences of a batch; RecTools' default."""
    learning_rate: pydantic.PositiveFloat = 1e-3
    """RecTools' default."""
    epochs: pydantic.PositiveInt = 150
    """Passes over the users."""
    steps: pydantic.PositiveInt | None = None
    """Stop after so many steps; None: train all epochs."""
    seed: pydantic.NonNegativeInt = 0


class RivalRun(NamedTuple):
    """What a training in the parity environment gave."""

    step_seconds: NDArray[np.float64]
    """(S, 2) of each step, the loading of its batch included: wall time, processor time of all threads."""
    step_targets: Ints
    """(S,) items that each step was asked to predict."""
    steps_per_epoch: int
    versions: dict[str, str]
    fit_seconds: NDArray[np.float64] | None = None
    """(2,) of the whole `fit`: preparing data, building the model, training."""
    lists: Ints | None = None
    """(P, K) items for each point, -1 at the end of short lists."""


def run_rival(
    library: Literal["rectools", "recbole"],
    model: ModelName,
    config: RivalConfig,
    split: Split,
    points: Sequence[Point] = (),
    *,
    threads: int,
) -> RivalRun:
    """Train another library's model on the training part of a split.

    Args:
        library: whose.
        model: which; RecBole has no HSTU.
        config: its settings.
        split: the split.
        points: what it is asked about afterwards (RecTools only); items of their histories do not come.
        threads: of its process.

    Raises:
        NoParityError: there is no parity environment, or it failed.
    """
    facts = {**config.model_dump(mode="json"), "model": model, "k": LIST_LENGTH}
    answer = send(library, Parcel(facts, _log(split) | _asked(points)), threads=threads)
    return RivalRun(
        answer.arrays["step_seconds"],
        answer.arrays["step_targets"],
        answer.facts["steps_per_epoch"],
        answer.facts["versions"],
        answer.arrays.get("fit_seconds"),
        answer.arrays.get("lists"),
    )


def ranks_of(lists: Ints, points: Sequence[Point]) -> NDArray[np.float64]:
    """Return the rank (P,) of each point's target in its list, infinity where it is not there.

    Args:
        lists: (P, K), -1 at the end of short ones.
        points: P points.
    """
    rows = [[item for item in row if item >= 0] for row in lists.tolist()]
    return ranks_in_lists(rows, [point.target for point in points], [point.history for point in points])


def _log(split: Split) -> dict[str, Ints]:
    """Return the training part, user by user, oldest first; places are moments where there are none."""
    times = split.times or [np.arange(len(items)) for items in split.sequences]
    seconds = [time[:end] for time, end in zip(times, split.cut, strict=True)]
    users = np.repeat(np.arange(len(split.train)), [len(items) for items in split.train])
    return {"users": users, "items": np.concatenate(split.train), "seconds": np.concatenate(seconds)}


def _asked(points: Sequence[Point]) -> dict[str, Ints]:
    nothing = np.empty(0, np.int64)
    return {
        "points": np.repeat(np.arange(len(points)), [len(point.history) for point in points]),
        "history": np.concatenate([point.history for point in points]) if points else nothing,
    }
