"""Numbers and dates of items in words: "year of at least 1990", "the nineties", "under $20", "4 stars"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import polars as pl

from steerec.data.catalog import Catalog
from steerec.understand.patterns.comparison import compare
from steerec.understand.patterns.marks import Marks, WhereJson

_VALUE = r"\$?(?:\d{4}-\d\d-\d\d|\d+(?:,\d{3})*(?:\.\d+)?)(?![\w%]|\.\d|/)"
_BEFORE = r"(?:(?:whose|with|having|have|has|where|for which|of|in|from|and|the|a|an|that|its|their) ){0,6}"
_FILL = (
    r"(?:(?:that|which|is|are|was|were|lies|lie|falls|fall|ranges|range|in|of|the|a|an|anywhere"
    r"|somewhere|exactly|equals?"
    r"|equal|to|from|between|at|very|least|most|minimum|maximum|no|not|never|lower|higher|more|less"
    r"|fewer|greater|larger"
    r"|smaller|later|earlier|newer|older|than|above|below|over|under|up|until|till|exceed\w*|before"
    r"|after|since"
    r"|starting|either|be|being|any|only|beyond|within|should|must|has|have|value|one) |[<>=:]+ ?|-){0,10}"
)
_YEAR = r"(?:1[5-9]\d\d|20\d\d)"
_DECADES = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
_DECADE_WORDS = {name: 10 * (place + 2) for place, name in enumerate(_DECADES)}
_DECADE = (
    rf"(?:(?:the )?'?(?:\d\d|(?:1[5-9]|20)\d)0s|(?:the )?'?\d0'?s|(?:the )?(?:{'|'.join(_DECADE_WORDS)}))\b"
)
# "or after 1995" and "or later than 1995" say nothing about the year before: they compare anew
_ALONE = rf"\b(?! than\b| (?:\$ ?\d|(?:the )?(?:year )?{_YEAR}\b|{_DECADE}))"
_POST = (
    r"(?: ?\+|(?:,? (?:or|and) (?:even )?(?:(?:more|less|fewer|up|upwards?|higher|lower|later|earlier"
    r"|newer|older|greater|smaller|better|on|onwards?|after|before|cheaper|longer|shorter)"
    rf"{_ALONE}|(?:above|below|over|under|beyond){_ALONE}(?! \d)))"
    r"|(?: (?:onwards?|upwards?|on|up|at (?:the )?(?:very )?(?:least|most|highest|lowest|minimum"
    r"|maximum))\b))"
)
_WHEN = (
    r"(?:(?:released|made|published|produced|opened|dating|dated|written|out|that came out|that are"
    r"|which are)? ?"
    r"(?:(?P<cue>no (?:later|earlier|older|newer) than|not (?:before|after|older than|newer than"
    r"|later than|earlier than)"
    r"|before|prior to|earlier than|older than|pre-?|after|later than|newer than|more recent than|since"
    r"|until|till"
    r"|up to|from|in|of|by|during|between|post-?|as of|starting in|starting from|at the latest|through) ?)?"
    r"(?:(?:the )?(?P<part>early|mid|late)[- ])?)"
)
_PRICE = ("price", "cost")


@dataclass(frozen=True)
class _Column:
    name: str
    kind: str
    low: Any
    high: Any
    is_year: bool

    def read(self, written: str) -> Any:
        written = written.strip().lstrip("$").replace(",", "")
        if self.kind == "date":
            return written if "-" in written else None
        return None if "-" in written else (float(written) if "." in written else int(written))

    def holds(self, value: Any) -> bool:
        return value is not None and self.low is not None and self.low <= value <= self.high


class Ranges:
    """Finds conditions on number and date columns."""

    def __init__(self, catalog: Catalog) -> None:
        """Learn the ordered columns and the span of their values."""
        self._columns = [
            _column(name, kind, catalog.frame[name])
            for name, kind in catalog.columns.items()
            if kind in ("number", "date")
        ]
        self._year = next((column for column in self._columns if column.is_year), None)

    def mark(self, text: str, marks: Marks) -> str:
        """Replace every such condition in lower-case text, its contractions undone, by a set."""
        for column in self._columns:
            text = self._named(text, column, marks)
        text = self._priced(text, marks)
        return self._dated(text, marks) if self._year else text

    def _named(self, text: str, column: _Column, marks: Marks) -> str:
        """Conditions that name their column, before or after the number."""
        name = _spoken(column.name)
        again = column.name.lower().replace("_", " ")
        text = re.sub(  # "stars below 3 or above 4": the second comparison is of the same column
            rf"(\b{name} ?{_FILL}{_VALUE}) or ((?:(?:more|less|higher|lower|later|earlier|newer|older|greater"
            rf"|smaller) than|above|below|over|under|beyond|before|after) {_VALUE})"
            r"(?= ?(?:[.,;:!?)]|$|(?:and|or|please)\b))",
            lambda found: f"{found[1]} or {again} {found[2]}",
            text,
        )
        more = rf"(?: ?(?P<link>to|and|through|up to|-|or) ?(?P<second>{_VALUE}))?"
        tail = rf"(?P<post>(?(second)|{_POST}))?"
        patterns = [
            rf"(?P<before>\b{_BEFORE})\b{name} ?(?P<mid>{_FILL})(?P<first>{_VALUE}){more}{tail}",
            rf"(?P<before>\b{_BEFORE})(?P<mid>)(?P<first>{_VALUE}){more} (?:as|is|for|=) (?:the |a |an "
            rf"|their )?{name}\b"
            rf"(?P<post>)",
            rf"(?P<before>\b(?:(?:with|having|of|that have|and"
            rf"|from) ){{0,4}})(?P<mid>{_FILL})(?P<first>{_VALUE}){more}"
            rf"[- ]{name}\b{tail}",
        ]

        def replace(found: re.Match[str]) -> str:
            if re.search(r"\b(?:per|each|every|same|single|any one)\b", found["before"] + found["mid"]):
                return found[0]
            # "year at least 1990 at least", "not below 1990 to 2": what follows is about how many
            settled = compare(f"{found['mid']} #") is not None
            last = "second" if found["link"] == "or" or (not settled and found["second"]) else "first"
            second = found["second"] if last == "second" else None
            post = "" if settled else found["post"]
            where = self._condition(column, found["mid"], found["first"], found["link"], second, post)
            rest = found[0][found.end(last) - found.start() :] if settled else ""
            return found[0] if where is None else f" {marks.set(where)} {rest}"

        for place, pattern in enumerate(patterns):
            if place == 2 and column.is_year:  # "5 year" is no year
                continue
            text = re.sub(pattern, replace, text)
        return text

    def _condition(
        self, column: _Column, mid: str, first: str, link: str | None, second: str | None, post: str | None
    ) -> WhereJson | None:
        low = column.read(first)
        if low is None:
            return None
        if second is not None and link == "or":
            high = column.read(second)
            return None if high is None else {column.name: [low, high]}
        if second is not None:
            high = column.read(second)
            return None if high is None else {column.name: {"ge": low, "le": high}}
        return {column.name: _one_end(compare(f"{mid} # {post or ''}"), low)}

    def _priced(self, text: str, marks: Marks) -> str:
        """Amounts of money belong to the column that is a price."""
        column = next((c for c in self._columns if c.name.lower() in _PRICE), None)
        if column is None:
            return text
        amount = r"(?:\$ ?(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?) (?:dollars|euros|pounds|bucks))"
        cue = (
            r"((?:for |costing |that cost |priced (?:at )?|at )?(?:less than|under|below|up to|at most"
            r"|no more than"
            r"|more than|over|above|at least|between|from|exactly)?) ?"
        )

        def replace(found: re.Match[str]) -> str:
            assert column is not None
            first = found[2] or found[3]
            second = found[4] or found[5]
            link = "and" if second else None
            where = self._condition(column, found[1], first, link, second, found[6])
            return found[0] if where is None else f" {marks.set(where)} "

        return re.sub(rf"{cue}{amount}(?: ?(?:to|and|-) ?{amount})?({_POST})?", replace, text)

    def _dated(self, text: str, marks: Marks) -> str:
        """Years and decades that stand alone belong to the year."""
        assert self._year is not None
        name = self._year.name

        def decades(found: re.Match[str]) -> str:
            first, last = self._decade(found["one"], found["part"])
            if found["two"]:
                last = self._decade(found["two"], None)[1]
                return f" {marks.set({name: {'ge': first, 'le': last}})} "
            cue = f"{found['cue'] or ''} # {found['post'] or ''}"
            return f" {marks.set({name: _span(compare(cue), first, last)})} "

        def years(found: re.Match[str]) -> str:
            first = int(found["one"])
            if not (self._year is not None and self._near(first)):
                return found[0]
            if found["two"]:
                second = int(found["two"])
                given = [first, second] if found["link"] == "or" else {"ge": first, "le": second}
                return f" {marks.set({name: given})} "
            cue = found["cue"] or ""
            if re.search(r"\bby\b", cue):
                cue = "up to"
            if re.search(r"\bpre-?", cue):
                cue = "before"
            if re.search(r"\bpost-?", cue):
                cue = "after"
            comparison = compare(f"{cue} # {found['post'] or ''}")
            return f" {marks.set({name: _one_end(comparison, first)})} "

        text = re.sub(rf"\bbetween ({_DECADE}) and ({_DECADE})", r"from \1 to \2", text)
        decade = (
            rf"(?<![\w.]){_WHEN}(?P<one>{_DECADE})(?: ?(?:to|through"
            rf"|-) ?(?P<two>{_DECADE}))?(?P<post>{_POST})?"
        )
        text = re.sub(decade, decades, text)
        year = (
            rf"(?<![\w.]){_WHEN}(?P<one>{_YEAR})(?: ?(?P<link>to|and|through|-"
            rf"|or) ?(?P<two>{_YEAR}))?(?![\w%])(?P<post>{_POST})?"
        )
        return re.sub(year, years, text)

    def _near(self, year: int) -> bool:
        """A number is a year when it lies within half a century of the known ones."""
        assert self._year is not None
        return self._year.low is not None and self._year.low - 50 <= year <= self._year.high + 50

    def _decade(self, written: str, part: str | None) -> tuple[int, int]:
        assert self._year is not None
        digits = re.sub(r"\D", "", written)
        if len(digits) == 4:
            first = int(digits)
        else:
            tens = int(digits) if digits else _DECADE_WORDS[written.split()[-1]]
            first = next(
                (c + tens for c in (1900, 2000) if self._overlaps(c + tens)),
                (1900 if tens >= 20 else 2000) + tens,
            )
        ends = {"early": (0, 3), "mid": (4, 6), "late": (7, 9)}.get(part or "", (0, 9))
        return first + ends[0], first + ends[1]

    def _overlaps(self, first: int) -> bool:
        assert self._year is not None
        return self._year.low is not None and self._year.low <= first + 9 and first <= self._year.high


def _column(name: str, kind: str, values: pl.Series) -> _Column:
    low, high = values.min(), values.max()
    is_year = False
    if isinstance(low, int) and isinstance(high, int) and kind == "number":
        is_year = "year" in name.lower() or (low >= 1000 and high <= 2200)
    if kind == "date":
        low, high = (str(low), str(high)) if low is not None else (None, None)
    return _Column(name, kind, low, high, is_year)


def _spoken(name: str) -> str:
    """Return a pattern of a column's name, singular or plural."""
    words = re.escape(name.lower().replace("_", " ")).replace(r"\ ", "[ _-]")
    return rf"{words.removesuffix('s')}(?:s|es)?"


def _one_end(comparison: str | None, value: Any) -> Any:
    return {comparison: value} if comparison in ("ge", "gt", "le", "lt") else value


def _span(comparison: str | None, first: int, last: int) -> dict[str, int]:
    """Return the years before, after, up to, from, or of a decade."""
    if comparison == "lt":
        return {"lt": first}
    if comparison == "gt":
        return {"gt": last}
    return (
        {"ge": first}
        if comparison == "ge"
        else {"le": last}
        if comparison == "le"
        else {"ge": first, "le": last}
    )
