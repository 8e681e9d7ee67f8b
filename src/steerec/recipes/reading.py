"""A model that reads requests in words, beside the cheapest recommender."""

from __future__ import annotations

from steerec.recipes.conventional import floor
from steerec.recipes.paper import Paper
from steerec.run_config import RunConfig
from steerec.understand.model.training import ReaderTrainingConfig


def reader() -> RunConfig:
    """The training-free floor as recommender, and a pointing reader over MiniLM trained on phrasings."""
    return floor().replace(
        recipe="reader",
        paper=Paper(
            systems=(),
            title="Neural Semantic Parsing with Type Constraints for Semi-Structured Tables",
            authors="Krishnamurthy, Dasigi, Gardner",
            venue="EMNLP 2017",
            url="https://aclanthology.org/D17-1160",
            state="runs",
            reported="another task: questions about tables",
            ours="hand-written sentences read right, model: films 82.1 %, places 74.0 %, products 70.8 % "
            "(keywords and patterns 63.5 / 60.5 / 63.2 %); 2026-11-28, commit 6549bd5, 40 min on one thread",
            sources={
                "decoding": "only what the grammar and the types of the columns allow: section 3.2",
                "pointing": "Vinyals et al. 2015, arXiv 1506.03134",
                "encoder": "MiniLM: Wang et al. 2020, arXiv 2002.10957",
                "data": "sentences written along with their logical forms: Wang, Berant, Liang, ACL 2015",
            },
            departures=(
                "lines of a request instead of lambda terms; a sentence, not a table, is linked to values",
                "values are known by text vectors, so a new catalogue needs no new weights",
                "trained on phrasings alone: no annotated sentence is ever seen",
            ),
        ),
        reader=ReaderTrainingConfig(),
    )
