"""Sets of items as English noun phrases: "Comedy films with year 1990 or above that are not Horror films".

Every where object has a phrase with the same meaning; what no template says is composed plainly, with
brackets where a reader could group the words in two ways.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from steerec.control.templates import PHRASES
from steerec.control.where import Condition, Scalar, Where
from steerec.data.catalog import Catalog
from steerec.errors import RequestError

# Category columns whose name adds nothing: "Comedy films", not "films whose genre is Comedy".
_PLAIN_COLUMNS = ("category", "genre", "type", "kind")
# Templates that agree with a plural noun cannot take "1 film".
_PLURAL = re.compile(r"\b(are|aren't|do|don't|have|belong)\b")
_SHARE_WORDS = {
    Fraction(1, 2): "half",
    Fraction(1, 3): "a third",
    Fraction(2, 3): "two thirds",
    Fraction(1, 4): "a quarter",
    Fraction(3, 4): "three quarters",
}


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """Chooses phrasings of one split, for one catalogue."""

    catalog: Catalog
    rng: np.random.Generator
    split: str

    def choose(self, options: Sequence[str]) -> str:
        """Return one of the options, uniformly."""
        return options[int(self.rng.integers(len(options)))]

    def fill(self, template: str, **slots: str) -> str:
        """Put the slots into a template; its first letter stays as it is written."""
        return re.sub(r"\{(\w+)\}", lambda slot: slots[slot[1]], template)

    def say(self, kind: str, **slots: str) -> str:
        """Fill a random template of a kind."""
        return self.fill(self.choose(PHRASES[self.split][kind]), **slots)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One of the things that must all hold, ready to be said of a noun."""

    rank: int
    """Order in the phrase: what may stand before the noun first, what reaches furthest last."""
    kind: str
    """A which_* kind, or "" for a plain composed `tail`."""
    slots: tuple[tuple[str, str], ...] = ()
    tail: str = ""


def noun_phrase(where: Where, speaker: Speaker, *, singular: bool = False) -> str:
    """Return a phrase for the items of `where`, plural unless one item is meant and English allows it."""
    parts = sorted(_merge(_parts(where), speaker), key=lambda part: part.rank)
    noun = speaker.catalog.singular if singular else speaker.catalog.noun
    for place, part in enumerate(parts):
        if not part.kind:
            noun = f"{noun} {part.tail}"
            continue
        templates = PHRASES[speaker.split][part.kind]
        if singular:
            templates = tuple(t for t in templates if not _PLURAL.search(t)) or templates
        if place:  # a second adjective would read as one value of two words
            templates = tuple(t for t in templates if t.startswith("{items} ")) or templates
        noun = speaker.fill(speaker.choose(templates), items=noun, **dict(part.slots))
    return noun


def spoken_share(share: Fraction, speaker: Speaker) -> str:
    """Return an exact share in words: "half", "30%", "3/7"."""
    options = [_SHARE_WORDS[share]] if share in _SHARE_WORDS else []
    percent = share * 100
    if (percent * 10).denominator == 1:
        options.append(f"{float(percent):g}%")
    elif not options or share.denominator < 10:
        options.append(f"{share.numerator}/{share.denominator}")
    return speaker.choose(options)


def spoken_column(column: str, catalog: Catalog) -> str:
    """Return what one value of a column is called: "categories" is "category"."""
    name = column.replace("_", " ")
    if catalog.columns.get(column) != "categories":
        return name
    if name.endswith("ies"):
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def spoken_titles(references: Sequence[str], catalog: Catalog) -> str:
    """Return a quoted list of items, each by a name that leads back to it."""
    return ", ".join(_quote(spoken_name(reference, catalog)) for reference in references)


def alternatives(values: Sequence[str], word: str = "or") -> str:
    """Join values as people do: "A, B or C"."""
    *first, last = values
    return f"{', '.join(first)} {word} {last}" if first else last


