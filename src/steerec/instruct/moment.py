"""When instruction rows are asked: which task, which user, which position of the user's sequence.

Legend: U users, N items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from steerec.data.split import Split
from steerec.errors import DataError
from steerec.instruct.attributes import Attributes, Ints
from steerec.instruct.mixture import MixtureConfig
from steerec.instruct.tasks import TASKS
from steerec.seeding import numpy_rng

Part = Literal["train", "valid"]

CHAT = "general_chat"


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """One row to be: everything drawn but the request."""

    number: int
    """Row number, from 0."""
    task: str
    """Name of the task."""
    user: int | None
    """Index of the user; None for tasks that know none."""
    history: Ints
    """Everything the user had seen, oldest first."""
    target: int | None
    """The item that came next; for tasks without a user the item they are about."""
    rng: np.random.Generator
    """The row's own generator, for everything still to be drawn."""


class Moments:
    """Draws moments; each is a pure function of (seed, part, number)."""

    def __init__(self, split: Split, attributes: Attributes, config: MixtureConfig, part: Part) -> None:
        """Prepare the draws.

        Raises:
            DataError: the training part has no user with two items, or no task is possible.
        """
        self._config, self._part = config, part
        self._train = split.train
        self._points = split.points("valid") if part == "valid" else []
        self._users = np.array([u for u, items in enumerate(self._train) if len(items) >= 2], dtype=np.int64)
        if part == "train" and not len(self._users):
            raise DataError(
                "No user has two items in the training part: there is no next item to learn from. Use a "
                "larger log or a split that leaves more for training."
            )
        weights = possible_weights(config.weights, attributes)
        self._names = tuple(weights)
        self._ends = np.cumsum([*weights.values()]) / sum(weights.values())
        self._described = _described_items(attributes)
        self._orders: dict[int, Ints] = {}

    @property
    def num_rows(self) -> int:
        """Rows of this part."""
        if self._part == "train":
            return self._config.num_rows
        return self._config.num_valid_rows if self._points else 0

    def draw(self, number: int) -> Moment:
        """Draw one moment."""
        rng = numpy_rng(self._config.seed, "instruct", self._part, number)
        task = self._names[int(np.searchsorted(self._ends, rng.random(), side="right"))]
        if task == CHAT:
            past = self._chatting_past(rng)
            return Moment(number=number, task=task, user=None, history=past, target=None, rng=rng)
        if not TASKS[task].has_user:
            target = int(self._described[int(rng.integers(len(self._described)))])
            nothing = np.zeros(0, dtype=np.int64)
            return Moment(number=number, task=task, user=None, history=nothing, target=target, rng=rng)
        if self._part == "valid":
            point = self._points[self._turn(number, len(self._points))]
            user, history, target = point.user, point.history, point.target
        else:
            user = int(self._users[self._turn(number, len(self._users))])
            position = self._position(len(self._train[user]), rng)
            history, target = self._train[user][:position], int(self._train[user][position])
        return Moment(number=number, task=task, user=user, history=history, target=target, rng=rng)

    def _chatting_past(self, rng: np.random.Generator) -> Ints:
        """Somebody's past in every other chat: the words alone then say that no list is wanted."""
        if not len(self._users) or rng.random() < 0.5:
            return np.zeros(0, dtype=np.int64)
        sequence = self._train[int(self._users[int(rng.integers(len(self._users)))])]
        return sequence[: self._position(len(sequence), rng)]

    def _turn(self, number: int, size: int) -> int:
        """Everyone has a turn before anyone has the next one, in an order of its own each time."""
        round_, place = divmod(number, size)
        if round_ not in self._orders:
            self._orders = {
                round_: numpy_rng(self._config.seed, "turns", self._part, round_).permutation(size)
            }
        return int(self._orders[round_][place])

    def _position(self, length: int, rng: np.random.Generator) -> int:
        late = rng.random() < self._config.late_share
        first = max(1, length - self._config.late_positions) if late else 1
        return int(rng.integers(first, length))


def possible_weights(weights: Mapping[str, float], attributes: Attributes) -> dict[str, float]:
    """Return the weights of the tasks that a catalogue can serve.

    Raises:
        DataError: it can serve none of them.
    """
    possible = {
        name: weight
        for name, weight in weights.items()
        if weight > 0 and (name == CHAT or TASKS[name].is_possible(attributes))
    }
    if not possible:
        wanted = ", ".join(name for name, weight in weights.items() if weight > 0)
        raise DataError(
            f"The catalogue has no columns for any of the tasks {wanted}: they need category or number "
            "columns. Give next_items or candidates a weight, which need none."
        )
    return possible


def _described_items(attributes: Attributes) -> Sequence[int] | Ints:
    """Items that carry a topic of the first topical column."""
    if not attributes.topical:
        return ()
    column = attributes.topical[0]
    return [i for i in range(len(attributes.catalog)) if not column.topics.isdisjoint(column.of(i))]
