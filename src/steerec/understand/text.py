"""Plain text work: one spelling of quotes, contractions undone, plurals undone, numbers and shares read."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from steerec.understand.patterns.marks import MARK, Marks

_QUOTES = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "`": "'", "–": "-", "—": "-"}
)

_UNITS = (
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
)
NUMBER_WORDS = {word: number for number, word in enumerate(_UNITS)} | {
    word: 10 * (place + 2) for place, word in enumerate(_TENS)
}
ORDINAL_WORDS = {word: place + 1 for place, word in enumerate(_ORDINALS)}
_PARTS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7}
_PARTS |= {"eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12}

_WORD_NUMBER = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
_PART_WORD = "|".join(_PARTS)
_COUNT = rf"(?:\d+|{_WORD_NUMBER})"


def normalise(text: str) -> str:
    """Return the text in NFKC with straight quotes and single spaces, free of characters that marks use."""
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    text = re.sub(r"\w{100,}", " ", text)  # no word; patterns would crawl over it
    return re.sub(r"\s+", " ", re.sub(MARK, " ", text)).strip()


def lower(text: str) -> str:
    """Lower-case letter by letter, so that places in the text stay where they are."""
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def expand(text: str) -> str:
    """Undo contractions of "not": "won't" is "will not"."""
    text = re.sub(r"\bcan(?:'t|not)\b", "can not", text)
    text = re.sub(r"\bwon't\b", "will not", text)
    text = re.sub(r"\bshan't\b", "shall not", text)
    return re.sub(r"(\w)n't\b", r"\1 not", text)


def stem(word: str) -> str:
    """Return the singular of a regular English noun, in lower case; other words keep their letters.

    Example:
        >>> [stem(word) for word in ("Comedies", "Thrillers", "matches", "Bus", "Children's")]
        ['comedy', 'thriller', 'match', 'bus', 'children']
    """
    word = lower(word).replace("'", "")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and re.search(r"(ss|sh|ch|x|z)es$", word):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def read_number(word: str) -> int | None:
    """Return the whole number of digits or English words ("twenty-five", "a dozen"), or None."""
    word = lower(word).replace(",", "")
    if word.isdecimal():
        return int(word)
    if word in NUMBER_WORDS:
        return NUMBER_WORDS[word]
    tens, _, unit = word.replace(" ", "-").partition("-")
    if tens in _TENS and unit in NUMBER_WORDS and 0 < NUMBER_WORDS[unit] < 10:
        return NUMBER_WORDS[tens] + NUMBER_WORDS[unit]
    return None


def mark_shares(text: str, marks: Marks) -> str:
    """Replace shares: "30%", "30 percent", "1/3", "half", "two thirds", "one in four"."""

    def put(share: Fraction, written: str) -> str:
        return f" {marks.put('share', share)} " if 0 <= share <= 1 else written

    def percent(found: re.Match[str]) -> str:
        number = found[1] if found[1][0].isdigit() else str(read_number(found[1]))
        return put(Fraction(number) / 100, found[0])

    def part(found: re.Match[str]) -> str:
        above = read_number(found[1]) if found[1] and found[1] not in ("a", "the") else 1
        return put(Fraction(above or 1, _PARTS[found[2].removesuffix("s")]), found[0])

    def ratio(found: re.Match[str]) -> str:
        above, below = read_number(found[1]), read_number(found[2])
        return put(Fraction(above, below), found[0]) if above is not None and below else found[0]

    tens = "|".join((*_TENS, *_UNITS))
    text = re.sub(rf"\b(\d+(?:\.\d+)?|{tens})\s*(?:%|percent\b|per cent\b)", percent, text)
    text = re.sub(r"(?<![\w/])(\d+)\s?/\s?(\d+)(?![\w/])", ratio, text)
    text = re.sub(rf"\b({_COUNT}) (?:in|out of) (?:every )?({_COUNT})\b(?! \w*(?:most|least))", ratio, text)
    text = re.sub(r"\bhalf (?=an? dozen|dozen)", "half-", text)
    text = re.sub(r"\b(?:one |a )?half\b(?!-)", lambda found: put(Fraction(1, 2), found[0]), text)
    return re.sub(rf"\b(an?|one|two|three|four|five|\d)[ -]((?:{_PART_WORD})s?)\b", part, text)


def mark_numbers(text: str, marks: Marks) -> str:
    """Replace whole numbers and ordinals: "5", "five", "a dozen", "a couple of", "3rd", "second"."""

    def put(number: int | None, written: str) -> str:
        return written if number is None else f" {marks.put('number', number)} "

    text = re.sub(r"\bhalf-(?:an? )?dozen\b", lambda found: put(6, found[0]), text)
    dozens = rf"\b(?:(an?|{_COUNT}) )?dozen\b"
    text = re.sub(dozens, lambda found: put(12 * (read_number(found[1] or "") or 1), found[0]), text)
    text = re.sub(r"\ba (?:couple|pair)(?: of)?\b", lambda found: put(2, found[0]), text)
    text = re.sub(r"\b(\d+)(?:st|nd|rd|th)\b", lambda found: f" {marks.put('ordinal', int(found[1]))} ", text)
    tens = rf"\b(?:{'|'.join(_TENS)})[- ](?:{'|'.join(_UNITS[1:10])})\b"
    text = re.sub(tens, lambda found: put(read_number(found[0]), found[0]), text)
    text = re.sub(
        r"(?<![\w.])\d{1,3}(?:,\d{3})+(?!\w)|(?<![\w.])\d+(?![\w]|\.\d)",
        lambda found: put(read_number(found[0]), found[0]),
        text,
    )
    words = "|".join(word for word in NUMBER_WORDS if word not in ("one", "zero"))
    text = re.sub(rf"\b(?:{words})\b", lambda found: put(read_number(found[0]), found[0]), text)
    later = "|".join(word for word in ORDINAL_WORDS if word not in ("first", "second"))
    text = re.sub(
        rf"(?<=\bthe )(?:{later}|second)\b",
        lambda found: f" {marks.put('ordinal', ORDINAL_WORDS[found[0]])} ",
        text,
    )
    return re.sub(r" +", " ", text)
