"""A small catalogue with awkward titles, and tiny models over it."""

from __future__ import annotations

import polars as pl

from steerec.data.catalog import Catalog
from steerec.llm.language_model import LanguageModel
from steerec.llm.tiny import TinyConfig, build_tiny

TITLES = (
    "Usual Suspects, The",
    "Schindler's List",
    "Heat",
    "Heat",
    "Été à Óbidos",
    "Seven (Se7en)",
    "8½",
    "M",
)
YEARS = (1995, 1993, 1986, 1995, 2001, 1995, 1963, None)
PHRASINGS = ("Recommend 10 films for me.", "Only from 'Heat (1995)', please.", "No more than 3 comedies.")


def shelf() -> Catalog:
    frame = pl.DataFrame(
        {
            "item_id": [str(i) for i in range(len(TITLES))],
            "title": TITLES,
            "year": YEARS,
            "categories": [["Drama"]] * len(TITLES),
        }
    )
    return Catalog.from_frame(frame, noun="films")


def tiny_shape(**changes: object) -> TinyConfig:
    shape = {
        "num_words": 300,
        "num_slots": 5,
        "hidden_size": 16,
        "num_layers": 2,
        "num_heads": 2,
        "intermediate_size": 24,
        "copy_dim": 4,
        "context_length": 96,
        "initializer_range": 0.5,
    }
    return TinyConfig(**{**shape, **changes})


def tiny(**changes: object) -> LanguageModel:
    return build_tiny(shelf(), PHRASINGS, tiny_shape(**changes))
