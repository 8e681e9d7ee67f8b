"""What a list is worth under its own request, judged on the compiled problem that decoding and metrics use.

A list satisfies its problem if all K entries are usable (see `entries`), none is missing or too much, and
every quota and cap holds: then its gap is 0, and only then does it earn anything from the teacher.

Legend: S lists of one problem, E entries of the longest, K requested length, N items, V labels of a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np
import pydantic
from numpy.typing import NDArray

from steerec.align.rewards.entries import (
    changes_needed,
    crowding,
    fitting_entries,
    intra_list_distance,
    usable_entries,
)
from steerec.config import Config
from steerec.control.attribute import attribute_index
from steerec.control.optimum import best_list
from steerec.control.problem import BoolArray, IntArray, Problem
from steerec.data.catalog import Catalog
from steerec.errors import ConfigError
from steerec.instruct.labels import is_admissible
from steerec.metrics.ranking import ndcg

FloatArray = NDArray[np.float64]


class RewardConfig(Config):
    """Weights of the parts of a reward; each part lies in 0..1, so a weight is the most that it can earn."""

    satisfaction: pydantic.NonNegativeFloat = 1.0
    """For a list that satisfies its request."""
    gap: pydantic.NonNegativeFloat = 1.0
    """For every requested place that need not be changed to satisfy: earns 1 - gap."""
    ranking: pydantic.NonNegativeFloat = 1.0
    """For the true next item, the more the earlier it stands."""
    regret: pydantic.NonNegativeFloat = 1.0
    """For the teacher's probability of the listed items against the best list's: earns 1 - regret."""
    diversity: pydantic.NonNegativeFloat = 0.0
    """For items whose labels differ."""
    place: pydantic.NonNegativeFloat = 0.0
    """For every entry that is usable and breaks no bound of a control where it stands."""
    diversity_column: str = "categories"
    """Column whose labels make items alike, see `label_matrix`."""

    @pydantic.model_validator(mode="after")
    def _rewards_something(self) -> Self:
        if not any(getattr(self, part) for part in PARTS):
            raise ValueError(f"all weights are 0, so nothing is rewarded; raise one of {', '.join(PARTS)}")
        return self


PARTS = ("satisfaction", "gap", "ranking", "regret", "diversity", "place")
"""Names of the parts, as the configuration and the log spell them."""
_LOSSES = ("gap", "regret")
"""Parts that are better when smaller."""


class Reference(NamedTuple):
    """What the lists of one problem are measured against."""

    target: int | None
    """The true next item; None where unknown, seen before, or in no satisfying list."""
    log_best: float | None
    """Log of the sum of exp(score) over the items of the best list; None without a teacher."""


class Rewards(NamedTuple):
    """What S lists are worth."""

    total: FloatArray
    """(S,) sum of the weighted parts."""
    places: FloatArray
    """(S, E) the share of the total that single entries earned: ranking, regret and place."""
    whole: FloatArray
    """(S,) the rest of the total, which the list earned as a list."""
    parts: dict[str, FloatArray]
    """Name -> (S,) before weighting, 0..1; gap and regret are losses. Without a teacher there is no regret,
    without labels no diversity."""


def reference_of(
    problem: Problem,
    *,
    history: Sequence[int] = (),
    target: int | None = None,
    scores: NDArray[np.floating] | None = None,
) -> Reference:
    """Solve what lists of a problem are measured against; `References` remembers it.

    The best list is the satisfying one with the largest sum of the teacher's probabilities, which is the
    expected number of hits. Under nested quotas it holds the items of the best list by scores.

    Args:
        problem: a request that can be satisfied.
        history: items the user has seen; a target among them is a miss, as in the metrics.
        target: the item that came next, if known.
        scores: (N,) of the teacher in nats, wishes added; None: no teacher.

    Raises:
        InfeasibleRequest: no list satisfies the problem.
        RequestError: the scores do not fit the catalogue.
    """
    ranked = target is not None and target not in history and is_admissible(problem, target)
    log_best = None
    if scores is not None:
        nats = np.asarray(scores, dtype=np.float64)
        listed = nats[best_list(problem, np.exp(nats - nats.max()))]
        log_best = float(np.logaddexp.reduce(listed))
    return Reference(target if ranked else None, log_best)


class References:
    """The references of problems for one teacher: each is solved once and kept as long as its problem."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Problem, Reference] = WeakKeyDictionary()

    def of(
        self,
        problem: Problem,
        *,
        history: Sequence[int] = (),
        target: int | None = None,
        scores: NDArray[np.floating] | None = None,
    ) -> Reference:
        """Return `reference_of` its arguments; a problem comes with the same ones every time."""
        if problem not in self._known:
            self._known[problem] = reference_of(problem, history=history, target=target, scores=scores)
        return self._known[problem]


def label_matrix(catalog: Catalog, column: str) -> BoolArray:
    """Return (N, V) which labels of a column each item carries.

    Raises:
        RequestError: the catalogue has no such column.
    """
    attribute = attribute_index(catalog).attribute(column)
    labels = np.zeros((len(catalog), len(attribute.labels)), np.bool_)
    labels[np.repeat(np.arange(len(catalog)), np.diff(attribute.indptr)), attribute.value_ids] = True
    return labels


