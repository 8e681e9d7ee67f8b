"""Controls as Python says them: `at_least(5, "Comedy")`, `only(year=(1990, 1999))`, `cap("director", 2)`.

What is meant is given by position or by column name, and all of it must hold:

- a string is a value of the column `categories` (or `category`, where the catalogue has only that); several
  strings mean any of them;
- a mapping or a Where is taken as it is;
- `column=value` tests another column: a list means any of, a pair of numbers or ISO dates (None: open)
  means from .. to, both included, a mapping holds operators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from steerec.control.control import Cap, Control, Wish
from steerec.control.where import Where
from steerec.errors import RequestError

Share = Fraction | Decimal | float | str
What = str | Mapping[str, Any] | Where
Stretch = tuple[int, int] | None

MAIN_COLUMN = "categories"


def where(*what: What, **columns: Any) -> Where:
    """Return the set of items that the arguments describe (see the module's rules).

    Raises:
        RequestError: nothing is described, or not in the grammar.

    Example:
        >>> where("Action", "Thriller", year=(1990, None)).to_json()
        {'categories': ['Action', 'Thriller'], 'year': {'ge': 1990}}
    """
    values = [part for part in what if isinstance(part, str)]
    named = {column: _condition(value) for column, value in columns.items()}
    if values:
        if MAIN_COLUMN in named:
            raise RequestError(f'"{values[0]}" and {MAIN_COLUMN}= both speak of {MAIN_COLUMN}; use one.')
        named = {MAIN_COLUMN: values[0] if len(values) == 1 else values, **named}
    parts = [Where.parse(part) for part in what if not isinstance(part, str)]
    if named:
        parts.insert(0, Where.parse(named))
    if not parts:
        raise RequestError('Say which items are meant, such as "Comedy" or year=(1990, 1999).')
    return parts[0] if len(parts) == 1 else Where(all=tuple(parts))


def _condition(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    ends = [end for end in value if end is not None]
    if len(value) != 2 or not ends or isinstance(ends[0], bool):
        raise RequestError(f"A tuple is a range like (1990, 1999), and got {value!r}; a list means any of.")
    if any(isinstance(end, str) for end in ends) and not all(_is_date(end) for end in ends):
        raise RequestError(f"A tuple is a range, and {value!r} has no order; a list means any of.")
    low, high = value
    return {name: end for name, end in (("ge", low), ("le", high)) if end is not None}


def _is_date(text: object) -> bool:
    try:
        return isinstance(text, date) or (isinstance(text, str) and bool(date.fromisoformat(text)))
    except ValueError:
        return False


def at_least(n: int | Literal["all"], *what: What, within: Stretch = None, **columns: Any) -> Control:
    """Return the control that `n` or more items are of this kind ("all": every one)."""
    return Control(where=where(*what, **columns), at_least=n, within=within)


def at_most(n: int, *what: What, within: Stretch = None, **columns: Any) -> Control:
    """Return the control that `n` or fewer items are of this kind."""
    return Control(where=where(*what, **columns), at_most=n, within=within)


def exactly(n: int | Literal["all"], *what: What, within: Stretch = None, **columns: Any) -> Control:
    """Return the control that exactly `n` items are of this kind."""
    return Control(where=where(*what, **columns), exactly=n, within=within)


def only(*what: What, within: Stretch = None, **columns: Any) -> Control:
    """Return the control that every item is of this kind."""
    return at_least("all", *what, within=within, **columns)


def without(*what: What, within: Stretch = None, **columns: Any) -> Control:
    """Return the control that no item is of this kind."""
    return at_most(0, *what, within=within, **columns)


def start_with(n: int, *what: What, **columns: Any) -> Control:
    """Return the control that the first `n` items are of this kind."""
    return only(*what, within=(1, n), **columns)


def pin(item: str, position: int) -> Control:
    """Return the control that an item stands at a position, 1-based."""
    return only({"items": [item]}, within=(position, position))


def share_at_least(share: Share, *what: What, within: Stretch = None, **columns: Any) -> Control:
    """Return the control that this share of the list, or more, is of this kind."""
    return Control(where=where(*what, **columns), share_at_least=share, within=within)


def share_at_most(share: Share, *what: What, within: Stretch = None, **columns: Any) -> Control:
    """Return the control that this share of the list, or less, is of this kind."""
    return Control(where=where(*what, **columns), share_at_most=share, within=within)


def share_more_than(share: Share, *what: What, within: Stretch = None, **columns: Any) -> Control:
    """Return the control that more than this share of the list is of this kind."""
    return Control(where=where(*what, **columns), share_more_than=share, within=within)


def share_less_than(share: Share, *what: What, within: Stretch = None, **columns: Any) -> Control:
    """Return the control that less than this share of the list is of this kind."""
    return Control(where=where(*what, **columns), share_less_than=share, within=within)


def share_about(share: Share, *what: What, within: Stretch = None, **columns: Any) -> Control:
    """Return the control that about this share of the list is of this kind."""
    return Control(where=where(*what, **columns), share_about=share, within=within)


def cap(each: str, at_most: int | None = None, *, share_at_most: Share | None = None) -> Cap:
    """Return the cap on any one value of a column, in items or as a share of the list."""
    return Cap(each=each, at_most=at_most, share_at_most=share_at_most)


def prefer(*what: What, weight: float = 1.0, **columns: Any) -> Wish:
    """Return the wish that raises items of this kind by `weight` nats."""
    return Wish(where=where(*what, **columns), weight=weight)


def like(*items: str | Sequence[str], weight: float = 1.0) -> Wish:
    """Return the wish that raises items similar to these by up to `weight` nats."""
    names = [name for entry in items for name in ([entry] if isinstance(entry, str) else entry)]
    return Wish(like=names, weight=weight)
