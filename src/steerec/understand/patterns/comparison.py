"""Which way a phrase compares: "no fewer than #" is ge, "under #" is lt; for bounds and for ranges alike."""

from __future__ import annotations

import re
from typing import Literal

Comparison = Literal["ge", "gt", "le", "lt", "eq", "about"]

_UP = (
    r"more|over|above|higher|greater|larger|bigger|later|newer|after|beyond|exceed\w*|upwards? of|in excess"
    r"|longer|surpass\w*|past|north of"
)
_DOWN = (
    r"less|fewer|under|below|lower|smaller|earlier|older|before|prior|shorter|cheaper|short of"
    r"|reach\w*|get as far"
)
_NOT = r"\b(?:no|not|never|none|without|avoid\w*|nor|refrain)\b"

_RULES: tuple[tuple[Comparison, str], ...] = (
    (
        "le",
        r"\b(?:less|fewer|lower|smaller) than or equal\b|\bequal(?: to)? or (?:less|fewer|lower|smaller)\b",
    ),
    (
        "ge",
        r"\b(?:more|greater|higher|larger) than or equal\b|\bequal(?: to)? or (?:more|greater|higher"
        r"|larger)\b",
    ),
    ("le", r"\b(?:more|over|above|beyond|exceed\w*|past)\b.*\btoo (?:many|much)\b"),
    ("ge", r"\b(?:less|fewer|under|below)\b.*\b(?:too (?:few|little)|not enough)\b"),
    (
        "about",
        r"\b(?:about|roughly|around|approximately|approx|circa|more or less|or so|give or take|close to"
        r"|nearly"
        r"|something like|somewhere|region of|near enough|or thereabouts|not have to be exact|ballpark"
        r"|neighbou?rhood of|just about|or less so|on the order of)\b|~",
    ),
    ("eq", r"\b(?:exact(?:ly)?|precise(?:ly)?|on the dot|on the nose|that number and no other|equals?)\b"),
    (
        "ge",
        r"\bat (?:the )?(?:very |bare )?(?:least|minimum)\b|\bminimum\b|\bthe (?:bare |very )?least\b"
        r"|\bminimal(?:ly)?\b|\bmin\b"
        r"|\bor (?:even )?(?:more|over|above|higher|greater|later|after|newer|better|up|longer"
        r"|upwards?|beyond|larger)\b"
        r"|\band (?:up|upwards?|above|over|more|later|onwards?|newer|higher|beyond|on|after)\b|\+"
        r"|# (?:on|up)\b|\bonwards?\b|\bupwards?\b(?! of)|\bsince\b|\bstarting (?:from|at|in|with)\b"
        r"|\bas of\b",
    ),
    (
        "le",
        r"\bat (?:the )?(?:very |absolute )?(?:most|maximum|highest|latest|max)\b|\bmaxim(?:um"
        r"|al(?:ly)?)\b|\bmax\b"
        r"|\bor (?:even )?(?:less|fewer|lower|below|under|earlier|older|smaller|shorter|cheaper|before)\b"
        r"|\band (?:below|under|earlier|older|less|lower|before)\b|\bup to\b|\bup till\b|\buntil\b"
        r"|\btill\b|\btops\b"
        r"|\bupper limit\b|\bceiling\b|\b(?<!not )as (?:many|much) as\b|\bthe most\b(?! of)",
    ),
    ("le", rf"{_NOT}.*?\b(?:{_UP})\b"),
    ("ge", rf"{_NOT}.*?\b(?:less|fewer|under|below|lower|smaller|earlier|older|before|shorter|short of)\b"),
    ("lt", rf"{_NOT}.*?\b(?:reach\w*|get as far)\b"),
    ("lt", r"\bnot (?:quite )?as (?:many|much) as\b|\bshy of\b"),
    ("gt", rf"\b(?:{_UP})\b"),
    ("lt", rf"\b(?:{_DOWN})\b"),
    (
        "le",
        r"\b(?:cap(?:ped)?|limit(?:ed)?|down to|restrict(?:ed)?|hold|keep (?:it|them|this|every|any"
        r"|each)|only up)\b",
    ),
)
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in _RULES)


def compare(phrase: str) -> Comparison | None:
    """Return how a lower-case phrase, its contractions undone, compares; None if it does not.

    Example:
        >>> [compare(phrase) for phrase in ("no fewer than #", "# or less", "over #", "about #", "# of them")]
        ['ge', 'le', 'gt', 'about', None]
    """
    phrase = " ".join(phrase.split())
    return next((name for name, pattern in _COMPILED if pattern.search(phrase)), None)
