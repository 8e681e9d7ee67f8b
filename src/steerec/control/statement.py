"""Controls in one fixed wording each, for messages: "no Horror films", "at most 2 films of one director"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steerec.control.control import Cap, Control
from steerec.control.where import Where
from steerec.control.wording import Speaker, noun_phrase, spoken_column
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


class _Plain(Speaker):
    """A speaker without moods: always the first phrasing."""

    def choose(self, options: Sequence[str]) -> str:
        return options[0]


def state_where(where: Where, catalog: Catalog) -> str:
    """Return the items of a where as a noun phrase, always the same: "Comedy films"."""
    return noun_phrase(where, _Plain(catalog=catalog, rng=np.random.default_rng(0), split="train"))


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
    which = state_where(control.where, catalog)
    place = ""
    if control.within:
        first, last = control.within
        place = f" in position {first}" if first == last else f" in positions {first} to {last}"
    amounts = _amounts(control)
    if amounts in (["at least all"], ["exactly all"]):
        return f"only {which}{place}"
    if amounts in (["at most 0"], ["exactly 0"]):
        return f"no {which}{place}"
    return f"{' and '.join(amounts)} {which}{place}"


def _amounts(control: Control) -> list[str]:
    given = {name: getattr(control, name) for name in _AMOUNTS}
    said = {name: _AMOUNTS[name].format(value) for name, value in given.items() if value is not None}
    return [text + (" of" if name.startswith("share") else "") for name, text in said.items()]
