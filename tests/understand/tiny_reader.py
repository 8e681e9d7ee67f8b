"""A reader small enough for tests: a random encoder of two layers, words as tokens, vectors from hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from steerec.data.catalog import Catalog
from steerec.understand.model.network import ReaderConfig
from steerec.understand.model.training import ReaderTrainingConfig

WIDTH = 32
WORDS = ("ten", "five", "three", "comedies", "dramas", "horror", "no", "at", "least", "of", "the", "from")


class TinyEncoder:
    """What `train_reader` needs of a text encoder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        shape = {
            "hidden_size": WIDTH,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        }
        BertModel(BertConfig(vocab_size=64, max_position_embeddings=192, **shape)).save_pretrained(folder)
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        vocabulary = {word: place for place, word in enumerate([*special, *WORDS])}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        tokenizer.save(str(folder / "tokenizer.json"))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return embed(texts)


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """(n, WIDTH) unit vectors; equal texts have equal ones."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") for text in texts]
    vectors = np.stack([np.random.default_rng(seed).normal(size=WIDTH) for seed in seeds])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def small_config(steps: int, save_steps: int | None = None) -> ReaderTrainingConfig:
    config = ReaderTrainingConfig(
        network=ReaderConfig(num_decoder_layers=1, num_heads=2, num_frozen_layers=1),
        batch_size=4,
        copies=0,
        num_validation=8,
    )
    training = config.training.replace(
        max_steps=steps, eval_steps=steps, save_steps=save_steps, logging_steps=1, bf16=False
    )
    return config.replace(training=training)


def shelf() -> Catalog:
    """Films with everything a reader may meet: lists, single values, numbers, dates, nulls, series, twins."""
    genres = ["Comedy", "Drama", "Horror", "Sci-Fi", "War"]
    titles = [
        "Star Wars",
        "Star Trek: Generations",
        "Star Trek: Insurrection",
        "Fargo",
        "Heat",
        "Alien",
        "Aliens",
    ]
    titles += ["Batman", "Batman Returns", "The Third Man", "Emma", "Emma"]
    return Catalog.from_frame(
        pl.DataFrame(
            {
                "item_id": [f"i{n}" for n in range(12)],
                "title": titles,
                "year": [1977, 1994, 1998, 1996, 1995, 1979, 1986, 1989, 1992, 1949, 1996, None],
                "categories": [[genres[n % 5], genres[(n * 3 + 1) % 5]] for n in range(12)],
                "studio": ["Orion", "Umbra", "Lumen"] * 4,
                "released": [f"{1970 + 2 * n}-03-05" for n in range(12)],
            }
        ).with_columns(pl.col("released").str.to_date()),
        noun="films",
    )
