"""How titles are read and shown: the year at the end, the article after the comma, folding for look-up."""

from __future__ import annotations

import re
import unicodedata

_ARTICLES = (
    "The An A La Le Les L' Il Lo Gli I El Los Las Un Une Una Der Die Das Den Det De Het Een Ein Eine O Os As"
)
_MOVED = re.compile(rf"^(?P<name>.+), (?P<article>{'|'.join(_ARTICLES.split())})$")
_BRACKETS = re.compile(r" \(([^()]*)\)")
_YEAR_AT_END = re.compile(r"^(?P<name>.*\S)\s*\((?P<year>\d{4})\)\s*$")


def fold(text: str) -> str:
    """Return the form in which strings are compared: NFKC, then casefold, then trimmed."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def split_year(title: str) -> tuple[str, int | None]:
    """Split "Toy Story (1995)" into its name and year; the year is None when the title does not end in one.

    Example:
        >>> split_year("Toy Story (1995)")
        ('Toy Story', 1995)
        >>> split_year("Blade Runner 2049")
        ('Blade Runner 2049', None)
    """
    match = _YEAR_AT_END.match(title)
    return (match["name"], int(match["year"])) if match else (title, None)


def display_title(title: str, year: int | None = None) -> str:
    """Return the title as people say it: articles in front, the year behind.

    Args:
        title: the raw title, such as "Usual Suspects, The".
        year: appended in brackets unless the title already ends in a year.

    Example:
        >>> display_title("Usual Suspects, The", 1995)
        'The Usual Suspects (1995)'
        >>> display_title("Haine, La (Hate) (1995)", 1995)
        'La Haine (Hate) (1995)'
    """
    start = _BRACKETS.search(title)
    main, rest = (title[: start.start()], title[start.start() :]) if start else (title, "")
    shown = _article_first(main) + _BRACKETS.sub(lambda match: f" ({_article_first(match[1])})", rest)
    has_year = split_year(title)[1] is not None
    return f"{shown} ({year})" if year is not None and not has_year else shown


def _article_first(name: str) -> str:
    match = _MOVED.match(name)
    if match is None:
        return name
    article = match["article"]
    return f"{article}{'' if article.endswith(chr(39)) else ' '}{match['name']}"
