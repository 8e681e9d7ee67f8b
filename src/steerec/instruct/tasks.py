"""The instruction tasks: each draws one request (or a question with a written answer) for a situation.

A task knows nothing of any particular catalogue: it asks for whatever columns there are, by their types, and
is left out where a catalogue has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from steerec.control.request import Request
from steerec.control.templates import PHRASES
from steerec.control.where import Where
from steerec.control.wording import Speaker, noun_phrase, spoken_titles
from steerec.instruct.attributes import Attributes
from steerec.instruct.choice import Situation, bound, draw_category, pick
from steerec.instruct.compound import draw_controls
from steerec.instruct.mixture import MixtureConfig

_LEAST_BOUNDED = 4
"""Shortest list that bounds and shares are asked of: below it, they say little."""
_HALF_CANDIDATES = 0.5
"""Share of the candidates that the teacher ranks high; the others are drawn from everything."""
_CANDIDATE_DEPTH = 50


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a task drew."""

    request: Request | None = None
    """The request; None for a question that is answered in words."""
    instruction: str | None = None
    """The words, where the task writes them itself; None: the request rendered."""
    answer_text: str | None = None
    """The answer in words; None: a list, labelled by the teacher."""
    is_plain: bool = False
    """Whether the request asks for nothing but a number of items."""


Draw = Callable[[Situation, np.random.Generator, MixtureConfig, str], Draft | None]


class Task(NamedTuple):
    """A task: how it draws, whether a catalogue can serve it, and whether it is about a user."""

    draw: Draw
    is_possible: Callable[[Attributes], bool]
    has_user: bool = True


def make_request(count: int, controls: list[dict[str, Any]], **parts: Any) -> Request:
    """Return a request from plain JSON parts."""
    return Request.model_validate({"count": count, "controls": controls, **parts})


def next_items(
    situation: Situation, rng: np.random.Generator, config: MixtureConfig, phrasing: str
) -> Draft | None:
    """The next items of a user, nothing else asked."""
    del situation, phrasing
    return Draft(request=make_request(config.draw_count(rng), []), is_plain=True)


def item_count(
    situation: Situation, rng: np.random.Generator, config: MixtureConfig, phrasing: str
) -> Draft | None:
    """A list of a stated length, short or long."""
    del phrasing
    count = config.draw_listed_count(rng)
    if count > len(situation.best):
        return None
    return Draft(request=make_request(count, []), is_plain=True)


def include_category(
    situation: Situation, rng: np.random.Generator, config: MixtureConfig, phrasing: str
) -> Draft | None:
    """Only items of a category."""
    del phrasing
    category = draw_category(situation, rng, config.include_sources)
    if category is None:
        return None
    control = {"where": category.where, "at_least": "all"}
    return Draft(request=make_request(config.draw_count(rng), [control]))


def exclude_category(
    situation: Situation, rng: np.random.Generator, config: MixtureConfig, phrasing: str
) -> Draft | None:
    """No items of a category."""
    del phrasing
    category = draw_category(situation, rng, config.limit_sources, avoid_target=True)
    if category is None:
        return None
    return Draft(request=make_request(config.draw_count(rng), [{"where": category.where, "at_most": 0}]))


def _bounded(names: tuple[str, ...], *, limits: bool) -> Draw:
    """Return a task that puts one of several bounds on a category: half the time the first, else another."""

    def draw(
        situation: Situation, rng: np.random.Generator, config: MixtureConfig, phrasing: str
    ) -> Draft | None:
        del phrasing
        sources = config.limit_sources if limits else config.include_sources
        category = draw_category(situation, rng, sources)
        count = config.draw_count(rng, least=min(_LEAST_BOUNDED, config.max_count))
        if category is None or count < 2:
            return None
        name = names[0] if rng.random() < 0.5 else pick(rng, names[1:])
        control = bound(name, category, situation, count, rng, config.binding_share)
        return Draft(request=make_request(count, [control]))

    return draw


share_at_most = _bounded(("at_most", "share_at_most", "share_less_than"), limits=True)
share_at_least = _bounded(("at_least", "share_at_least", "share_more_than"), limits=False)
share_about = _bounded(("exactly", "share_about"), limits=False)


