"""Drawing what a request is about: categories of the target, the taste, the teacher or all; ranges; bounds.

Everything returned is plain JSON of the request language. Legend: N items, K length of the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.instruct.attributes import Attributes, CategoryColumn, Ints, NumberColumn
from steerec.instruct.mixture import CategorySources

Where = dict[str, Any]
Source = Literal["target", "history", "teacher", "uniform"]

_FIRST_COLUMN_SHARE = 0.7
"""Share of categories from the first topical column, where a catalogue has several."""
_TRIES = 6
_TEACHER_DEPTH = 20
"""The teacher's best items whose categories count as the teacher's."""
_WORDED_SHARES = tuple(Fraction(text) for text in ("1/4", "1/3", "1/2", "2/3", "3/4"))
_WORDED_SHARE = 0.15


@dataclass(frozen=True, kw_only=True, eq=False)
class Situation:
    """The moment a request is made at: whose history, what came next, what the teacher thinks."""

    attributes: Attributes
    history: Ints
    """All items seen before, oldest first; empty where the task knows no user."""
    target: int | None
    """The true next item."""
    unseen: NDArray[np.bool_]
    """(N,) items of no work in the history."""
    scores: NDArray[np.float32]
    """(N,) scores of the teacher."""
    best: Ints
    """The teacher's best items that are not seen, best first, one of each work."""


class Category(NamedTuple):
    """A chosen category value."""

    column: CategoryColumn
    value: int
    source: Source

    @property
    def where(self) -> Where:
        """The items that carry it."""
        return self.column.where(self.value)

    def has(self, item: int) -> bool:
        """Whether an item carries it."""
        return self.value in self.column.of(item)

    def natural(self, situation: Situation, count: int) -> int:
        """How many of the teacher's best `count` items carry it."""
        return sum(self.has(int(item)) for item in situation.best[:count])


def pick(rng: np.random.Generator, options: Any) -> Any:
    """Return one element of a non-empty sequence, uniformly."""
    return options[int(rng.integers(len(options)))]


def draw_category(
    situation: Situation, rng: np.random.Generator, sources: CategorySources, *, avoid_target: bool = False
) -> Category | None:
    """Draw a category worth asking for.

    Args:
        situation: the moment of the request.
        rng: of the row.
        sources: shares of where it comes from; a source that has nothing gives way to uniform.
        avoid_target: never a category of the true next item (for exclusions), save from the uniform share.

    Returns:
        A category, or None where the catalogue has no topics or nothing suits.
    """
    columns = situation.attributes.topical
    if not columns:
        return None
    is_first = len(columns) == 1 or rng.random() < _FIRST_COLUMN_SHARE
    drawn = columns[0] if is_first else pick(rng, columns[1:])
    source = _draw_source(rng, sources)
    # Where the items of the source say nothing in the drawn column, they may in the first.
    for column in dict.fromkeys((drawn, columns[0])) if source != "uniform" else ():
        for _ in range(_TRIES):
            value = _value_of(_source_item(situation, source, rng), column, rng)
            is_unwanted = (
                avoid_target and situation.target is not None and value in column.of(situation.target)
            )
            if value is not None and not is_unwanted:
                return Category(column, value, source)
    if avoid_target and source != "uniform":
        return None
    return Category(drawn, int(pick(rng, drawn.topic_list)), "uniform")


def _draw_source(rng: np.random.Generator, sources: CategorySources) -> Source:
    shares: list[tuple[Source, float]] = [
        ("target", sources.target),
        ("history", sources.history),
        ("teacher", sources.teacher),
        ("uniform", sources.uniform),
    ]
    at = rng.random() * sum(share for _, share in shares)
    for source, share in shares:
        at -= share
        if at < 0:
            return source
    return "uniform"


def _source_item(situation: Situation, source: Source, rng: np.random.Generator) -> int | None:
    if source == "target":
        return situation.target
    if source == "history" and len(situation.history):
        return int(pick(rng, situation.history))
    if source == "teacher" and len(situation.best):
        return int(pick(rng, situation.best[:_TEACHER_DEPTH]))
    return None


def _value_of(item: int | None, column: CategoryColumn, rng: np.random.Generator) -> int | None:
    if item is None:
        return None
    values = [value for value in column.of(item) if value in column.topics]
    return int(pick(rng, values)) if values else None


