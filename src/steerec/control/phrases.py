"""Requests in words: `render` says any request exactly; `understand` reads such words back.

A text is one opening ("Recommend 10 films for me.") and one sentence for each control and wish, shuffled.
What no template says (two bounds at once, operators beyond ranges) is composed plainly: never a failure,
never an approximation. Only `seed`, which is no wish of the person, and the size of a weight stay unsaid.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

import numpy as np

from steerec.control.control import Cap, Control, Wish
from steerec.control.request import Request
from steerec.control.templates import PHRASES, SLOTS, SPLITS, check_slots, phrase_hash
from steerec.control.wording import (
    Speaker,
    alternatives,
    noun_phrase,
    spoken_column,
    spoken_share,
    spoken_titles,
)
from steerec.data.catalog import Catalog

__all__ = ["PHRASES", "SLOTS", "SPLITS", "check_slots", "phrase", "phrase_hash", "render"]

_DEFAULT_COUNT = 10
_SHARES = ("share_at_least", "share_at_most", "share_more_than", "share_less_than", "share_about")
# "1 Comedy film" takes the singular only where the noun follows the number.
_COUNTED = re.compile(r"\{n\} \{which\}")


def render(request: Request, catalog: Catalog, rng: np.random.Generator, *, split: str = "train") -> str:
    """Return the request in English.

    Args:
        request: any valid request.
        catalog: names the items, the noun and the columns.
        rng: chooses phrasings and the order of sentences; the same state gives the same text.
        split: phrasings to draw from: train, validation or unseen.

    Raises:
        RequestError: there is no such split.
    """
    speaker = Speaker(catalog=catalog, rng=rng, split=split)
    clauses = [
        _cap(control, speaker) if isinstance(control, Cap) else _control(control, speaker)
        for control in request.controls
    ]
    clauses += [_wish(wish, speaker) for wish in request.prefer]
    if request.candidates is not None:
        clauses.append(_sentence("candidates", speaker, titles=spoken_titles(request.candidates, catalog)))
    if request.exclude:
        clauses.append(_sentence("exclude", speaker, titles=spoken_titles(request.exclude, catalog)))
    if request.allow_seen:
        clauses.append(_sentence("allow_seen", speaker))
    order = rng.permutation(len(clauses))
    return " ".join([_opening(request.count, speaker), *(clauses[place] for place in order)])


def phrase(
    kind: str, catalog: Catalog, rng: np.random.Generator, *, split: str = "train", **slots: str
) -> str:
    """Return one sentence of a kind, its slots filled as they are given ("items" is the catalogue's noun).

    Raises:
        RequestError: there is no such split.
    """
    speaker = Speaker(catalog=catalog, rng=rng, split=split)
    return _sentence(kind, speaker, **slots)


def _sentence(kind: str, speaker: Speaker, **slots: str) -> str:
    return _capitalised(speaker.say(kind, **{"items": speaker.catalog.noun, **slots}))


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _opening(count: int, speaker: Speaker) -> str:
    if count == _DEFAULT_COUNT and speaker.rng.random() < 0.5:
        return _sentence("count_default", speaker)
    template = speaker.choose(PHRASES[speaker.split]["count"])
    items = speaker.catalog.singular if count == 1 and "{count} {items}" in template else speaker.catalog.noun
    return _capitalised(speaker.fill(template, count=str(count), items=items))


def _control(control: Control, speaker: Speaker) -> str:
    if control.within is None:
        return " ".join(_capitalised(clause) for clause in _bounds(control, speaker))
    first, last = control.within
    lower, upper = control.bounds(last)
    if first == 1 and lower == last == upper and control.share_about is None:
        return _capitalised(_counted("start_with", last, control, speaker))
    clauses = [_lowered(clause, speaker.split) for clause in _bounds(control, speaker)]
    return " ".join(_sentence("within", speaker, a=str(first), b=str(last), clause=c) for c in clauses)


def _lowered(clause: str, split: str) -> str:
    """Lower the first letter where it only starts a sentence: not "I'd", not a name."""
    word = clause.split()[0].strip(",.:;")
    if word in _opening_words(split) and not re.match(r"I\b", word):
        return clause[0].lower() + clause[1:]
    return clause


@lru_cache(maxsize=8)
def _opening_words(split: str) -> frozenset[str]:
    words = (
        template.split()[0].strip(",.:;") for templates in PHRASES[split].values() for template in templates
    )
    return frozenset(word for word in words if "{" not in word) | {"Between"}


def _bounds(control: Control, speaker: Speaker) -> list[str]:
    """Return a clause for each bound, without the stretch."""
    low, high = control.at_least, control.at_most
    if isinstance(low, int) and high is not None:
        return [f"Between {low} and {high} {noun_phrase(control.where, speaker)}, please."]
    names = ("at_least", "at_most", "exactly", *_SHARES)
    given = {name: getattr(control, name) for name in names if getattr(control, name) is not None}
    return [_single(name, value, control, speaker) for name, value in given.items()]


def _single(name: str, value: int | str | Fraction, control: Control, speaker: Speaker) -> str:
    if value == "all" or (name == "share_at_least" and value == 1):
        return speaker.say("only", which=noun_phrase(control.where, speaker))
    if value == 0 and name in ("at_most", "exactly", "share_at_most"):
        return speaker.say("without", which=noun_phrase(control.where, speaker))
    if isinstance(value, Fraction):
        share = spoken_share(value, speaker)
        return speaker.say(name, share=share, which=noun_phrase(control.where, speaker))
    return _counted(name, int(value), control, speaker)


def _counted(kind: str, n: int, control: Control, speaker: Speaker) -> str:
    templates = PHRASES[speaker.split][kind]
    if n == 1:  # "the first 1 should be" is no English
        templates = tuple(template for template in templates if _COUNTED.search(template)) or templates
    template = speaker.choose(templates)
    singular = n == 1 and bool(_COUNTED.search(template))
    which = noun_phrase(control.where, speaker, singular=singular)
    return speaker.fill(template, n=str(n), which=which)


def _cap(cap: Cap, speaker: Speaker) -> str:
    column = spoken_column(cap.each, speaker.catalog)
    if cap.at_most is not None:
        return _sentence("cap", speaker, n=str(cap.at_most), column=column)
    assert cap.share_at_most is not None
    return _sentence("cap_share", speaker, share=spoken_share(cap.share_at_most, speaker), column=column)


def _wish(wish: Wish, speaker: Speaker) -> str:
    if wish.where is not None:
        which = noun_phrase(wish.where, speaker)
        if wish.weight < 0:
            return f"If possible, rather no {which}."
        return _sentence("prefer", speaker, which=which)
    assert wish.like is not None
    title = alternatives([spoken_titles([reference], speaker.catalog) for reference in wish.like], "and")
    if wish.weight < 0:
        return f"If possible, nothing like {title}."
    return _sentence("like", speaker, title=title)
