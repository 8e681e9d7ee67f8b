"""Sentences composed along with the lines they mean: right by construction.

A sentence is a head ("ten comedies") and up to three clauses ("no war films"), joined, surrounded by small
talk and misspelled now and then. Its lines are written along with it, never read back from it.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from steerec.errors import RequestError
from steerec.understand.lines.line_form import Token, word
from steerec.understand.model.nouns import Noun, NounMaker
from steerec.understand.model.phrasebook import templates
from steerec.understand.model.worlds import World

OPEN, CLOSE = "\ue800", "\ue801"
"""Private characters around words that nothing says; they are taken out before the sentence is read."""
_NEEDS = {
    "price": ("dollar", "euro", "budget", "cheap", "price"),
    "minutes": ("hour", "minute", "long", "short"),
    "rating": ("rated", "review", "score", "rating", "acclaim"),
    "language": ("korean", "portug", "deutsch", "español", "italiano", "nederlands"),
    "by": ("by a ", "director", "makers"),
}
"""Column -> words of phrases that it could say, so that they are not left unplaced there."""
_CLAUSES = {
    "without": 20, "without_two": 4, "without_part": 6, "only_part": 3, "only": 3, "at_least": 9,
    "at_most": 8, "exactly": 5, "more_than": 3, "fewer_than": 4, "about": 3, "between": 4, "some": 8,
    "some_two": 2, "share_at_least": 8, "share_at_most": 4, "share_more_than": 3, "share_less_than": 3,
    "share_about": 5, "share_exactly": 1, "mostly": 7, "minority": 1, "cap": 4, "cap_one": 3, "cap_share": 1,
    "first": 4, "first_one": 4, "last": 1, "last_one": 2, "at": 2, "within": 2, "within_some": 1,
    "top_some": 1, "top_without": 1, "first_title": 1, "must_title": 1, "candidates": 3, "exclude": 7,
    "like": 7, "unlike": 1, "prefer": 7, "avoid": 3, "allow_seen": 3, "unplaced": 9,
}  # fmt: skip
_HEADS = {
    "ask": 26, "ask_loose": 20, "ask_one": 3, "ask_plain": 24, "ask_nothing": 8, "split": 5, "split3": 1,
    "split_count": 2, "split_half": 3, "split_rest": 3, "halves": 1, "correct_count": 2, "correct_set": 2,
    "none": 16,
}  # fmt: skip
_COUNTS = (2, 3, 3, 4, 5, 5, 5, 6, 7, 8, 8, 10, 10, 10, 12, 12, 15, 20, 25, 30, 50, 100)
_LOWER = ("at_least", "share_at_least")


class Said(NamedTuple):
    """A piece of text and the lines it stands for."""

    text: str
    tokens: list[Token]


class Composer:
    """Writes one sentence about one world."""

    def __init__(self, world: World, rng: np.random.Generator, language: str = "en") -> None:
        """Prepare."""
        self.make = NounMaker(world, rng, language)
        self.world, self.rng, self.language = world, rng, language
        self.book = templates(language)
        self.count = 10

    def compose(self) -> tuple[str, list[Token]]:
        """Return a sentence, with OPEN and CLOSE around what nothing says, and its lines without the end."""
        head = self._draw({kind: n for kind, n in _HEADS.items() if kind == "none" or kind in self.book})
        said = [] if head == "none" else [self._head(head)]
        number = int(self.rng.choice([0, 1, 2, 3], p=[0.38, 0.36, 0.19, 0.07]))
        if head in ("none", "ask_plain", "ask_nothing"):
            number = max(number, int(self.rng.random() < (1.0 if head == "none" else 0.75)))
        clauses = {kind: n for kind, n in _CLAUSES.items() if kind in self.book}
        for _ in range(number):
            kind = self._draw(clauses)
            said.append(self._clause(kind))
            if kind in ("candidates", "like", "allow_seen", "exclude", "unlike"):
                clauses.pop(kind)
        if self.rng.random() < 0.25:  # "no horror please, ten films"
            said = [said[int(i)] for i in self.rng.permutation(len(said))]
        text = said[0].text
        for one in said[1:]:
            text += self._pick("join") + one.text
        text = self._around(text)
        counts = [one.tokens for one in said if one.tokens[:1] == [word("count")]]
        if len(counts) > 1:
            raise RequestError("said twice")
        tokens = [token for part in counts for token in part]
        tokens += [token for one in said if one.tokens[:1] != [word("count")] for token in one.tokens]
        return text, tokens

    def _draw(self, weights: dict[str, int]) -> str:
        chances = np.array(list(weights.values()), float)
        return list(weights)[int(self.rng.choice(len(chances), p=chances / chances.sum()))]

    def _pick(self, kind: str) -> str:
        return str(self.make.pick(self.book[kind]))

    def _around(self, text: str) -> str:
        if self.rng.random() < 0.25:
            text = self._pick("before") + text
        if self.rng.random() < 0.3:
            text += self._pick("after")
        return text

    # -- heads

    def _head(self, kind: str) -> Said:
        self.count = (
            int(self.make.pick(_COUNTS)) if self.rng.random() < 0.85 else int(self.rng.integers(2, 60))
        )
        template = self._pick(kind)
        counted = [word("count"), Token("number", self.count)]
        if kind.startswith(("split", "halves", "correct")):
            return self._split(kind, template)
        if kind == "ask_nothing":
            self.count = 10
            return Said(self._fill(template), [])
        if kind == "ask_plain":
            return Said(self._fill(template, N=self.make.number(self.count)), counted)
        noun = self.make.any()
        if kind == "ask_one":
            self.count = 1
            return Said(
                self._fill(template, noun), [word("count"), Token("number", 1), word("only"), *noun.tokens]
            )
        if kind == "ask_loose":
            self.count = 10
            if noun.loose.startswith("a ") and re.match("(?:recommend|give|show|can|let) ", template):
                noun = noun._replace(loose=noun.plural)  # "recommend a western" asks for one
            return Said(self._fill(template, noun), [word("only"), *noun.tokens])
        text = self._fill(template, noun, N=self.make.number(self.count))
        return Said(text, [*counted, word("only"), *noun.tokens])

    def _split(self, kind: str, template: str) -> Said:
        one, other, third = (self.make.any(simple=True) for _ in range(3))
        n, m, k = (int(self.rng.integers(1, 9)) for _ in range(3))
        numbers = {"n": self.make.number(n), "m": self.make.number(m), "k": self.make.number(k)}
        one, other = (self._agree(noun, amount) for noun, amount in ((one, n), (other, m)))
        text = self._fill(template, one, R=other.plural, Q=third.plural, **numbers)
        first = [word("exactly"), Token("number", n), *one.tokens]
        second = [word("exactly"), Token("number", m), *other.tokens]
        if kind == "split3":
            self.count = n + m + k
            more = [word("exactly"), Token("number", k), *third.tokens]
            return Said(text, [word("count"), word("sum"), *first, *second, *more])
        if kind == "split":
            self.count = n + m
            return Said(text, [word("count"), word("sum"), *first, *second])
        if kind == "split_count":
            self.count = n + m
            text = self._fill(template, one, R=other.plural, N=self.make.number(n + m), **numbers)
            return Said(text, [word("count"), Token("number", n + m), *first, *second])
        return self._shared(kind, template, text, (one, other), n)

    def _shared(self, kind: str, template: str, text: str, nouns: tuple[Noun, Noun], n: int) -> Said:
        one, other = nouns
        self.count = 10
        if kind == "split_rest":
            lower = "at_least" if "at least" in template else "exactly"
            tokens = [word(lower), Token("number", n), *one.tokens, word("rest"), *other.tokens]
            return Said(text, tokens)
        if kind == "halves":
            tokens = [word("only"), word("first_half"), *one.tokens]
            return Said(text, [*tokens, word("only"), word("second_half"), *other.tokens])
        if kind == "split_half":
            half = [word("share_at_least"), Token("share", Fraction(1, 2))]
            return Said(text, [*half, *one.tokens, *half, *other.tokens])
        self.count, wrong = (int(self.make.pick(_COUNTS)) for _ in range(2))
        text = self._fill(
            template, one, R=other.plural, N=self.make.number(self.count), M=self.make.number(wrong)
        )
        return Said(text, [word("count"), Token("number", self.count), word("only"), *one.tokens])

    # -- clauses

    def _clause(self, kind: str) -> Said:
        template = self._pick(kind)
        if kind in ("candidates", "exclude", "like", "unlike", "first_title", "must_title"):
            return self._titles(kind, template)
        if kind == "allow_seen":
            return Said(self._fill(template), [word("allow_seen")])
        if kind == "unplaced":
            return self._unplaced(template)
        if kind.startswith("cap"):
            return self._cap(kind, template)
        if kind.endswith("_part"):
            noun = self.make.any(simple=True)
            for _ in range(20):
                if noun.part:
                    break
                noun = self.make.any(simple=True)
            if not noun.part:
                return self._clause("without")
            return Said(self._fill(template, noun), [word(kind.removesuffix("_part")), *noun.tokens])
        if kind == "without_two":
            one, other = (self.make.any(simple=True) for _ in range(2))
            text = self._fill(template, X=one.plural, Y=other.plural)
            return Said(text, [word("without"), *one.tokens, word("or"), *other.tokens])
        if kind == "some_two":
            one, other = (self.make.any(simple=True) for _ in range(2))
            some = [word("at_least"), Token("number", 1)]
            return Said(self._fill(template, one, R=other.plural), [*some, *one.tokens, *some, *other.tokens])
        return self._bound(kind, template)

    def _bound(self, kind: str, template: str) -> Said:
        noun = self.make.any(simple=kind not in ("without", "only", "prefer"))
        if kind in ("prefer", "avoid", "only", "without"):
            return Said(self._fill(template, noun), [word(kind), *noun.tokens])
        if kind in ("mostly", "minority"):
            name = "share_more_than" if kind == "mostly" else "share_less_than"
            return Said(
                self._fill(template, noun), [word(name), Token("share", Fraction(1, 2)), *noun.tokens]
            )
        if kind == "some":
            return Said(self._fill(template, noun), [word("at_least"), Token("number", 1), *noun.tokens])
        if kind.startswith("share"):
            share, text = self.make.share()
            bound = [word(kind), Token("share", share)]
            if kind == "share_exactly":
                low, high = word("share_at_least"), word("share_at_most")
                bound = [low, Token("share", share), high, Token("share", share)]
            return Said(self._fill(template, noun, p=text), [*bound, *noun.tokens])
        if kind in ("first", "first_one", "last", "last_one", "at", "within"):
            return self._placed(kind, template, noun)
        if kind.startswith(("within", "top")):
            return self._top(kind, template, noun)
        n = int(self.rng.integers(1, max(min(self.count, 9), 3)))
        noun = self._agree(noun, n)
        if kind == "between":
            m = n + int(self.rng.integers(1, 5))
            text = self._fill(template, noun, n=self.make.number(n), m=self.make.number(m))
            bound = [word("at_least"), Token("number", n), word("at_most"), Token("number", m)]
            return Said(text, [*bound, *noun.tokens])
        text = self._fill(template, noun, n=self.make.number(n))
        return Said(text, [word(kind), Token("number", n), *noun.tokens])

    def _agree(self, noun: Noun, n: int) -> Noun:
        """One item is said in the singular."""
        return noun._replace(plural=noun.singular) if n == 1 and self.rng.random() < 0.8 else noun

    def _placed(self, kind: str, template: str, noun: Noun) -> Said:
        if self.count < 2:
            raise RequestError("too short a list")
        n = int(self.rng.integers(2, min(self.count, 6) + 1))
        if kind == "within":
            a, b = sorted(int(x) for x in self.rng.integers(1, self.count + 1, 2))
            text = self._fill(template, noun, a=str(a), b=str(b))
            return Said(
                text, [word("only"), word("within"), Token("number", a), Token("number", b), *noun.tokens]
            )
        if kind == "at":
            ordinals = ("first", "second", "third", "fourth", "fifth", "sixth")
            text = self._fill(template, noun, k=self.make.number(n) if n > 2 else str(n), o=ordinals[n - 1])
            return Said(text, [word("only"), word("at"), Token("number", n), *noun.tokens])
        one = kind.endswith("_one")
        place = [word(kind.removesuffix("_one")), Token("number", 1 if one else n)]
        return Said(self._fill(template, noun, n=self.make.number(n)), [word("only"), *place, *noun.tokens])

    def _top(self, kind: str, template: str, noun: Noun) -> Said:
        b = int(self.rng.integers(2, max(min(self.count, 10), 3)))
        n = int(self.rng.integers(1, b + 1))
        bound = {"within_some": [word("at_least"), Token("number", n)], "top_without": [word("without")]}
        noun = self._agree(noun, n if kind == "within_some" else 2)
        text = self._fill(template, noun, n=self.make.number(n), b=self.make.number(b))
        start = bound.get(kind, [word("at_least"), Token("number", 1)])
        return Said(text, [*start, word("first"), Token("number", b), *noun.tokens])

    def _cap(self, kind: str, template: str) -> Said:
        columns = [column for column in self.world.schema.columns if column != self.world.main] * 3
        column = self.make.pick([*columns, self.world.main])
        name = self.world.schema.spoken(column)
        many = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
        if kind == "cap_share":
            share, text = self.make.share()
            limit = [word("share_at_most"), Token("share", share)]
            return Said(self._fill(template, c=name, p=text), [word("each"), Token("column", column), *limit])
        n = 1 if kind == "cap_one" else int(self.rng.integers(1, 5))
        text = self._fill(template, c=name, C=many, n=self.make.number(n))
        return Said(text, [word("each"), Token("column", column), word("at_most"), Token("number", n)])

    def _titles(self, kind: str, template: str) -> Said:
        displays = self.world.displays
        if not displays:
            raise RequestError("no titles")
        size = 1
        if kind == "candidates":
            size = int(self.rng.integers(2, 6))
        elif kind in ("exclude", "like"):
            size = int(self.rng.choice([1, 1, 1, 2, 3]))
        chosen = list(dict.fromkeys(self.make.pick(displays) for _ in range(size)))
        last = self.make.word("and" if kind != "candidates" or self.rng.random() < 0.6 else "or")
        quote = self.make.pick(['"', "'", "", "", "", ""])
        lower = self.rng.random() < 0.2
        texts = []
        for display in chosen:
            name = re.sub(r" \(\d{4}\)$", "", display) if self.rng.random() < 0.75 else display
            texts.append(f"{quote}{name.lower() if lower else name}{quote}")
        joined = f"{', '.join(texts[:-1])} {last} {texts[-1]}" if len(texts) > 1 else texts[0]
        titles = [Token("title", display) for display in chosen]
        start = {
            "first_title": [word("only"), word("at"), Token("number", 1)],
            "must_title": [word("at_least"), Token("number", 1)],
        }.get(kind, [word(kind)])
        return Said(self._fill(template, T=joined), [*start, *titles])

    def _unplaced(self, template: str) -> Said:
        for name, words in _NEEDS.items():
            if name in self.world.spoken.values() and any(text in template for text in words):
                raise RequestError("a column says it")
        one, other = (self.make.any(simple=True) for _ in range(2))
        numbers = {slot: self.make.number(int(self.rng.integers(2, 9))) for slot in ("n", "m", "x")}
        return Said(f"{OPEN}{self._fill(template, one, R=other.plural, **numbers)}{CLOSE}", [])

    def _fill(self, template: str, noun: Noun | None = None, **slots: str) -> str:
        known = {"noun": self.make.noun, **slots}
        if noun is not None:
            known |= {
                "S": noun.plural,
                "s": noun.singular,
                "A": noun.adjective,
                "L": noun.loose,
                "P": noun.part,
            }
        text = re.sub(r"\{(\w+)\}", lambda slot: known[slot[1]], template)
        text = re.sub(r"\ba a (?=\w)", "a ", text)
        return re.sub(r"\b(a|A) (?=[aeio]\w)", r"\1n ", text) if self.language == "en" else text