def spoken_name(reference: str, catalog: Catalog) -> str:
    """Return what leads back to an item: its display name where that means it, else its id."""
    try:
        index = catalog.resolve(reference)
        display = catalog.displays[index]
        return display if catalog.resolve(display) == index else catalog.item_ids[index]
    except RequestError:  # an unknown item is said as it was written; compiling the request refuses it
        return reference


def _quote(text: str) -> str:
    if "'" not in text:
        return f"'{text}'"
    return f'"{text}"' if '"' not in text else f"“{text}”"


def _number(value: Scalar) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _parts(where: Where) -> list[tuple[str, Condition] | Where]:
    """Flatten the conjunction to (column, condition) pairs and wheres of one `any`, `not` or `items`."""
    parts: list[tuple[str, Condition] | Where] = list(where.columns)
    for inner in where.all:
        parts += _parts(inner)
    if len(where.any) == 1:
        parts += _parts(where.any[0])
    elif where.any:
        parts.append(Where(any=where.any))
    if where.negated is not None:
        parts.append(Where(negated=where.negated))
    if where.items:
        parts.append(Where(items=where.items))
    return parts


def _merge(flat: list[tuple[str, Condition] | Where], speaker: Speaker) -> list[_Part]:
    """Say labels of one column together, and all that is ruled out together; the rest one by one."""
    labels: dict[str, list[str]] = {}
    ruled_out: list[Where] = []
    parts: list[_Part] = []
    for entry in flat:
        if isinstance(entry, Where):
            if entry.negated is not None:
                ruled_out.append(entry.negated)
            else:
                parts.append(_alternatives(entry, speaker))
            continue
        column, condition = entry
        for single in _split(condition):
            wanted = single.all_of or (single.any_of if single.any_of and len(single.any_of) == 1 else None)
            if wanted and speaker.catalog.columns.get(column) == "categories":
                labels.setdefault(column, []).extend(str(value) for value in wanted)
            else:
                parts += _condition(column, single, speaker)
    parts += [_together(column, list(dict.fromkeys(values)), speaker) for column, values in labels.items()]
    if ruled_out:
        parts.append(_not(ruled_out, speaker))
    return parts


def _split(condition: Condition) -> list[Condition]:
    """Cut a condition into single demands; a lower and an upper end stay together."""
    ends = Condition(ge=condition.ge, gt=condition.gt, le=condition.le, lt=condition.lt)
    given: list[Condition] = [
        Condition(**{name: getattr(condition, name)})
        for name in ("any_of", "all_of", "contains", "under", "is_null")
        if getattr(condition, name) is not None
    ]
    return given + ([ends] if ends != Condition() else [])


def _together(column: str, values: list[str], speaker: Speaker) -> _Part:
    if len(values) == 1:
        return _labels(column, values, "which_category", speaker)
    return _labels(column, values, "which_all", speaker)


def _labels(column: str, values: list[str], kind: str, speaker: Speaker) -> _Part:
    """Say values of a category column, naming the column unless it is plain and owns the values alone."""
    catalog = speaker.catalog
    kinds = ("category", "categories")
    others = [name for name, type_ in catalog.columns.items() if type_ in kinds and name != column]
    shared = any(value.casefold() in _values(name, catalog) for value in values for name in others)
    plain = catalog.columns.get(column) == "categories" or spoken_column(column, catalog) in _PLAIN_COLUMNS
    joined = alternatives(values, "and" if kind == "which_all" else "or")
    if plain and not shared:
        slot = "value" if kind == "which_category" else "values"
        return _Part(rank=1 if kind == "which_all" else 0, kind=kind, slots=((slot, joined),))
    slots = (("column", spoken_column(column, catalog)), ("value", joined))
    return _Part(rank=2, kind="which_equal", slots=slots)


@lru_cache(maxsize=32)
def _values(column: str, catalog: Catalog) -> frozenset[str]:
    return frozenset(value.casefold() for value in catalog.values(column))


