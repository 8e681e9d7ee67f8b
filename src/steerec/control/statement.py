"""Controls in one fixed wording each, for messages: "no Horror films", "at most 2 films of one director"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steerec.control.control import Cap, Control
from steerec.control.where import Where
from steerec.control.wording import Speaker, noun_phrase, spoken_column, spoken_titles
from steerec.data.catalog import Catalog

_AMOUNTS = {
    "at_least": "at least {}",
    "at_most": "at most {}",
    "exactly": "exactly {}",
    "share_at_least": "a share of at least {}",
    "share_at_most": "a share of at most {}",
    "share_more_than": "a share of more than {}",
    "share_less_than": "a share of less than {}",
    "share_about": "a share of about {}",
}

_QUOTES = ("'", '"', "“")
"""A single title begins so: "only 'Fargo (1996)'" would say no more than "'Fargo (1996)'"."""


class _Plain(Speaker):
    """A speaker without moods: always the first phrasing."""

    def choose(self, options: Sequence[str]) -> str:
        return options[0]


def state_where(where: Where, catalog: Catalog, *, singular: bool = False) -> str:
    """Return the items of a where as a noun phrase, always the same: "Comedy films", "'Fargo (1996)'"."""
    if len(where.items) == 1 and where == Where(items=where.items):
        return spoken_titles(where.items, catalog)
    plain = _Plain(catalog=catalog, rng=np.random.default_rng(0), split="train")
    return noun_phrase(where, plain, singular=singular)


def state_control(control: Control | Cap, catalog: Catalog) -> str:
    """Return a control as a noun phrase, always the same: "only Comedy films in positions 1 to 3".

    Args:
        control: a control or cap that fits the catalogue.
        catalog: names the items.
    """
    if isinstance(control, Cap):
        column = spoken_column(control.each, catalog)
        if control.at_most is not None:
            noun = catalog.singular if control.at_most == 1 else catalog.noun
            return f"at most {control.at_most} {noun} of one {column}"
        return f"a share of at most {control.share_at_most} for any one {column}"
    amounts = _amounts(control)
    which = state_where(control.where, catalog, singular=amounts[-1].endswith(" 1"))
    place = state_place(control)
    if amounts in (["at least all"], ["exactly all"]):
        return f"{which if which.startswith(_QUOTES) else f'only {which}'}{place}"
    if amounts in (["at most 0"], ["exactly 0"]):
        return f"no {which}{place}"
    return f"{' and '.join(amounts)} {which}{place}"


def state_place(control: Control) -> str:
    """Return the stretch of a control, led by a space: " in positions 1 to 3"; empty for the whole list."""
    if control.within is None:
        return ""
    first, last = control.within
    return f" in position {first}" if first == last else f" in positions {first} to {last}"


def _amounts(control: Control) -> list[str]:
    given = {name: getattr(control, name) for name in _AMOUNTS}
    said = {name: _AMOUNTS[name].format(value) for name, value in given.items() if value is not None}
    return [text + (" of" if name.startswith("share") else "") for name, text in said.items()]
