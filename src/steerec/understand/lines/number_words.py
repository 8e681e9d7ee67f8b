"""Numbers, shares, years and decades in a text, written in digits or in the words of seven languages.

English, German, French, Spanish, Italian, Dutch and Portuguese. A word may be found as more than it is meant
("a" is 1, Italian "sei" is German for "be"): what is found here is offered to the model, which chooses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from steerec.understand.lines.line_form import Token


class Mention(NamedTuple):
    """Something that stands in a text."""

    token: Token
    start: int
    end: int
    """Characters [start, end)."""


_UNITS = {
    1: "a an one ein eine einen einem einer eines un une una uno um uma een één single",
    2: "two couple pair both zwei paar deux dos due twee dois duas",
    3: "three drei trois tres tre drie três",
    4: "four vier quatre cuatro quattro quatro",
    5: "five fünf fuenf cinq cinco cinque vijf",
    6: "six sechs seis sei zes",
    7: "seven sieben sept siete sette zeven sete",
    8: "eight acht huit ocho otto oito",
    9: "nine neun neuf nueve nove negen",
    10: "ten zehn dix diez dieci tien dez",
    11: "eleven elf onze once undici",
    12: "twelve dozen zwölf zwoelf dutzend douze douzaine doce docena dodici dozzina twaalf dozijn doze"
    " dúzia",
    13: "thirteen dreizehn treize trece tredici dertien treze",
    14: "fourteen vierzehn quatorze catorce quattordici veertien catorze",
    15: "fifteen fünfzehn quinze quince quindici vijftien",
    16: "sixteen sechzehn seize dieciséis sedici zestien dezesseis",
    17: "seventeen siebzehn dix-sept diecisiete diciassette zeventien dezessete",
    18: "eighteen achtzehn dix-huit dieciocho diciotto achttien dezoito",
    19: "nineteen neunzehn dix-neuf diecinueve diciannove negentien dezenove",
    20: "twenty zwanzig vingt veinte venti twintig vinte",
    30: "thirty dreißig dreissig trente treinta trenta dertig trinta",
    40: "forty fourty vierzig quarante cuarenta quaranta veertig quarenta",
    50: "fifty fünfzig cinquante cincuenta cinquanta vijftig cinquenta",
    60: "sixty sechzig soixante sesenta sessanta zestig sessenta",
    70: "seventy siebzig soixante-dix setenta settanta zeventig",
    80: "eighty achtzig quatre-vingts ochenta ottanta tachtig oitenta",
    90: "ninety neunzig quatre-vingt-dix noventa novanta negentig",
    100: "hundred hundert cent cien cento honderd cem",
}
WORD_NUMBERS = {word: number for number, words in _UNITS.items() for word in words.split()}
_ORDINALS = {
    1: "first erste ersten erster première premier premiers primero primera primer primeros prima primo primi"
    " eerste primeira primeiro primeiros top",
    2: "second zweite zweiten deuxième segundo segunda secondo seconda tweede",
    3: "third dritte dritten troisième tercero tercera terzo terza derde terceiro",
    4: "fourth vierte vierten quatrième cuarto quarto vierde",
    5: "fifth fünfte fünften cinquième quinto vijfde",
    6: "sixth",
    7: "seventh",
    8: "eighth",
    9: "ninth",
    10: "tenth zehnte dixième décimo",
    12: "twelfth",
}
_ORDINAL_WORDS = {word: number for number, words in _ORDINALS.items() for word in words.split()}
_SHARES = {
    Fraction(1, 2): "half halves halb halbe hälfte haelfte moitié moitie mitad metà meta helft metade",
    Fraction(1, 3): "third drittel tiers tercio terzo derde terço",
    Fraction(1, 4): "quarter fourth viertel quart cuarto quarto kwart",
    Fraction(1, 5): "fifth fünftel cinquième quinto vijfde",
    Fraction(1, 6): "sixth",
    Fraction(1, 8): "eighth achtel",
    Fraction(1, 10): "tenth zehntel dixième décimo tiende",
}
_SHARE_WORDS = {word: share for share, words in _SHARES.items() for word in words.split()}
_PLURAL_SHARES = {
    "thirds": 3,
    "quarters": 4,
    "fourths": 4,
    "fifths": 5,
    "sixths": 6,
    "eighths": 8,
    "tenths": 10,
    "drittel": 3,
    "viertel": 4,
    "fünftel": 5,
    "zehntel": 10,
    "tiers": 3,
    "quarts": 4,
    "tercios": 3,
    "cuartos": 4,
    "terzi": 3,
    "quarti": 4,
    "terços": 3,
    "quartos": 4,
    "derde": 3,
    "kwart": 4,
}
_DECADES = {
    1920: "twenties zwanziger vingt veinte venti",
    1930: "thirties dreißiger trente treinta trenta",
    1940: "forties vierziger quarante cuarenta quaranta",
    1950: "fifties fünfziger cinquante cincuenta cinquanta vijftig",
    1960: "sixties sechziger soixante sesenta sessanta zestig",
    1970: "seventies siebziger soixante-dix setenta settanta zeventig",
    1980: "eighties achtziger quatre-vingt quatre-vingts ochenta ottanta tachtig oitenta",
    1990: "nineties neunziger quatre-vingt-dix noventa novanta negentig",
    2000: "noughties aughts zweitausender",
}
_DECADE_WORDS = {word: start for start, words in _DECADES.items() for word in words.split()}

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_NUMBER = re.compile(r"(?<![\w.])-?(\d{1,3}(?:[,' ]\d{3})+|\d+(?:[.,]\d+)?)(?:st|nd|rd|th|e|º|ª|°)?(?![\w%])")
_PERCENT = re.compile(
    r"(?<![\w.])(\d+(?:[.,]\d+)?)\s*(?:%|(?:percent|per cent|prozent|pour cent|por ciento|por cento|per cento"
    r"|procent)\b)"
)
_WORD_PERCENT = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)?) (?:percent|per cent|prozent|pour cent|procent)\b")
_RATIO = re.compile(r"(?<![\w/.])(\d+)\s?/\s?(\d+)(?![\w/])")
_OUT_OF = re.compile(
    r"\b(\w+) (?:in|out of|of|von|sur|de cada|su|op|van de) (?:every |each |the |den |los )?(\w+)\b"
)
_DECADE = re.compile(r"(?<![\w.])['’]?((?:1[89]|20)?\d0)(?:['’]?s|er(?:n|-jahre)?)(?!\w)")
_YEARS = re.compile(
    r"\b(?:ann[ée]es|años|anni|anos|jaren|jahre[n]?|década de los|decade of the) "
    r"['’]?((?:1[89]|20)?\d0)(?!\w)"
)
_SPAN = re.compile(r"(?<![\w.])(\d{4})\s?(?:-|–|—|to|bis|à)\s?(\d{4}|\d{2})(?!\w)")
_SHORT_YEAR = re.compile(r"(?<!\w)['’](\d\d)(?!\w)")
_DATE = re.compile(r"(?<!\w)(\d{4}-\d\d-\d\d)(?!\w)")


def find_numbers(text: str) -> list[Mention]:
    """Return everything in a lower-case text that may be a number, a share or a span of years."""
    found = [*_digits(text), *_words(text), *_shares(text), *_spans(text)]
    return list(dict.fromkeys(found))


def _mention(kind: Any, value: Any, found: re.Match[str]) -> Mention:
    return Mention(Token(kind, value), found.start(), found.end())


def _decimal(text: str) -> int | float:
    if re.fullmatch(r"\d{1,3}(?:[,' ]\d{3})+", text):
        return int(re.sub(r"\D", "", text))
    return float(text.replace(",", ".")) if re.search(r"[.,]", text) else int(text)


def _digits(text: str) -> Iterator[Mention]:
    for found in _DATE.finditer(text):
        yield _mention("number", found[1], found)
    for found in _NUMBER.finditer(text):
        if len(found[1]) <= 12:
            yield _mention("number", _decimal(found[1]), found)
    for found in re.finditer(r"(?<![\w.])(\d+(?:\.\d+)?)k\b", text):
        yield _mention("number", int(float(found[1]) * 1000), found)
    for found in re.finditer(r"(?<![\w.])(\d{1,9})(?=[a-z€$£-])(?!\d*(?:s|er|k)\b)", text):  # "50-minute"
        yield _mention("number", int(found[1]), found)
    for found in _SHORT_YEAR.finditer(text):
        yield _mention("number", 1900 + int(found[1]) if int(found[1]) > 25 else 2000 + int(found[1]), found)


def _words(text: str) -> Iterator[Mention]:
    words = list(_WORD.finditer(text))
    for place, found in enumerate(words):
        number = read_word(found[0])
        if number is not None:
            yield _mention("number", number, found)
            yield from _composed(text, words, place, number)
        if (ordinal := _ORDINAL_WORDS.get(found[0])) is not None:
            yield _mention("number", ordinal, found)
        if (
            found[0] == "dozen"
            and place
            and words[place - 1][0] == "a"
            and text[: found.start()].endswith("half a ")
        ):
            start = words[place - 2].start() if place > 1 else found.start()
            yield Mention(Token("number", 6), start, found.end())
        if found[0] in ("halbes", "demi-douzaine", "halfdozen"):
            yield _mention("number", 6, found)
    for found in re.finditer(
        r"\bhalf[ -]dozen\b|\bmedia docena\b|\bhalbes dutzend\b|\bmezza dozzina\b", text
    ):
        yield _mention("number", 6, found)


def _composed(text: str, words: list[re.Match[str]], place: int, number: int) -> Iterator[Mention]:
    """Yield "two dozen", "twenty five", "nineteen ninety four", "one hundred"."""
    rest = []
    for before, other in zip(words[place:], words[place + 1 : place + 3], strict=False):
        value = read_word(other[0])
        if value is None or text[before.end() : other.start()].strip(" -"):
            break
        rest.append((value, other.end(), other[0]))
    if not rest:
        return
    (second, end, name), start = rest[0], words[place].start()
    if second in (12, 100) and name not in ("zwölf", "twelve") and number < 10:
        yield Mention(Token("number", number * second), start, end)
    elif number in range(20, 100, 10) and 0 < second < 10:
        yield Mention(Token("number", number + second), start, end)
    elif number in (18, 19, 20) and 10 <= second < 100:
        third = rest[1][0] if len(rest) > 1 and second % 10 == 0 and 0 < rest[1][0] < 10 else 0
        yield Mention(Token("number", 100 * number + second + third), start, rest[1][1] if third else end)


def read_word(word: str) -> int | None:
    """Return the number that a lower-case word spells, "twenty-five" too; None where it spells none."""
    if word in WORD_NUMBERS:
        return WORD_NUMBERS[word]
    tens, _, unit = word.partition("-")
    if unit and WORD_NUMBERS.get(tens, 0) in range(20, 100, 10) and 0 < WORD_NUMBERS.get(unit, 0) < 10:
        return WORD_NUMBERS[tens] + WORD_NUMBERS[unit]
    return None


def _shares(text: str) -> Iterator[Mention]:
    for found in _PERCENT.finditer(text):
        share = Fraction(found[1].replace(",", ".")) / 100
        if share <= 1:
            yield _mention("share", share, found)
    for found in _WORD_PERCENT.finditer(text):
        number = read_word(found[1])
        if number is not None and number <= 100:
            yield _mention("share", Fraction(number, 100), found)
    for found in _RATIO.finditer(text):
        if 0 < int(found[2]) < 10_000 and int(found[1]) <= int(found[2]):
            yield _mention("share", Fraction(int(found[1]), int(found[2])), found)
    for found in _OUT_OF.finditer(text):
        above, below = (int(part) if part.isdecimal() else read_word(part) for part in found.groups())
        if above is not None and below and above <= below < 10_000:
            yield _mention("share", Fraction(above, below), found)
    yield from _parts(text)


def _parts(text: str) -> Iterator[Mention]:
    """Yield "half", "a third", "two thirds", "three quarters"."""
    words = list(_WORD.finditer(text))
    for place, found in enumerate(words):
        before = read_word(words[place - 1][0]) if place else None
        if (share := _SHARE_WORDS.get(found[0])) is not None:
            yield _mention("share", share, found)
        below = _PLURAL_SHARES.get(found[0])
        if below and before and before < below:
            yield Mention(Token("share", Fraction(before, below)), words[place - 1].start(), found.end())
        for name, number in _PLURAL_SHARES.items():  # "two-thirds"
            above = read_word(found[0].removesuffix(f"-{name}")) if found[0].endswith(f"-{name}") else None
            if above and above < number:
                yield _mention("share", Fraction(above, number), found)


def _spans(text: str) -> Iterator[Mention]:
    for pattern in (_DECADE, _YEARS):
        for found in pattern.finditer(text):
            start = int(found[1])
            start = start if start > 1000 else (2000 if start < 20 else 1900) + start
            yield _mention("span", (start, start + 9), found)
    for found in _SPAN.finditer(text):
        low, high = int(found[1]), int(found[2])
        high = high if high > 99 else low // 100 * 100 + high
        if low <= high:
            yield _mention("span", (low, high), found)
    for found in _WORD.finditer(text):
        start = _DECADE_WORDS.get(found[0].removesuffix("jahre").rstrip("-"), 0) or _DECADE_WORDS.get(
            found[0].removesuffix("n"), 0
        )
        if start:
            yield _mention("span", (start, start + 9), found)
