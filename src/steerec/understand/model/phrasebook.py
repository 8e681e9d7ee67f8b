"""Words for training the reader: sentence templates in seven languages, names of values, invented catalogues.

Everything here is data in `phrasebook/*.json`, written by hand; the train phrasings of `control.templates`
are added to the English templates. A reader at work never looks at it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from steerec.control.templates import PHRASES

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt")
_SLOTS = {
    "which": "S",
    "share": "p",
    "column": "c",
    "titles": "T",
    "title": "T",
    "count": "N",
    "items": "noun",
}
_SAME = (
    *("only", "without", "at_least", "at_most", "exactly", "share_at_least", "share_at_most"),
    *("share_more_than", "share_less_than", "share_about", "cap", "cap_share", "candidates", "exclude"),
    *("prefer", "like", "allow_seen"),
)
_RENAMED = {"start_with": "first", "count": "ask_plain", "count_default": "ask_nothing"}


@lru_cache(maxsize=16)
def load(name: str) -> Any:
    """Return a file of the phrasebook by its name."""
    return json.loads(
        (resources.files("steerec.understand.model") / "phrasebook" / f"{name}.json").read_text("utf-8")
    )


@lru_cache(maxsize=8)
def templates(language: str) -> Mapping[str, tuple[str, ...]]:
    """Return the templates of a language by kind, their slots in braces."""
    book = {kind: tuple(texts) for kind, texts in load(language).items() if isinstance(texts, list)}
    if language == "en":
        formal = PHRASES["train"]
        for kind in (*_SAME, *_RENAMED):
            own = _RENAMED.get(kind, kind)
            book[own] = (*book.get(own, ()), *(_renamed(text) for text in formal[kind]))
    return book


def phrasebook_sha256() -> str:
    """Return one hash (hex) over all files: part of what a trained reader depends on."""
    digest = hashlib.sha256()
    folder = resources.files("steerec.understand.model") / "phrasebook"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _renamed(template: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda slot: "{" + _SLOTS.get(slot[1], slot[1]) + "}", template)


@lru_cache(maxsize=1)
def lexicon() -> Mapping[str, Mapping[str, Any]]:
    """Return what people call a value, by the value's name in lower case."""
    return {name.lower(): entry for entry in load("lexicon") for name in entry["names"]}
