"""Which words of a sentence a control was read from: those that its line points at, and their clause.

A number or a value that stands in the sentence more than once belongs to the line whose other words are
nearest; one that more lines point at than it has places says nothing about any of them. A line that is left,
such as one whose value no word spells, came from a clause that no other control accounts for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from steerec.understand.lines.choices import Offer
from steerec.understand.lines.line_form import Token
from steerec.understand.quotes import Span, clauses

Nearness = Callable[[Sequence[str], Sequence[str]], NDArray[np.float32]]
"""V names of values and P pieces of a sentence -> (V, P) cosines."""
MEANT = 0.2
"""Least cosine of a clause and a value that no word of it spells, for the clause to be quoted for it where
others might be."""


def quoted_spans(written: Sequence[Sequence[Token]], offer: Offer, nearness: Nearness) -> list[Span | None]:
    """Return where the sentence says each control.

    Args:
        written: the tokens of each control's line.
        offer: the sentence and what could be written about it.
        nearness: compares clauses with values that no word spells.

    Returns:
        Characters of the offer's sentence for each control, whole clauses; None where no words can be told.
    """
    spans = _own_spans(written, offer)
    pieces = clauses(offer.sentence)
    used: set[Span] = set()
    found: list[Span | None] = [None] * len(written)
    # numbers first: they say more surely than a value which of several clauses is meant
    for place in sorted(range(len(written)), key=lambda place: not _has_number(written[place], spans)):
        options = [spans[token] for token in dict.fromkeys(written[place]) if token in spans]
        if options:
            chosen = _closest(options, used)
            used.update(chosen)
            found[place] = _clause(chosen, pieces)
    rest = [place for place, span in enumerate(found) if span is None]
    taken = [span for span in found if span is not None]
    free = [one for one in pieces if not any(a < one[1] and one[0] < b for a, b in taken)]
    values = [[str(token.value[1]) for token in written[place] if token.kind == "value"] for place in rest]
    texts = [offer.sentence[a:b] for a, b in free]
    for row, column in _left_over(values, texts, nearness):
        found[rest[row]] = free[column]
    return found


def _own_spans(written: Sequence[Sequence[Token]], offer: Offer) -> dict[Token, tuple[Span, ...]]:
    """Return where tokens stand in the sentence, without those that too many lines point at."""
    lines = Counter(token for tokens in written for token in set(tokens))
    return {
        choice.token: choice.spans for choice in offer.choices if 0 < lines[choice.token] <= len(choice.spans)
    }


def _has_number(tokens: Sequence[Token], spans: dict[Token, tuple[Span, ...]]) -> bool:
    return any(token.kind in ("number", "share") and token in spans for token in tokens)


def _closest(options: Sequence[Sequence[Span]], used: set[Span]) -> list[Span]:
    """Return one span of each token: unused ones first, then those that lie closest together."""
    tries = []
    for anchor in min(options, key=len):
        chosen = [min(own, key=lambda span: (span in used, abs(span[0] - anchor[0]))) for own in options]
        starts = [start for start, _ in chosen]
        tries.append((sum(span in used for span in chosen), max(starts) - min(starts), chosen))
    return min(tries)[2]


def _clause(chosen: Sequence[Span], pieces: Sequence[Span]) -> Span:
    """Return the clauses that some spans lie in, from the first to the last."""
    start, end = min(start for start, _ in chosen), max(end for _, end in chosen)
    inside = [piece for piece in pieces if piece[0] < end and start < piece[1]]
    return min([start, *(a for a, _ in inside)]), max([end, *(b for _, b in inside)])


def _left_over(
    values: Sequence[Sequence[str]], texts: Sequence[str], nearness: Nearness
) -> list[tuple[int, int]]:
    """Return pairs of lines, by the values they name, and clauses, each once, the nearest pairs first."""
    if not texts or not any(values):
        return []
    if len(texts) == len(values) == 1:  # nothing else can have said it
        return [(0, 0)]
    names = [(row, name) for row, own in enumerate(values) for name in own]
    near = nearness([name for _, name in names], texts)  # (V, P)
    tries = sorted(
        ((float(-near[place, column]), row, column) for place, (row, _) in enumerate(names)
         for column in range(len(texts)) if near[place, column] >= MEANT),
    )  # fmt: skip
    found: list[tuple[int, int]] = []
    for _, row, column in tries:
        if all(row != other and column != taken for other, taken in found):
            found.append((row, column))
    return found
