"""What a text is understood as, and what everything that reads texts has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from steerec.control.request import Request
from steerec.errors import RequestError

_LONGEST = 20_000


class Reading(NamedTuple):
    """What a text was understood as."""

    request: Request
    unplaced: list[str]
    """Words that could not be placed, in the order of the text."""
    says_count: bool
    """Whether the text says how many items."""
    quotes: tuple[str | None, ...] = ()
    """For each control the words of the text that it came from, letter by letter; None where it came from no
    words that could be told apart. Empty: there is no control, or nobody looked."""

    @property
    def is_empty(self) -> bool:
        """Whether the text asks for nothing in particular."""
        request = self.request
        names = request.controls or request.prefer or request.exclude or request.candidates is not None
        return not (self.says_count or request.allow_seen or names)


class Reader(ABC):
    """Reads texts as requests about one catalogue."""

    @abstractmethod
    def reading(self, sentence: str, *, count: int = 10) -> Reading:
        """Return what a text is understood as.

        Args:
            sentence: one or more sentences.
            count: length of the list where the text says none.

        Raises:
            RequestError: the text is longer than 20,000 characters, or asks for a list of no or of more than
                1,000 items.
        """

    def read(self, sentence: str) -> tuple[Request, list[str]]:
        """Return the request that a text makes, and the words that could not be placed; see `reading`."""
        reading = self.reading(sentence)
        return reading.request, reading.unplaced


def check_length(sentence: str) -> None:
    """Refuse a text that is too long to be read.

    Raises:
        RequestError: it has more than 20,000 characters.
    """
    if len(sentence) > _LONGEST:
        raise RequestError(
            f"The text has {len(sentence):,} characters; a request in words may have {_LONGEST:,}. "
            "Shorten it, or send the request as JSON."
        )
