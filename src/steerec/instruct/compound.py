"""Several controls in one request: quantities, ranges, exclusions, caps and positions, mixed.

Legend: K length of the list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from steerec.config import canonical_json
from steerec.instruct.choice import Situation, bound, draw_category, draw_range, draw_where, pick
from steerec.instruct.mixture import MixtureConfig

Control = dict[str, Any]
Maker = Callable[[Situation, np.random.Generator, int, MixtureConfig], Control | None]

BOUNDS = (
    *("at_least", "at_most", "exactly"),
    *("share_at_least", "share_at_most", "share_more_than", "share_less_than", "share_about"),
)
"""Every bound that a category can be given, besides all and none."""


def quantity(
    situation: Situation, rng: np.random.Generator, count: int, config: MixtureConfig
) -> Control | None:
    """Some number or share of a category."""
    name = pick(rng, BOUNDS)
    is_limit = name in ("at_most", "share_at_most", "share_less_than")
    category = draw_category(situation, rng, config.limit_sources if is_limit else config.include_sources)
    return category and bound(name, category, situation, count, rng, config.binding_share)


def at_least_some(
    situation: Situation, rng: np.random.Generator, count: int, config: MixtureConfig
) -> Control | None:
    """A few items of any set: a range, two categories at once, either of two."""
    where = draw_where(situation, rng, config.include_sources)
    return where and {"where": where, "at_least": int(rng.integers(1, max(count // 2, 1) + 1))}


def without(
    situation: Situation, rng: np.random.Generator, count: int, config: MixtureConfig
) -> Control | None:
    """None of a category."""
    del count
    category = draw_category(situation, rng, config.limit_sources, avoid_target=True)
    return category and {"where": category.where, "at_most": 0}


def only_range(
    situation: Situation, rng: np.random.Generator, count: int, config: MixtureConfig
) -> Control | None:
    """Nothing outside a range of numbers."""
    del count, config
    where = draw_range(situation, rng)
    return where and {"where": where, "at_least": "all"}


def cap(situation: Situation, rng: np.random.Generator, count: int, config: MixtureConfig) -> Control | None:
    """At most so many of each value of a column."""
    del config
    columns = situation.attributes.capped
    if not columns:
        return None
    # A topic comes again and again in a list, a name hardly: their caps differ.
    column = pick(rng, columns)
    low, high = (max(count // 3, 2), count * 7 // 10 + 1) if column.is_topical else (1, 4)
    return {"each": column.name, "at_most": int(rng.integers(low, max(high, low + 1)))}


def position(
    situation: Situation, rng: np.random.Generator, count: int, config: MixtureConfig
) -> Control | None:
    """A demand on the first places, or on any stretch."""
    where = draw_where(situation, rng, config.include_sources)
    if where is None or count < 2:
        return None
    last = int(rng.integers(1, max(count // 2, 1) + 1))
    if rng.random() < 0.5:
        return {"where": where, "at_least": "all", "within": [1, last]}
    first = int(rng.integers(1, count - 1)) if count > 2 else 1
    last = int(rng.integers(first + 1, min(first + 4, count) + 1))
    return {"where": where, "at_least": int(rng.integers(1, last - first + 1)), "within": [first, last]}


CONTROLS: dict[str, tuple[Maker, float]] = {
    "quantity": (quantity, 0.40),
    "without": (without, 0.20),
    "only_range": (only_range, 0.14),
    "at_least_some": (at_least_some, 0.10),
    "cap": (cap, 0.06),
    "position": (position, 0.10),
}
"""Kind of control -> how it is drawn, and its share among the controls of compound requests."""


def draw_controls(
    situation: Situation, rng: np.random.Generator, number: int, count: int, config: MixtureConfig
) -> list[Control]:
    """Draw controls that are about different things.

    Args:
        situation: the moment of the request.
        rng: of the row.
        number: how many controls.
        count: K.
        config: where categories come from.

    Returns:
        `number` controls as JSON, or an empty list where the catalogue has not enough to ask for.
    """
    makers, weights = zip(*CONTROLS.values(), strict=True)
    ends = np.cumsum(weights) / sum(weights)
    controls: list[Control] = []
    subjects: set[str] = set()
    for _ in range(4 * number):
        maker: Maker = makers[int(np.searchsorted(ends, rng.random(), side="right"))]
        control = maker(situation, rng, count, config)
        if not control:
            continue
        subject = canonical_json(control.get("where", control.get("each")))
        if subject not in subjects:
            subjects.add(subject)
            controls.append(control)
        if len(controls) == number:
            return controls
    return []