def reward_lists(
    lists: Sequence[Sequence[int | None]],
    problem: Problem,
    reference: Reference,
    config: RewardConfig,
    *,
    scores: NDArray[np.floating] | None = None,
    labels: BoolArray | None = None,
) -> Rewards:
    """Return what lists that answer one problem are worth.

    The parts, each in 0..1:

    - satisfaction: 1 if the list satisfies, else 0.
    - gap: share of the K places to change until the list satisfies, on average over the controls: what is no
      usable entry counts for each of them, and so do the items that its bounds lack or have too many of
      (unless they can go where no usable entry stands). It is 0 if and only if the list satisfies.
    - ranking: 1 / log2(rank + 1) where the true next item stands as a usable entry (NDCG of one relevant
      item), else 0.
    - regret: 1 - P(list) / P(best list), P being the sum of the teacher's probabilities; 1 for a list that
      does not satisfy.
    - diversity: see `entries.intra_list_distance`.
    - place: share of the K places whose entry is usable and neither exceeds an upper bound nor leaves too few
      places for a lower bound, counted up to that place.

    Args:
        lists: S lists, best first; None marks an entry that is no catalogue item.
        problem: the compiled request.
        reference: of the problem and the same teacher.
        config: weights.
        scores: (N,) of the teacher in nats, wishes added; needed for regret.
        labels: (N, V), see `label_matrix`; needed for diversity.

    Raises:
        ConfigError: regret or diversity has a weight, and what it needs is missing.
    """
    _check_inputs(config, reference, scores, labels)
    shown, surplus = _lay_out(lists, problem.count)
    usable = usable_entries(problem, shown)
    crowds = [crowding(cap, shown, usable) for cap in problem.caps]
    changes = changes_needed(problem, shown, usable, surplus, crowds)  # (controls, S)
    satisfied: BoolArray = (changes == 0).all(axis=0)
    hits = usable & (shown == (-1 if reference.target is None else reference.target))
    by_place = {
        "ranking": hits * ndcg(np.arange(1.0, problem.count + 1), problem.count),
        "place": fitting_entries(problem, shown, usable, crowds) / problem.count,
    }
    if scores is not None and reference.log_best is not None:
        by_place["regret"] = _shares(shown, satisfied, scores, reference.log_best)
    parts = {name: values.sum(axis=1) for name, values in by_place.items()}
    if "regret" in parts:
        parts["regret"] = np.clip(1.0 - parts["regret"], 0.0, 1.0)
    parts["satisfaction"] = satisfied.astype(np.float64)
    parts["gap"] = np.minimum(changes.mean(axis=0) / problem.count, 1.0)
    if labels is not None:
        parts["diversity"] = intra_list_distance(shown, usable, labels)
    return _weighted(parts, by_place, max(map(len, lists), default=0), config)


def earned(parts: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Turn parts so that more is better: gap and regret become 1 - gap and 1 - regret."""
    return {name: 1.0 - values if name in _LOSSES else values for name, values in parts.items()}


def _lay_out(lists: Sequence[Sequence[int | None]], count: int) -> tuple[IntArray, IntArray]:
    """Return the first K entries of each list (S, K), -1 for none, and how many more there are (S,)."""
    shown = np.full((len(lists), count), -1, dtype=np.int64)
    for row, items in enumerate(lists):
        first = [-1 if item is None else item for item in items[:count]]
        shown[row, : len(first)] = first
    return shown, np.array([max(len(items) - count, 0) for items in lists], dtype=np.int64)


def _check_inputs(
    config: RewardConfig,
    reference: Reference,
    scores: NDArray[np.floating] | None,
    labels: BoolArray | None,
) -> None:
    if config.regret and (scores is None or reference.log_best is None):
        raise ConfigError(
            f"regret has the weight {config.regret}, and there is no teacher to measure it by. Give scores "
            "here and to reference_of, or set the weight to 0."
        )
    if config.diversity and labels is None:
        raise ConfigError(
            f"diversity has the weight {config.diversity}, and no labels were given. Give "
            "label_matrix(catalog, config.diversity_column), or set the weight to 0."
        )


def _weighted(
    parts: dict[str, FloatArray], by_place: dict[str, FloatArray], longest: int, config: RewardConfig
) -> Rewards:
    size = len(parts["satisfaction"])
    places, whole = np.zeros((size, longest)), np.zeros(size)
    for name, values in earned(parts).items():
        weight = getattr(config, name)
        if name in by_place:
            reached = by_place[name][:, :longest]  # what lies beyond the longest list earned nothing
            places[:, : reached.shape[1]] += weight * reached
        else:
            whole += weight * values
    return Rewards(
        total=whole + places.sum(axis=1),
        places=places,
        whole=whole,
        parts={name: parts[name] for name in PARTS if name in parts},
    )


def _shares(
    shown: IntArray, satisfied: BoolArray, scores: NDArray[np.floating], log_best: float
) -> FloatArray:
    """Return (S, K) each item's probability over that of the whole best list; 0 unless the list satisfies."""
    items = np.where(satisfied[:, None], shown, 0)
    shares = np.exp(np.asarray(scores, dtype=np.float64)[items] - log_best) * satisfied[:, None]
    # The best list is the best up to rounding: no list earns more.
    clipped: FloatArray = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
    return clipped
