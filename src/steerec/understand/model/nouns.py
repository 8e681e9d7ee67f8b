"""Noun phrases for training sentences: sets of items in the ways people name them, with their lines.

"comedies from the nineties", "something funny", "horror or war films", "Batman movies".
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from steerec.understand.lines.line_form import Token, word
from steerec.understand.model.phrasebook import load
from steerec.understand.model.worlds import World, called

_DECADES = {
    1920: ("twenties",), 1930: ("thirties",), 1940: ("forties",), 1950: ("fifties",), 1960: ("sixties",),
    1970: ("seventies",), 1980: ("eighties",), 1990: ("nineties",), 2000: ("2000s", "noughties"),
}  # fmt: skip
_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_TENS = {30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 100: "a hundred"}
_GENERIC = ("ones", "stuff", "things", "titles", "picks")


class Noun(NamedTuple):
    """A set of items in words; each form fits other templates."""

    plural: str
    singular: str
    adjective: str
    loose: str
    part: str
    """What can follow "nothing": "from the nineties"; empty where nothing can."""
    tokens: list[Token]


class NounMaker:
    """Names sets of one world in one language."""

    def __init__(self, world: World, rng: np.random.Generator, language: str = "en") -> None:
        """Prepare."""
        self.world, self.rng, self.language = world, rng, language
        self._book = load(language)
        self.noun = self._noun_word()

    def _noun_word(self) -> str:
        noun = self.world.schema.noun
        if self.language != "en":
            return str(self._book["noun"].get(noun, noun))
        if noun in ("films", "movies", "items") and self.world.spoken.get("year") and self.rng.random() < 0.5:
            return str(self.rng.choice(["films", "movies", "films", "movies", "flicks", noun]))
        return str(
            noun if self.rng.random() < 0.85 else self.rng.choice(["items", "things", "ones", "options"])
        )

    def pick(self, options: Sequence[Any]) -> Any:
        """Return one of the options."""
        return options[int(self.rng.integers(len(options)))]

    def word(self, name: str) -> str:
        """Return "and" or "or" in this language."""
        return str(self._book[name])

    # -- sets

    def any(self, *, simple: bool = False) -> Noun:
        """Return a random set; `simple`: one value or one range."""
        dice = self.rng.random()
        kinds = self.world.schema.kinds
        ranges = [name for name in self.world.spoken if kinds[name] in ("number", "date")]
        others = [name for name in self.world.spoken if kinds[name] in ("category", "categories")]
        others = [name for name in others if name != self.world.main]
        if dice < 0.56 or (simple and dice < 0.75):
            return self.value()
        if dice < 0.68 and ranges:
            return self.range(self.pick(ranges))
        if dice < 0.74 and others:
            return self.other(self.pick(others))
        if dice < 0.78 and (series := self.series()) is not None:
            return series
        if simple:
            return self.value()
        if dice < 0.90 and (ranges or others):
            column = self.pick([*ranges, *ranges, *others])
            extra = self.range(column) if column in ranges else self.other(column)
            return self.joined(self.value() if self.rng.random() < 0.8 else self.choice(), extra)
        return self.choice() if dice < 0.94 else self.both() if dice < 0.985 else self.but()

    def value(self, column: str | None = None) -> Noun:
        """Return one value of the main column."""
        column = column or self.world.main
        values = [value for name, value in self.world.schema.values if name == column]
        return self.named(column, self.pick(values))

    def named(self, column: str, value: str) -> Noun:
        """Return a value in words."""
        entry = called(value)
        name = value.lower() if self.rng.random() < 0.7 else value
        tokens = [Token("value", (column, value))]
        if self.language != "en":
            own = entry.get(self.language, {})
            plural = self.pick(own["S"]) if "S" in own else name
            return Noun(plural, self.pick(own["s"]) if "s" in own else name, plural, plural, "", tokens)
        one = self.world.schema.singular if self.rng.random() < 0.7 else self.noun.removesuffix("s")
        plurals = [
            f"{name} {self.noun}",
            f"{name} {self.noun}",
            name,
            f"{name} stuff",
            f"{self.noun} tagged {name}",
        ]
        plural, singular, adjective = self.pick(plurals), f"{name} {one}", name
        loose = self.pick(
            [f"something {name}", f"anything {name}", plural, f"some {name}", f"a {name} {one}"]
        )
        if entry:
            dice = self.rng.random()
            if dice < 0.62:
                plural = self.pick(entry["S"])
            elif dice < 0.72:
                plural = f"{self.pick(entry['A'])} {self.noun}"
            singular = self.pick(entry["s"]) if self.rng.random() < 0.7 else singular
            adjective = self.pick(entry["A"]) if self.rng.random() < 0.8 else adjective
            if self.rng.random() < 0.85:
                loose = self.pick(entry["L"])
            elif self.rng.random() < 0.6:
                loose = f"{self.pick(['something', 'anything', 'something really'])} {adjective}"
        return Noun(plural, singular, adjective, loose, "", tokens)

    def choice(self, size: int = 0) -> Noun:
        """Return several values, any of which will do."""
        size = size or int(self.rng.choice([2, 2, 2, 3]))
        parts = self._different(size)
        last = self._book["or" if self.rng.random() < 0.6 else "and"]
        texts = [part.plural for part in parts]
        if self.language == "en" and self.rng.random() < 0.35:
            texts = [part.tokens[0].value[1].lower() for part in parts]
            texts[-1] += f" {self.noun}"
        plural = f"{', '.join(texts[:-1])} {last} {texts[-1]}"
        if self.language == "en" and self.rng.random() < 0.1:
            plural = f"either {plural}" if last == "or" else plural
        tokens = [piece for part in parts for piece in (word("or"), *part.tokens)][1:]
        singular = f" {self._book['or']} ".join(part.singular for part in parts)
        loose = (
            f" {self._book['or']} ".join(part.loose for part in parts) if self.rng.random() < 0.5 else plural
        )
        return Noun(plural, singular, " or ".join(part.adjective for part in parts), loose, "", tokens)

    def _different(self, size: int) -> list[Noun]:
        parts: list[Noun] = []
        for _ in range(20):
            part = self.value()
            if all(part.tokens != other.tokens for other in parts):
                parts.append(part)
            if len(parts) == size:
                break
        return parts

    def both(self) -> Noun:
        """Return items that carry two values of the main column."""
        if self.world.schema.kinds[self.world.main] != "categories" or self.language != "en":
            return self.value()
        first, second = (self._different(2) * 2)[:2]
        one, two = (part.tokens[0].value[1].lower() for part in (first, second))
        plural = self.pick([
            f"{first.adjective} {second.plural}", f"{one} {second.plural}", f"{one} {two} {self.noun}",
            f"{one}-{two} {self.noun}", f"{self.noun} that are both {one} and {two}",
            f"{self.noun} that are {one} and {two} at the same time", f"a mix of {one} and {two} in one",
            f"{second.plural} that are also {first.plural}", f"{one}/{two} hybrids",
            f"{self.noun} tagged both {one} and {two}", f"{second.plural} which are also {first.adjective}",
        ])  # fmt: skip
        singular = self.pick(
            [f"{first.adjective} {second.singular}", f"{one} {two}", f"{one} {second.singular}"]
        )
        loose = self.pick([plural, f"something {first.adjective} and {second.adjective}", f"a {singular}"])
        return Noun(plural, singular, plural, loose, "", [*first.tokens, word("and"), *second.tokens])

    def but(self) -> Noun:
        """Return items of one value that lack another."""
        first, second = (self._different(2) * 2)[:2]
        if self.language != "en" or first.tokens == second.tokens:
            return self.value()
        joint = self.pick(["that aren't", "that are not", "other than", "which are not", "but not"])
        plural = f"{first.plural} {joint} {second.plural}"
        tokens = [*first.tokens, word("and"), word("not"), *second.tokens]
        return Noun(plural, f"{first.singular} that isn't a {second.singular}", plural, plural, "", tokens)

    def joined(self, first: Noun, second: Noun) -> Noun:
        """Return items of a value that lie in a range, or carry a value of another column."""
        tokens = [*first.tokens, word("and"), *second.tokens]
        if not second.part:  # it stands before the noun: "90s comedies"
            before = second.adjective
            plural = f"{before} {first.plural}"
            singular, adjective = f"{before} {first.singular}", f"{before} {first.adjective}"
            return Noun(plural, singular, adjective, plural, "", tokens)
        after = second.part
        return Noun(f"{first.plural} {after}", f"{first.singular} {after}", f"{first.adjective} {after}",
                    f"{first.loose} {after}", "", tokens)  # fmt: skip

    def other(self, column: str) -> Noun:
        """Return items with a value of another column than the main one: a brand, a city."""
        values = [value for name, value in self.world.schema.values if name == column]
        value = self.pick(values)
        speech = load("columns")[self.world.spoken[column]]
        name = value if self.rng.random() < 0.6 else value.lower()
        tokens = [Token("value", (column, value))]
        second = self.pick(values)
        if self.rng.random() < 0.15 and second != value:  # "in Rome or Paris"
            name += f" {self.word('or')} {second}"
            tokens += [word("or"), Token("value", (column, second))]
        if self.language != "en" or self.rng.random() < 0.3:
            text = f"{name} {self.noun}"
            one = f"{name} {self.noun.removesuffix('s')}"
            return Noun(text, one, name, text, "", tokens)
        part = self.pick(speech["value"]).format(v=name, c=self.world.schema.spoken(column))
        return self._after(part, tokens)

    def _after(self, part: str, tokens: list[Token]) -> Noun:
        base = self.noun if self.rng.random() < 0.75 else self.pick(_GENERIC)
        plural = part if self.rng.random() < 0.15 else f"{base} {part}"
        one = "one" if self.rng.random() < 0.3 else self.noun.removesuffix("s")
        loose = f"{self.pick(['something', 'anything', 'stuff'])} {part}"
        return Noun(plural, f"{one} {part}", part, loose, part, tokens)

    def series(self) -> Noun | None:
        """Return the items whose titles share a piece, where there is such a piece."""
        if self.language != "en" or not self.world.displays:
            return None
        hits = []
        for _ in range(4):
            hits = self.world.schema.titles.series(self.pick(self.world.displays))
            if hits:
                break
        if not hits:
            return None
        piece = hits[0].text
        name = piece.title() if self.rng.random() < 0.7 else piece
        plural = self.pick([
            f"{name} {self.noun}", f"{name} {self.noun}", f"{name}s", f"{self.noun} of the {name} series",
            f"{name} sequels", f"{self.noun} from the {name} franchise",
        ])  # fmt: skip
        plural = name if plural.startswith(f"{name}s") and len(plural) == len(name) + 1 else plural
        return Noun(plural, f"{name} {self.noun.removesuffix('s')}", name, f"something with {name}", "",
                    [Token("series", piece)])  # fmt: skip

    # -- ranges

    def range(self, column: str) -> Noun:
        """Return the items in a range of a column."""
        book = load("columns")
        speech = book[self.world.spoken[column]]
        speech = book[speech["like"]] if "like" in speech else speech
        if self.language != "en":
            dated = self.world.spoken[column] in ("year", "date")
            return self._foreign_range(column) if dated else self.value()
        if self.rng.random() < 0.1:
            speech = book["number"]
        signs = [sign for sign in speech if sign != "step"]
        if "span" in speech:
            signs += ["span", "span", "span", "pre_span", "pre_span"]
        signs += [sign for sign in (">", "<", ">=", "<=", "in", "=") if sign in speech] * 2
        sign = self.pick(signs)
        template = self.pick(speech[sign])
        low, high = self._points(column, speech["step"] if speech is not book["number"] else None)
        plain = sign.removeprefix("pre_")
        if "span" in plain:
            decade, text = self._decade(column)
            part = template.format(d=text)
            point = Token("span", (decade, decade + 9))
            tokens = [Token("column", column), word("<" if plain == "<span" else "in"), point]
            if sign == "span" and self.rng.random() < 0.15 and decade < 2000:
                later, other = self._decade(column, decade + 10)
                part += f" {self.pick(['or', 'and', 'or the', 'and the'])} {other}"
                tokens += [word("or"), Token("column", column), word("in"), Token("span", (later, later + 9))]
                text = f"{self.noun} {part}"
                return Noun(text, text, part, text, "", tokens)
        else:
            a, b = self._spoken(low), self._spoken(high)
            part = template.format(a=a, b=b, c=self.world.schema.spoken(column))
            tokens = [Token("column", column), word(plain), Token("number", low)]
            tokens += [Token("number", high)] if plain == "in" else []
        if sign.startswith("pre_"):
            text = f"{part} {self.noun}"
            return Noun(text, f"{part} {self.noun.removesuffix('s')}", part, text, "", tokens)
        return self._after(part, tokens)

    def _points(self, column: str, step: float | None) -> tuple[int | float, int | float]:
        least, greatest = self.world.schema.ranges[column]
        if step is None:
            step = 1 if greatest - least > 5 else 0.5
        places = np.arange(least, greatest + step / 2, step)
        if step == 0.5 and self.rng.random() < 0.6:
            places = np.arange(np.ceil(least), greatest + 0.5)
        if step == 1 and greatest > 1900 and self.rng.random() < 0.4:
            places = places[places % 5 == 0]
        chosen = sorted(float(p) for p in self.rng.choice(places, 2, replace=len(places) < 2))
        if chosen[0] == chosen[1]:
            chosen[1] += step
        low, high = (int(p) if p == int(p) else p for p in chosen)
        return low, high

    def _spoken(self, point: int | float) -> str:
        small = isinstance(point, int) and 1 <= point <= 12
        return _WORDS[int(point)] if small and self.rng.random() < 0.3 else str(point)

    def _decade(self, column: str, decade: int = 0) -> tuple[int, str]:
        least, greatest = self.world.schema.ranges[column]
        options = [d for d in range(1920, 2021, 10) if least <= d + 9 and d <= greatest] or [1990]
        decade = decade or int(self.pick(options))
        short = f"{decade % 100:02d}s"
        forms = [f"{decade}s", f"{decade}s", *_DECADES.get(decade, ())]
        if 1920 <= decade < 2000:
            forms += [short, short, f"'{short}", *_DECADES[decade]]
        return decade, str(self.pick(forms))

    def _foreign_range(self, column: str) -> Noun:
        low, high = self._points(column, 1)
        decade = int(self.pick([1950, 1960, 1970, 1980, 1990]))
        sign, key = self.pick([("in", "decade"), ("in", "decade"), (">=", "since"), ("<", "before"),
                               (">", "after"), ("in", "between")])  # fmt: skip
        part = self.pick(self._book[key]).format(d=decade % 100, a=low, b=high)
        if key == "decade":
            tokens = [Token("column", column), word("in"), Token("span", (decade, decade + 9))]
        else:
            tokens = [Token("column", column), word(sign), Token("number", low)]
            tokens += [Token("number", high)] if sign == "in" else []
        return Noun(f"{self.noun} {part}", f"{self.noun} {part}", part, part, part, tokens)

    # -- numbers

    def number(self, n: int) -> str:
        """Return a number as people write it."""
        if self.language != "en":
            words = self._book["words"]
            return str(words[str(n)]) if str(n) in words and self.rng.random() < 0.6 else str(n)
        if n == 1:
            return str(self.pick(["1", "one", "a single", "one"]))
        special = {2: "a couple of", 12: "a dozen", 6: "half a dozen", 24: "two dozen"}
        if n in special and self.rng.random() < 0.2:
            return special[n]
        if self.rng.random() < 0.5:
            return str(n)
        if 20 < n < 100 and n % 10 and n // 10 * 10 in {20: "", **_TENS}:
            return f"{'twenty' if n < 30 else _TENS[n // 10 * 10]}{self.pick([' ', '-'])}{_WORDS[n % 10]}"
        return _WORDS[n] if n <= 20 else _TENS.get(n, str(n))

    def share(self) -> tuple[Fraction, str]:
        """Return a share and how it is said."""
        if self.language != "en":
            shares = self._book["shares"]
            if self.rng.random() < 0.6:
                key = self.pick([key for key in shares if key != "percent"])
                return Fraction(key), str(self.pick(shares[key]))
            percent = int(self.pick([10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90]))
            text = shares["percent"].format(x=percent) if self.rng.random() < 0.4 else f"{percent}%"
            return Fraction(percent, 100), text
        return _english_share(self)


def _english_share(maker: NounMaker) -> tuple[Fraction, str]:
    dice = maker.rng.random()
    if dice < 0.5:
        share, *forms = maker.pick([
            (Fraction(1, 2), "half", "half", "one half", "a half"), (Fraction(1, 2), "half", "half"),
            (Fraction(1, 3), "a third", "one third"), (Fraction(2, 3), "two thirds", "two-thirds"),
            (Fraction(1, 4), "a quarter", "one quarter", "one fourth"),
            (Fraction(3, 4), "three quarters", "three-quarters", "three fourths"),
            (Fraction(1, 5), "a fifth", "one fifth"), (Fraction(2, 5), "two fifths"),
            (Fraction(1, 10), "a tenth"),
        ])  # fmt: skip
        return share, str(maker.pick(forms))
    if dice < 0.8:
        percent = int(maker.pick([5, 10, 15, 20, 25, 30, 33, 35, 40, 45, 50, 60, 65, 70, 75, 80, 85, 90, 95]))
        words = {
            20: "twenty",
            30: "thirty",
            40: "forty",
            50: "fifty",
            60: "sixty",
            70: "seventy",
            80: "eighty",
        }
        forms = [f"{percent}%", f"{percent}%", f"{percent} %", f"{percent} percent", f"{percent} per cent"]
        forms += [f"{words[percent]} percent"] if percent in words else []
        return Fraction(percent, 100), str(maker.pick(forms))
    below = int(maker.pick([2, 3, 4, 5, 10]))
    above = int(maker.rng.integers(1, below))
    pair = (_WORDS[above], _WORDS[below]) if maker.rng.random() < 0.5 else (str(above), str(below))
    form = maker.pick(["{0} in {1}", "{0} out of {1}", "{0} out of every {1}"])
    text = form.format(*pair) if maker.rng.random() < 0.75 else f"{above}/{below}"
    return Fraction(above, below), text
