"""One sentence, its names and numbers marked, to parts of a request.

Legend of the marks in comments: S a set of items, # a number, % a share, C a column, Q quoted words.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import Any

from steerec.understand.patterns import cues
from steerec.understand.patterns.comparison import compare
from steerec.understand.patterns.draft import Draft
from steerec.understand.patterns.marks import (
    COLUMN,
    MARK,
    NUMBER,
    QUOTE,
    SET,
    SHARE,
    Marks,
    WhereJson,
    none_of,
)
from steerec.understand.patterns.titles import read_titles

_SHARES = {
    "ge": "share_at_least",
    "le": "share_at_most",
    "gt": "share_more_than",
    "lt": "share_less_than",
    "about": "share_about",
}
_SEPARATOR = re.compile(r"[,:]|\b(?:and|but|plus|while|with|also|as well as|yet|then|although|though)\b")


class ClauseReader:
    """Reads marked sentences into a draft."""

    def __init__(self, noun: str, marks: Marks, draft: Draft) -> None:
        """Prepare for one text; `noun` is a pattern of what items are called."""
        self._marks, self._draft, self._noun = marks, draft, noun
        self._source: dict[str, str] = {}
        self._counted = re.compile(
            rf"(?<!first )(?<!top )(?<!last )(?<!opening )({NUMBER}) (?:(?!of\b|or\b|at\b|to\b"
            rf"|in\b)\w+ ){{0,2}}?{noun}"
            rf"(?! {cues.MODAL}\b(?! (?:i|we|you)\b))"
        )
        self._total = re.compile(
            rf"(?:\b(?:an? |the |my )?list of|\bamong(?: the)?"
            rf"|\b(?:out )?of (?:the|your|these|those|all(?: the)?)|(?<={NUMBER} )of)"
            rf" ({NUMBER})(?: {noun})?(?! ?(?:{SET}|{COLUMN}|(?:or|to|and|-) ?{NUMBER}))"
        )

    def sentences(self, text: str) -> list[str]:
        """Split into sentences; a remark on the one before ("none of those") joins it."""
        pieces = [piece.strip(" ,") for piece in re.split(r"[.!?;\n]+(?= |$)", text)]
        joined: list[str] = []
        for piece in (piece for piece in pieces if re.search(rf"\w|{MARK}", piece)):
            remark = (
                not re.search(MARK, piece) and cues.ANAPHORA.search(piece) and not self.permits_seen(piece)
            )
            if (
                remark
                and joined
                and re.search(f"{SET}|{QUOTE}|{COLUMN}", joined[-1])
                and not self._opens(piece)
            ):
                joined[-1] += f" , {piece}"
            else:
                joined.append(piece)
        return joined

    def _opens(self, piece: str) -> bool:
        return re.search(self._noun, piece) is not None and not cues.NEGATION.search(piece)

    def read(self, sentence: str) -> bool:
        """Add what a sentence says to the draft; returns False when it says nothing that is known."""
        placed = False
        if re.search(QUOTE, sentence):
            sentence = read_titles(sentence, self._marks, self._draft)
            placed = True
        if not re.search(SET, sentence) and self.permits_seen(sentence):
            self._draft.allow_seen = True
            return True
        counted = self._take_count(sentence)
        if counted is not None:
            sentence, placed = counted, True
        if self._is_sum(sentence):
            self._draft.unplaced.append(self._marks.words(sentence))
            return True
        if self._draft.count is None and not cues.REST.search(sentence):
            sentence = cues.BEST.sub(lambda found: found[0] if found["lead"] else " ", sentence)
        previous: str | None = None
        for clause in self._clauses(sentence):
            if len(re.findall(SET, clause)) > 1:  # a choice between controls: nothing here says it
                self._draft.unplaced.append(self._marks.words(clause))
                placed = True
            elif re.search(SET, clause):
                previous = self._bound(clause, previous)
                placed = True
            elif re.search(COLUMN, clause) and self._cap(clause):
                placed = True
        return placed or self._opens(sentence)

    def permits_seen(self, sentence: str) -> bool:
        """Whether it says that things already seen may come again."""
        if re.search(f"{QUOTE}|{COLUMN}|{SHARE}|{NUMBER}|{SET}", sentence) or cues.PRESENT.search(sentence):
            return False
        return bool(cues.SEEN.search(sentence) and self._permission(sentence))

    def _permission(self, sentence: str) -> bool:
        if re.search(rf"\b(?:some|any|few|new) (?:\w+ )?{self._noun}", sentence):
            return False
        if cues.PERMIT_SURE.search(sentence):
            return True
        return cues.PERMIT.search(sentence) is not None and not cues.PROHIBIT.search(sentence)

    # -- count

    def _take_count(self, sentence: str) -> str | None:
        """Read "# films" as the length of the list, and return the rest; None when there is no such thing."""
        if self._is_sum(sentence):
            return None
        found = self._total.search(sentence)
        if found is not None and self._draft.count in (None, self._marks.number(found[1])):
            self._draft.count = self._marks.number(found[1])
            return self._without(sentence, found)
        if self._draft.count is not None:
            return None
        found = self._counted.search(sentence)
        if found is None and not re.search(f"{SET}|{COLUMN}|{SHARE}", sentence):
            numbers = list(re.finditer(f"({NUMBER})(?: (?:\\w+ ){{0,2}}?{self._noun})?", sentence))
            found = numbers[0] if len(numbers) == 1 else None
        if found is None:
            return None
        before = sentence[: found.start()][-25:]
        compared = compare(f"{before} #") not in (None, "eq", "about")
        if compared and re.search(f"{SET}|{COLUMN}", sentence):
            return None
        self._draft.count = self._marks.number(found[1])
        before = re.sub(r"\b(?:out )?of (?:the |your |all |these )*$", "", sentence[: found.start()])
        return f"{before} {sentence[found.end() :]}"

    def _is_sum(self, sentence: str) -> bool:
        return re.search(NUMBER, sentence) is not None and cues.SUMS.search(sentence) is not None

    # -- clauses

    def _clauses(self, sentence: str) -> list[str]:
        """Cut so that every set, and every column that is capped, has its own words around it."""
        entities = [found.span() for found in re.finditer(f"{SET}|{COLUMN}", sentence)]
        cuts = []
        for (_, end), (start, _) in pairwise(entities):
            between = [
                found
                for found in _SEPARATOR.finditer(sentence, end, start)
                if not self._inside(sentence, found)
            ]
            if between:
                cuts.append(between[-1].start())
        ends = [*cuts, len(sentence)]
        return [sentence[a:b].strip(" ,") for a, b in zip([0, *cuts], ends, strict=True)]

    def _inside(self, sentence: str, found: re.Match[str]) -> bool:
        """Whether the separator joins two numbers ("between # and #") or belongs to a comparison."""
        left, right = sentence[: found.start()].rstrip(), sentence[found.end() :].lstrip()
        numbers = re.search(f"{NUMBER}$", left) and re.match(NUMBER, right)
        return bool(numbers) or bool(re.match(r"(?:more|up|above|over)\b", right) and found[0] == "and")

    def _window(self, clause: str) -> tuple[str, list[int] | None]:
        """Take the stretch of positions out of a clause."""
        if found := cues.WINDOW.search(clause):
            ends = [self._marks.number(mark) for mark in found.groups() if mark]
            if ends[0] <= ends[1]:
                return self._without(clause, found), ends
        if found := cues.LEADING.search(clause):
            return self._without(clause, found), [1, self._marks.number(found[1])]
        if found := cues.TRAILING.search(clause):
            count, length = self._draft.count or self._draft.otherwise, self._marks.number(found[1])
            return self._without(clause, found), [max(1, count - length + 1), count]
        if found := cues.AT_PLACE.search(clause):
            place = 1 if found["b"] == "first" else self._marks.number(found["a"] or found["b"])
            return self._without(clause, found), [place, place]
        if found := cues.START.search(clause):
            rest = self._without(clause, found)
            number = re.search(NUMBER, rest)
            if number is None:
                return rest, [1, 1]
            return self._without(rest, number), [1, self._marks.number(number[0])]
        return clause, None

    def _notice(self, clause: str, anchor: str) -> None:
        """Keep where what is read next comes from."""
        self._source = {"said": self._marks.words(clause), "clause": clause, "anchor": anchor}

    @staticmethod
    def _without(clause: str, found: re.Match[str]) -> str:
        return f"{clause[: found.start()]} {clause[found.end() :]}".strip()

    # -- bounds

    def _bound(self, clause: str, previous: str | None) -> str:
        """Read a clause about one set; returns the kind of bound, for a clause that leaves it unsaid."""
        if cues.NOT_ONLY.search(clause) or cues.ALL_BUT.search(clause):
            return self._leave(clause)
        where = self._marks.where(re.findall(SET, clause)[0])
        self._notice(clause, re.findall(SET, clause)[0])
        clause, window = self._window(clause)
        shares, numbers = re.findall(SHARE, clause), re.findall(NUMBER, clause)
        if shares:
            return self._share(clause, self._marks.share(shares[0]), where, window)
        if numbers:
            return self._number(clause, numbers, where, window)
        if cues.MOSTLY.search(clause):
            return self._add("share", where, window, share_more_than=Fraction(1, 2))
        if cues.SOFT.search(clause) and window is None and not _firm(clause):
            negative = cues.SOFT_NEGATION.search(re.sub(r"\bsoftly\b", "", clause))
            self._draft.prefer.append({"where": none_of(where) if negative else where})
            return "soft"
        if cues.REST.search(clause) and self._draft.controls:
            return self._rest(where)
        if cues.NEGATION.search(clause):
            return self._add("without", where, window, at_most=0)
        if cues.ONLY.search(clause) or window is not None:
            return self._add("only", where, window, at_least="all")
        if cues.SOME.search(clause) and (self._draft.controls or self._draft.count is not None):
            return self._add("some", where, window, at_least=1)
        if previous == "unplaced":  # "also dramas", after "not only comedies"
            return self._leave(clause)
        if previous == "without":
            return self._add("without", where, window, at_most=0)
        if previous == "soft":
            self._draft.prefer.append({"where": where})
            return "soft"
        return self._add("only", where, window, at_least="all")

    def _leave(self, clause: str) -> str:
        self._draft.unplaced.append(self._marks.words(clause))
        return "unplaced"

    def _rest(self, where: WhereJson) -> str:
        """Read "the rest S", after a stretch or a number of something else."""
        before = self._draft.controls[-1]
        if "within" in before:
            last = before["within"][1]
            return self._add(
                "only",
                where,
                [last + 1, max(self._draft.count or self._draft.otherwise, last + 1)],
                at_least="all",
            )
        taken = next((before[name] for name in ("bare", "exactly", "at_least") if name in before), None)
        return self._add(
            "only", where, None, **({"rest": taken} if isinstance(taken, int) else {"at_least": "all"})
        )

    def _share(self, clause: str, share: Fraction, where: WhereJson, window: list[int] | None) -> str:
        way = compare(self._bare(clause))
        if share == 1 and way in (None, "ge", "eq"):
            return self._add("only", where, window, at_least="all")
        if share == 0 and way in (None, "le", "eq"):
            return self._add("without", where, window, at_most=0)
        if way == "eq":
            return self._add("share", where, window, share_at_least=share, share_at_most=share)
        return self._add("share", where, window, **{_SHARES[way or "ge"]: share})  # "half dramas": or more

    def _number(self, clause: str, numbers: list[str], where: WhereJson, window: list[int] | None) -> str:
        if span := re.search(rf"({NUMBER}) ?(?:and|to|-|or) ?({NUMBER})", clause):
            low, high = (self._marks.number(mark) for mark in span.groups())
            return self._add("number", where, window, at_least=low, at_most=high)
        if len(numbers) == 2 and (ends := self._two_ends(clause, numbers)):
            return self._add("number", where, window, **ends)
        if len(numbers) > 1:
            return self._leave(clause)
        n = self._marks.number(numbers[0])
        way = compare(self._bare(clause))
        if way is None and cues.REST.search(clause):
            way = "eq"
        if way is None and n and re.search(rf"\ball (?:of )?(?:the )?{NUMBER}", clause):
            return self._add("only", where, window, at_least="all")
        if way is None and re.search(rf"\b(?:only|just) {NUMBER}", clause) and self._draft.count is not None:
            way = "le"
        if way is None and cues.INCLUDE.search(clause):
            way = "ge"
        bounds: dict[str, Any] = {
            "ge": {"at_least": n},
            "gt": {"at_least": n + 1},
            "le": {"at_most": n},
            "lt": {"at_most": max(n - 1, 0)},
            "eq": {"exactly": n},
            "about": {"about": n},
            None: {"bare": n},
        }[way]
        return self._add("number", where, window, **bounds)

    def _two_ends(self, clause: str, numbers: list[str]) -> dict[str, int] | None:
        """Read "no fewer than # but at most # S"."""
        first, second = clause.index(numbers[0]), clause.index(numbers[1])
        cut = _SEPARATOR.search(clause, first, second) or re.compile(r"\bor\b").search(clause, first, second)
        if cut is None:
            return None
        bounds: dict[str, int] = {}
        for part, mark in ((clause[: cut.start()], numbers[0]), (clause[cut.start() :], numbers[1])):
            n, way = self._marks.number(mark), compare(self._bare(part))
            if way in ("ge", "gt"):
                bounds["at_least"] = n + (way == "gt")
            elif way in ("le", "lt"):
                bounds["at_most"] = max(n - (way == "lt"), 0)
        return bounds if len(bounds) == 2 else None

    def _bare(self, clause: str) -> str:
        """Return the clause with "#" for numbers and shares and without other marks."""
        return re.sub(MARK, " ", re.sub(f"{NUMBER}|{SHARE}", "#", clause))

    def _add(self, kind: str, where: WhereJson, window: list[int] | None, **bounds: Any) -> str:
        control = {"where": where, **bounds} | ({"within": window} if window else {})
        self._draft.controls.append(control | self._source)
        return kind

    def _cap(self, clause: str) -> bool:
        """Read "at most # per C"."""
        if not cues.DISTRIBUTIVE.search(clause) and not re.search(f"{NUMBER}|{SHARE}", clause):
            return False
        anchor = re.findall(COLUMN, clause)[0]
        column = self._marks.column(anchor)
        self._notice(clause, anchor)
        shares, numbers = re.findall(SHARE, clause), re.findall(NUMBER, clause)
        if shares:
            if compare(self._bare(clause)) == "lt":
                return False  # a cap has no strict share
            self._draft.controls.append(
                {"each": column, "share_at_most": self._marks.share(shares[0])} | self._source
            )
            return True
        no_two = cues.NO_TWO.search(clause) is not None
        if numbers and not no_two:
            n = self._marks.number(numbers[0])
            way = compare(self._bare(clause))
            if way in ("ge", "gt"):
                return False
            self._draft.controls.append(
                {"each": column, "at_most": n - 1 if way == "lt" and n else n} | self._source
            )
            return True
        if no_two or cues.ONE_EACH.search(clause):
            self._draft.controls.append({"each": column, "at_most": 1} | self._source)
            return True
        return False


def _firm(clause: str) -> bool:
    """Whether a clause that sounds soft ("I'd love only S") leaves no choice."""
    return (
        "softly" not in clause
        and re.search(r"\b(?:only|nothing but|exclusively|solely|must|every)\b", clause) is not None
    )
