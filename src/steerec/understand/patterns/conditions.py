"""Sets that quoted words describe: a piece of a title, a place in a tree, listed items; missing values."""

from __future__ import annotations

import re
from collections.abc import Mapping

from steerec.data.columns import ColumnType
from steerec.understand.patterns.marks import QUOTE, Marks

_HAS = r"(?:contains?|includes?|has|have|mentions?|says?|with|containing)"


def mark_conditions(text: str, columns: Mapping[str, ColumnType], noun: str, marks: Marks) -> str:
    """Replace "whose title contains 'x'", "under 'A > B' in the path", "with no year given", lists of items.

    Args:
        text: lower-case, with quotes marked.
        columns: the attribute columns and their types; the title counts as one more.
        noun: pattern of what items are called.
        marks: keeps what is found.
    """
    spoken = {name.lower().replace("_", " "): name for name in ("title", *columns)}
    names = "|".join(re.escape(name) for name in sorted(spoken, key=len, reverse=True))
    paths = "|".join(name for name, column in spoken.items() if columns.get(column) == "path")

    def contains(found: re.Match[str]) -> str:
        words = {"contains": marks.quote(found["quote"]).text}
        return f" {marks.set({spoken[found['column']]: words})} "

    def under(found: re.Match[str]) -> str:
        steps = [step.strip() for step in marks.quote(found["quote"]).text.split(">")]
        return f" {marks.set({spoken[found['column']]: {'under': steps}})} "

    def null(found: re.Match[str]) -> str:
        missing = found["word"] in ("no", "without")
        return f" {marks.set({spoken[found['column']]: {'is_null': missing}})} "

    quote, column = f"(?P<quote>{QUOTE})", f"(?P<column>{names})"
    before = r"(?:\b(?:whose|with|where|having|that have) )?(?:the |a )?"
    text = re.sub(rf"{before}\b{column} (?:that )?{_HAS} (?:the words? )?{quote}", contains, text)
    text = re.sub(rf"\b(?:with|containing) {quote} in (?:the|their) {column}\b", contains, text)
    if paths:
        text = re.sub(rf"\b(?:under|in|below) {quote} (?:in|of) the (?P<column>{paths})\b", under, text)
    given = r"(?:given|known|at all)\b"
    word = r"\b(?:with |having )?(?P<word>no|some|any|without)"
    text = re.sub(rf"{word} (?:known |given )?{column} {given}", null, text)
    return _listed(text, noun, marks)


def _listed(text: str, noun: str, marks: Marks) -> str:
    """Replace "films among 'A', 'B'" by the set of these items, where all of them exist."""

    def listed(found: re.Match[str]) -> str:
        quotes = [marks.quote(mark) for mark in re.findall(QUOTE, found[2])]
        if not all(quote.item_id for quote in quotes):
            return found[0]
        return f" {found[1]} {marks.set({'items': [quote.item_id for quote in quotes]})} "

    several = rf"{QUOTE}(?: ?(?:,|and|or|, and|, or) ?{QUOTE})*"
    return re.sub(rf"\b({noun}) (?:among|out of) ({several})", listed, text)