def candidates(
    situation: Situation, rng: np.random.Generator, config: MixtureConfig, phrasing: str
) -> Draft | None:
    """The best of a given selection, which is larger than the list asked for."""
    del phrasing
    count = min(config.draw_count(rng), config.max_candidates - 1)
    size = int(rng.integers(count + 1, config.max_candidates + 1))
    chosen = draw_candidates(situation, rng, size)
    if len(chosen) <= count:
        return None
    ids = [situation.attributes.catalog.item_ids[item] for item in chosen]
    return Draft(request=make_request(count, [], candidates=ids))


def draw_candidates(situation: Situation, rng: np.random.Generator, size: int) -> list[int]:
    """Draw unseen items, one of each work: the target, some of the teacher's best, some of anything.

    Args:
        situation: the moment of the request.
        rng: of the row; decides the order too.
        size: how many; fewer are returned where the catalogue has no more.

    Returns:
        Item indices in random order.
    """
    work = situation.attributes.catalog.work
    used = set(work[situation.history].tolist())
    chosen: list[int] = []

    def take(item: int) -> None:
        if len(chosen) < size and int(work[item]) not in used:
            used.add(int(work[item]))
            chosen.append(item)

    if situation.target is not None:
        take(situation.target)
    near = rng.permutation(situation.best[:_CANDIDATE_DEPTH])[: int(size * _HALF_CANDIDATES)]
    for item in [*near, *rng.integers(len(work), size=4 * size)]:
        take(int(item))
    return [chosen[place] for place in rng.permutation(len(chosen))]


def category_to_item(
    situation: Situation, rng: np.random.Generator, config: MixtureConfig, phrasing: str
) -> Draft | None:
    """One item of a category, or of none of it, without any user; the situation's target is the answer."""
    del config
    attributes = situation.attributes
    target = situation.target
    assert target is not None, "rows draw an item for the tasks without a user"
    column = attributes.topical[0]
    values = [value for value in column.of(target) if value in column.topics]
    if not values:
        return None
    if rng.random() < 0.8:
        where = column.where(pick(rng, values))
    else:
        others = [value for value in column.topic_list if value not in values]
        if not others:
            return None
        where = {"not": column.where(pick(rng, others))}
    speaker = Speaker(catalog=attributes.catalog, rng=rng, split=phrasing)
    words = speaker.say("one_of", which=noun_phrase(Where.parse(where), speaker))
    return Draft(request=make_request(1, [{"where": where, "at_least": "all"}]), instruction=words)


def item_to_category(
    situation: Situation, rng: np.random.Generator, config: MixtureConfig, phrasing: str
) -> Draft | None:
    """The categories of an item, in words."""
    del config
    catalog, column = situation.attributes.catalog, situation.attributes.topical[0]
    assert situation.target is not None, "rows draw an item for the tasks without a user"
    values = column.of(situation.target)
    if not values:
        return None
    named = values if column.kind == "categories" else values[-1:]  # the longest prefix names the path
    title = spoken_titles([catalog.item_ids[situation.target]], catalog)
    question = pick(rng, PHRASES[phrasing]["category_question"]).replace("{title}", title)
    return Draft(instruction=question, answer_text=", ".join(column.spoken(value) for value in named))


def compound(
    situation: Situation, rng: np.random.Generator, config: MixtureConfig, phrasing: str
) -> Draft | None:
    """Two to four controls at once."""
    del phrasing
    number = 2 + int(rng.random() < 0.5) + int(rng.random() < 0.25)
    count = config.draw_count(rng, least=min(_LEAST_BOUNDED, config.max_count))
    controls = draw_controls(situation, rng, number, count, config)
    return Draft(request=make_request(count, controls)) if controls else None


def _always(attributes: Attributes) -> bool:
    del attributes
    return True


def _has_topics(attributes: Attributes) -> bool:
    return bool(attributes.topical)


def _has_controls(attributes: Attributes) -> bool:
    return bool(attributes.topical or attributes.numbers)


TASKS: Mapping[str, Task] = {
    "next_items": Task(next_items, _always),
    "include_category": Task(include_category, _has_topics),
    "exclude_category": Task(exclude_category, _has_topics),
    "share_at_most": Task(share_at_most, _has_topics),
    "share_at_least": Task(share_at_least, _has_topics),
    "share_about": Task(share_about, _has_topics),
    "item_count": Task(item_count, _always),
    "candidates": Task(candidates, _always),
    "category_to_item": Task(category_to_item, _has_topics, has_user=False),
    "item_to_category": Task(item_to_category, _has_topics, has_user=False),
    "compound": Task(compound, _has_controls),
}
"""Every task but general_chat, which needs no catalogue (see `chat`)."""