def draw_range(situation: Situation, rng: np.random.Generator) -> Where | None:
    """Draw a range of a number column, around a number of the target, the history or any item.

    Returns:
        A `where` with ge, le or both; None where no column has numbers.
    """
    if not situation.attributes.numbers:
        return None
    column: NumberColumn = pick(rng, situation.attributes.numbers)
    anchor = _anchor(situation, column, rng)
    form = rng.random()
    if column.is_calendar and form < 0.4:
        decade = int(anchor) // 10 * 10
        return {column.name: {"ge": decade, "le": decade + 9}}
    place = float(np.searchsorted(column.known, anchor)) / len(column.known)
    low = column.rounded(_quantile(column, place - rng.random() * 0.5))
    high = column.rounded(_quantile(column, place + rng.random() * 0.5))
    if form < 0.8 or not low < high:  # one end; on the side where it leaves something out
        is_low = place >= 0.25 and (place > 0.75 or form < 0.6)
        return {column.name: {"ge": low} if is_low else {"le": high}}
    return {column.name: {"ge": low, "le": high}}


def _anchor(situation: Situation, column: NumberColumn, rng: np.random.Generator) -> float:
    source, item = rng.random(), None
    if source < 0.5:
        item = situation.target
    elif source < 0.75 and len(situation.history):
        item = int(pick(rng, situation.history))
    number = float("nan") if item is None else float(column.numbers[item])
    return float(pick(rng, column.known)) if np.isnan(number) else number


def _quantile(column: NumberColumn, place: float) -> float:
    last = len(column.known) - 1
    return float(column.known[min(max(round(place * last), 0), last)])


def draw_where(situation: Situation, rng: np.random.Generator, sources: CategorySources) -> Where | None:
    """Draw a set of items for a compound request: a category, a range, two categories, or a negation."""
    form = rng.random()
    if form < 0.25 or not situation.attributes.topical:
        chosen = draw_range(situation, rng)
        if chosen is not None or not situation.attributes.topical:
            return chosen
    first = draw_category(situation, rng, sources)
    second = draw_category(situation, rng, sources) if form >= 0.80 else None
    if first is None:
        return None
    if second is None or second.column is not first.column or second.value == first.value:
        return first.where
    is_flat = first.column.kind != "path"
    values = [first.column.values[first.value], first.column.values[second.value]]
    if form < 0.88 and first.column.kind == "categories":
        return {first.column.name: {"all_of": values}}
    if form < 0.96:
        return {first.column.name: values} if is_flat else {"any": [first.where, second.where]}
    return {"all": [first.where, {"not": second.where}]}


def draw_upper(count: int, natural: int, rng: np.random.Generator, binding_share: float) -> int:
    """Draw an upper bound from 1 to K - 1; a binding one is below what the teacher would show by itself."""
    if natural >= 2 and rng.random() < binding_share:
        return int(rng.integers(1, min(natural, count)))
    return int(rng.integers(1, max(count, 2)))


def draw_lower(count: int, natural: int, rng: np.random.Generator, binding_share: float) -> int:
    """Draw a lower bound from 1 to K - 1 (1 for K = 1); a binding one exceeds what the teacher would show."""
    if natural + 1 < count and rng.random() < binding_share:
        return int(rng.integers(natural + 1, count))
    return int(rng.integers(1, max(count, 2)))


def draw_share(number: int, count: int, rng: np.random.Generator) -> str:
    """Return a share near number / K as people say them: tens of percent, sometimes thirds and quarters."""
    if rng.random() < _WORDED_SHARE:
        wanted = Fraction(number, count)
        return str(min(_WORDED_SHARES, key=lambda share: abs(share - wanted)))
    tens = min(max(int(10 * number / count + 0.5), 1), 9)
    return str(Fraction(tens, 10))


def bound(
    name: str, category: Category, situation: Situation, count: int, rng: np.random.Generator, share: float
) -> dict[str, Any]:
    """Return a control on a category with a drawn bound.

    Args:
        name: at_least, at_most, exactly, or one of the share_* bounds.
        category: what it is about.
        situation: for what the teacher would show by itself.
        count: K.
        rng: of the row.
        share: probability of a bound that the teacher's own list breaks.
    """
    natural = category.natural(situation, count)
    if name in ("at_most", "share_at_most", "share_less_than"):
        number = draw_upper(count, natural, rng, share)
    elif name in ("at_least", "share_at_least", "share_more_than"):
        number = draw_lower(count, natural, rng, share)
    else:
        number = int(rng.integers(1, max(count, 2)))
    if name in ("at_most", "at_least", "exactly"):
        return {"where": category.where, name: number}
    # "More than" and "less than" leave their own share out: aim at the count just beyond it.
    aim = {"share_less_than": number + 1, "share_more_than": number - 1}.get(name, number)
    return {"where": category.where, name: draw_share(aim, count, rng)}
