"""What the catalogue says of items, as vectors for sequence models, and what these say of an item's company.

Legend: N items, K fields, E width of text vectors, D width of item vectors.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from torch import Tensor

from steerec.config import Config
from steerec.data.catalog import Catalog
from steerec.data.download import cache_dir
from steerec.items.text import item_texts
from steerec.items.vectors import item_vectors
from steerec.items.words import word_vectors
from steerec.recommend.sequences.attributes import attribute_tables

Floats = NDArray[np.float32]
_RIDGE = 10.0


class TextConfig(Config):
    """How a sequence model reads what the catalogue says of items."""

    categories: bool = False
    """Whether category columns are read beside the text."""
    ids: bool = True
    """Whether items that were seen in training have a learned vector beside that of their text."""
    encoder: Literal["minilm", "words"] = "minilm"
    """MiniLM's sentence vectors (the extra steerec[text]), or the words that items share, without a model."""
    id_dropout: float = pydantic.Field(0.2, ge=0, lt=1)
    """Share of the items that a training step reads by text alone, so that text learns to stand for items
    without a learned vector (Volkovs et al. 2017, DropoutNet)."""


class Given(NamedTuple):
    """What the catalogue says of items."""

    table: Tensor
    """(N, E) vectors of all fields, one behind the other."""
    widths: Tensor
    """(K,) int64 widths of the fields: text, then each category column."""


def given_vectors(catalog: Catalog, config: TextConfig) -> Given:
    """Return the vectors of items by text and category columns, each field as `text_table` scales it.

    Args:
        catalog: N items.
        config: which fields, and how text is read.

    Raises:
        SourceError: MiniLM is asked for and not installed.
    """
    tables = [text_table(catalog, config.encoder)]
    if config.categories:
        tables += [_centred(table) for table in attribute_tables(catalog).values()]
    widths = [table.shape[1] for table in tables]
    return Given(torch.from_numpy(np.concatenate(tables, axis=1)), torch.tensor(widths))


def text_table(catalog: Catalog, encoder: Literal["minilm", "words"]) -> Floats:
    """Return the text vectors of a catalogue, centred, of mean square length 1.

    Sentence vectors of one catalogue all point somewhat the same way; without that they tell items apart.

    Args:
        catalog: N items.
        encoder: see `TextConfig`.

    Returns:
        (N, E).

    Raises:
        SourceError: MiniLM is asked for and not installed.
    """
    if encoder == "minilm":
        vectors = item_vectors(catalog, cache_dir() / "text")
    else:
        vectors = word_vectors(item_texts(catalog))
    return _centred(vectors)


def _centred(vectors: Floats) -> Floats:
    """Subtract the mean, and scale to mean square length 1; (N, E) -> (N, E)."""
    centred = vectors - vectors.mean(axis=0)
    length = np.sqrt(np.square(centred).sum(axis=1).mean())
    return np.asarray(centred / (length if length > 0 else 1.0), np.float32)


def fit_to(vectors: Floats, table: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return W, (E, D), with table W close to vectors, by ridge regression over the items that are known.

    Args:
        vectors: (N, D), such as the spectrum of the log.
        table: (N, E) text vectors.
        known: (N,) items of which the log says something.
    """
    text, wanted = table[known].astype(np.float64), vectors[known].astype(np.float64)
    gram = text.T @ text + _RIDGE * np.eye(text.shape[1])
    return np.asarray(np.linalg.solve(gram, text.T @ wanted), np.float32)
