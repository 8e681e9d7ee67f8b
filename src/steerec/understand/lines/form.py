"""What a model has written about a sentence, made into a reading: words for spots, then the request."""

from __future__ import annotations

from collections.abc import Sequence

from steerec.understand.lines.choices import Offer
from steerec.understand.lines.line_form import END, Token
from steerec.understand.lines.line_request import Lines, read_request
from steerec.understand.lines.schema import Schema


def spell_spots(tokens: Sequence[Token], offer: Offer) -> list[Token]:
    """Return the tokens with `unplaced FROM TO` as `unplaced "words"`, and without the end."""
    spelled: list[Token] = []
    first: int | None = None
    for token in tokens:
        if token.kind != "spot":
            spelled += [token] if token != END else []
        elif first is None:
            first = int(token.value)
        else:
            start, end = offer.spots[first][0], offer.spots[int(token.value)][1]
            spelled.append(Token("words", offer.sentence[start:end]))
            first = None
    return spelled


def read_form(tokens: Sequence[Token], offer: Offer, schema: Schema, *, count: int = 10) -> Lines:
    """Return what a finished form says.

    Raises:
        RequestError: it asks for a list of no or of more than 1,000 items.
    """
    return read_request(spell_spots(tokens, offer), schema.kinds, count=count)


def left_out(tokens: Sequence[Token], offer: Offer) -> list[str]:
    """Return the titles, values, numbers and shares that a sentence spells and a form does not use.

    What a form says of them covers their words; overlapping readings of one word are not missed.
    """
    written = {token for token in tokens if token.kind != "spot"}
    covered = [span for choice in offer.choices if choice.token in written for span in choice.spans]
    spots = [int(token.value) for token in tokens if token.kind == "spot"]
    for first, last in zip(spots[::2], spots[1::2], strict=True):
        covered.append((offer.spots[first][0], offer.spots[last][1]))
    missed: dict[tuple[int, int], str] = {}
    for choice in offer.choices:
        sure = choice.features[0] == 1 and choice.token.kind in ("value", "share", "span", "title")
        number = choice.token.kind == "number" and any(
            any(letter.isdigit() for letter in offer.sentence[a:b]) for a, b in choice.spans
        )
        quoted = choice.token.kind == "title" and (choice.features[4] or choice.features[5])
        if not (number or (sure and (choice.token.kind != "title" or quoted))):
            continue
        for start, end in choice.spans:
            if not any(a < end and start < b for a, b in covered):
                missed[(start, end)] = offer.sentence[start:end]
    inner = {
        one for one in missed for other in missed
        if other != one and other[0] <= one[0] and one[1] <= other[1]
    }  # fmt: skip
    return [text for span, text in sorted(missed.items()) if span not in inner]
