"""Phrasings: sentence templates by kind of control, in three disjoint splits kept as JSON beside this module.

A request in words is one opening (`count`, `count_default`) and one sentence for each control; the sets of
items in them are noun phrases (`which_*`). The unseen split is only for measuring: nothing is designed on it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path

from steerec.errors import RequestError, did_you_mean

SPLITS = ("train", "validation", "unseen")

SLOTS: Mapping[str, frozenset[str]] = {
    kind: frozenset(slots.split())
    for kind, slots in {
        "count": "count items",
        "count_default": "items",
        "only": "which",
        "without": "which",
        "at_least": "n which",
        "at_most": "n which",
        "exactly": "n which",
        "share_at_least": "share which",
        "share_at_most": "share which",
        "share_more_than": "share which",
        "share_less_than": "share which",
        "share_about": "share which",
        "cap": "n column",
        "cap_share": "share column",
        "within": "a b clause",
        "start_with": "n which",
        "candidates": "titles",
        "exclude": "titles",
        "prefer": "which",
        "like": "title",
        "allow_seen": "",
        "category_question": "title",
        "one_of": "which",
        "which_category": "value items",
        "which_any": "values items",
        "which_all": "values items",
        "which_not": "which items",
        "which_between": "a b column items",
        "which_from": "a column items",
        "which_until": "b column items",
        "which_equal": "value column items",
    }.items()
}
"""Slots of each kind; every template of a kind uses each of them and no other."""

_SLOT = re.compile(r"\{(\w+)\}")


def check_slots(kind: str, template: str) -> None:
    """Check that a template has the slots of its kind, each at least once, and no other.

    Raises:
        RequestError: the kind does not exist, or a slot is missing or foreign.
    """
    if kind not in SLOTS:
        raise RequestError(f'There is no phrase kind "{kind}".{did_you_mean(kind, SLOTS)}')
    found = _SLOT.findall(template)
    if set(found) != set(SLOTS[kind]):
        raise RequestError(
            f'The {kind} phrasing "{template}" has the slots {found}; it needs each of '
            f"{sorted(SLOTS[kind])} and no other."
        )


def _file(split: str) -> bytes:
    if split.endswith(".json") and Path(split).is_file():
        return Path(split).read_bytes()
    if split not in SPLITS:
        raise RequestError(
            f'There are no "{split}" phrasings.{did_you_mean(split, SPLITS)} Splits: {", ".join(SPLITS)}.'
        )
    path = resources.files("steerec.control") / "phrasings" / f"{split}.json"
    if not path.is_file():
        raise RequestError(f"The {split} phrasings ({path.name}) are not installed. Use another split.")
    return path.read_bytes()


@lru_cache(maxsize=8)
def load_phrases(split: str) -> Mapping[str, tuple[str, ...]]:
    """Return the templates of a split by kind; a path to a file of the same form is a split, too.

    Raises:
        RequestError: there is no such split, or a template has wrong slots.
    """
    phrases = {kind: tuple(templates) for kind, templates in json.loads(_file(split)).items()}
    for kind, templates in phrases.items():
        for template in templates:
            check_slots(kind, template)
    return phrases


def phrase_hash(split: str) -> str:
    """Return the sha256 (hex) of a split's file: what a table of results was measured with.

    Raises:
        RequestError: there is no such split.
    """
    return hashlib.sha256(_file(split)).hexdigest()


class _Phrases(Mapping[str, Mapping[str, tuple[str, ...]]]):
    """`PHRASES[split][kind]`; a file is read when its split is first asked for."""

    def __getitem__(self, split: str) -> Mapping[str, tuple[str, ...]]:
        return load_phrases(split)

    def __iter__(self) -> Iterator[str]:
        return iter(SPLITS)

    def __len__(self) -> int:
        return len(SPLITS)


PHRASES: Mapping[str, Mapping[str, tuple[str, ...]]] = _Phrases()
