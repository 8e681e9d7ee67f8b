"""Two readers and who is believed: patterns where they are sure and the model is not, else the model.

The floor is exact on the plain English it was written for and does not know when it is elsewhere; the model
knows how sure it is. Where both understand the same there is nothing to decide.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steerec.config import fingerprint
from steerec.data.catalog import Catalog
from steerec.errors import RequestError
from steerec.items.vectors import installed_embedder
from steerec.understand.keyword import KeywordReader
from steerec.understand.lines.schema import CLOSED, ORDERED
from steerec.understand.model.batches import Embed
from steerec.understand.model.network import ReaderNetwork
from steerec.understand.model.training import load_network
from steerec.understand.model_reader import ModelReader
from steerec.understand.reading import Reader, Reading

DOUBT = 0.5
"""Probability of the model's least sure token below which the floor is believed, if it left nothing unplaced;
chosen on `tests/understand/development`."""


class HybridReader(Reader):
    """Reads with patterns and with a model, and returns one of the two readings."""

    def __init__(self, floor: KeywordReader, model: ModelReader, *, doubt: float = DOUBT) -> None:
        """Take two readers of one catalogue.

        Args:
            floor: keywords, patterns, neighbours.
            model: a trained network under the grammar.
            doubt: see `DOUBT`; 0 always believes the model, 1 the floor wherever it knows every word, even
                if it found that nothing is asked.
        """
        self.floor, self.model, self.doubt = floor, model, doubt

    def reading(self, sentence: str, *, count: int = 10) -> Reading:
        """Return what a text is understood as.

        Args:
            sentence: one or more sentences.
            count: length of the list where the text says none.

        Raises:
            RequestError: the text is longer than 20,000 characters, or both readers find that it asks for a
                list of no or of more than 1,000 items.
        """
        try:
            plain = self.floor.reading(sentence, count=count)
        except RequestError:  # too long for both, or a count that the model may read otherwise
            return self.model.reading(sentence, count=count)
        try:
            scored = self.model.scored(sentence, count=count)
        except RequestError:
            if plain.says_count:
                return plain
            raise
        if self.prefers_floor(plain, scored.form.least):
            return plain
        reading = _quoted(scored.reading, plain)
        if reading.is_empty and plain.is_empty:  # what neither can place is never dropped
            unplaced = dict.fromkeys((*reading.unplaced, *plain.unplaced))
            return reading._replace(unplaced=list(unplaced))
        return reading

    @property
    def for_turns(self) -> HybridReader:
        """The same for turns of a conversation, which no model saw: the floor where it knows all words."""
        return HybridReader(self.floor, self.model, doubt=1.0)

    def prefers_floor(self, plain: Reading, least: float) -> bool:
        """Whether the floor's reading is believed over the model's.

        Args:
            plain: the floor's.
            least: probability of the model's least sure token.
        """
        return not plain.unplaced and (not plain.is_empty or self.doubt == 1) and least <= self.doubt


def _quoted(reading: Reading, other: Reading) -> Reading:
    """Return a reading whose controls without a quote have that of an equal control of another reading."""
    known = dict(zip(map(str, other.request.controls), other.quotes, strict=False))
    pairs = zip(reading.request.controls, reading.quotes, strict=False)
    quotes = [quote if quote is not None else known.get(str(control)) for control, quote in pairs]
    return reading._replace(quotes=tuple(quotes))


class Readers:
    """The readers of one run: its networks are loaded once, whatever becomes of the catalogue."""

    def __init__(self, folder: Path | None) -> None:
        """Load nothing yet.

        Args:
            folder: of a trained reader; None: keywords and patterns alone.
        """
        self.folder = folder
        self._lock = threading.Lock()
        self._last: tuple[str, KeywordReader | HybridReader] | None = None

    def of(self, catalog: Catalog) -> KeywordReader | HybridReader:
        """Return the best reader there is for a catalogue; the last one where nothing that it reads changed.

        Args:
            catalog: N items.

        Raises:
            DataError: the folder holds no reader.
            SourceError: the model needs MiniLM, and it is not installed.
        """
        words = vocabulary(catalog)
        with self._lock:
            if self._last is None or self._last[0] != words:
                self._last = words, self._made(catalog)
            return self._last[1]

    def _made(self, catalog: Catalog) -> KeywordReader | HybridReader:
        floor: Any = KeywordReader(catalog, self._embed)
        if self._network is None:
            return floor  # type: ignore[no-any-return]
        return HybridReader(floor, ModelReader(*self._network, catalog, self._embed))

    @cached_property
    def _network(self) -> tuple[ReaderNetwork, Path] | None:
        return None if self.folder is None else load_network(self.folder)

    @cached_property
    def _embed(self) -> Any:
        embed = installed_embedder()
        return None if embed is None else _OneAtATime(embed)


class _OneAtATime:
    """Text vectors for several threads: the tokenizer of MiniLM bears one at a time.

    A new catalogue is made ready while sentences are still read under the old one.
    """

    def __init__(self, embed: Embed) -> None:
        self._embed, self._lock = embed, threading.Lock()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._lock:
            return self._embed(texts)


def vocabulary(catalog: Catalog) -> str:
    """Return a hash of all that a reader takes from a catalogue: names, values, and the ranges of columns.

    Stock, and prices between the least and the greatest, are no part of it.
    """
    values = {name: catalog.values(name) for name, kind in catalog.columns.items() if kind in CLOSED}
    ordered = [catalog.frame[name] for name, kind in catalog.columns.items() if kind in ORDERED]
    ranges = {one.name: [str(one.dtype), str(one.min()), str(one.max())] for one in ordered}
    names = [catalog.item_ids, catalog.titles, catalog.displays, catalog.popularity.tolist()]
    return fingerprint([catalog.noun, list(catalog.columns.items()), values, ranges, names])


def open_reader(catalog: Catalog, folder: Path | None) -> KeywordReader | HybridReader:
    """Return the best reader there is for a catalogue; arguments and errors as in `Readers`."""
    return Readers(folder).of(catalog)