def _condition(column: str, condition: Condition, speaker: Speaker) -> list[_Part]:
    name = spoken_column(column, speaker.catalog)
    type_ = speaker.catalog.columns.get(column)
    if condition.any_of is not None or condition.all_of is not None:
        values = [_number(value) for value in condition.any_of or condition.all_of or ()]
        joined = "and" if condition.all_of else "or"
        if type_ in ("category", "categories") and joined == "or":
            return [_labels(column, values, "which_category" if len(values) == 1 else "which_any", speaker)]
        if type_ not in ("number", "date", "category", "categories", "path"):
            values = [_quote(value) for value in values]
        slots = (("column", name), ("value", alternatives(values, joined)))
        return [_Part(rank=2, kind="which_equal", slots=slots)]
    if condition.contains is not None:
        return [_Part(rank=3, kind="", tail=f"whose {name} contains {_quote(condition.contains)}")]
    if condition.under is not None:
        path = " > ".join(condition.under)
        return [_Part(rank=3, kind="", tail=f"under {_quote(path)} in the {name}")]
    if condition.is_null is not None:
        return [_Part(rank=3, kind="", tail=f"with {'no' if condition.is_null else 'some'} {name} given")]
    return _ends(name, condition)


def _ends(name: str, condition: Condition) -> list[_Part]:
    """Say the ends of a range; both inclusive ends make one phrase."""
    low, high = condition.ge, condition.le
    parts = []
    if low is not None and high is not None:
        slots = (("a", _number(low)), ("b", _number(high)), ("column", name))
        parts.append(_Part(rank=2, kind="which_between", slots=slots))
    elif low is not None:
        parts.append(_Part(rank=2, kind="which_from", slots=(("a", _number(low)), ("column", name))))
    elif high is not None:
        parts.append(_Part(rank=2, kind="which_until", slots=(("b", _number(high)), ("column", name))))
    if condition.gt is not None:
        parts.append(_Part(rank=3, kind="", tail=f"with a {name} above {_number(condition.gt)}"))
    if condition.lt is not None:
        parts.append(_Part(rank=3, kind="", tail=f"with a {name} below {_number(condition.lt)}"))
    return parts


def _alternatives(where: Where, speaker: Speaker) -> _Part:
    if where.items:
        return _Part(rank=4, kind="", tail=f"among {spoken_titles(where.items, speaker.catalog)}")
    if labels := _one_column(where.any):
        column, values = labels
        if speaker.catalog.columns.get(column) in ("category", "categories"):
            return _labels(column, values, "which_any", speaker)
    phrases = [f"({noun_phrase(inner, speaker)})" for inner in where.any]
    return _Part(rank=5, kind="", tail=f"that are either {alternatives(phrases)}")


def _not(ruled_out: list[Where], speaker: Speaker) -> _Part:
    merged = ruled_out[0] if len(ruled_out) == 1 else Where(any=tuple(ruled_out))
    return _Part(rank=6, kind="which_not", slots=(("which", _bracketed(merged, speaker)),))


def _one_column(parts: Sequence[Where]) -> tuple[str, list[str]] | None:
    """Return (column, values) when the alternatives are values of a single column."""
    values: list[str] = []
    columns = set()
    for part in parts:
        if len(part.columns) != 1 or part != Where(columns=part.columns):
            return None
        column, condition = part.columns[0]
        if condition.any_of is None or condition != Condition(any_of=condition.any_of):
            return None
        columns.add(column)
        values += [str(value) for value in condition.any_of]
    return (columns.pop(), list(dict.fromkeys(values))) if len(columns) == 1 else None


def _bracketed(where: Where, speaker: Speaker) -> str:
    """Return the noun phrase, in brackets unless it is a single value or list of values."""
    parts = _merge(_parts(where), speaker)
    phrase = noun_phrase(where, speaker)
    return phrase if len(parts) == 1 and parts[0].rank <= 2 else f"({phrase})"
