"""Small splits with known answers for the tests of recommenders."""

from __future__ import annotations

import numpy as np
import polars as pl

from steerec.data.catalog import Catalog
from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.loop import TrainingConfig
from steerec.networks.sequence import TransformerConfig
from steerec.recommend.ensemble import Ensemble
from steerec.recommend.floor import Floor
from steerec.recommend.recommender import Recommender
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.sequences.recgpt import PromptConfig, RecGPT
from steerec.recommend.star import Star, StarConfig
from steerec.recommend.table import RECOMMENDERS

SMALL = SequenceConfig(
    width=16,
    encoder=TransformerConfig(num_layers=1, dropout=0.1),
    window=12,
    batch_size=32,
    epochs=100,
    training=TrainingConfig(max_steps=60, learning_rate=5e-3, eval_steps=20, logging_steps=1),
)


def hand_split(sequences: list[list[int]], num_items: int) -> Split:
    """Return a split of given sequences, all of it training data."""
    frame = pl.DataFrame(
        {"item_id": [f"i{i}" for i in range(num_items)], "title": [f"Title {i}" for i in range(num_items)]}
    )
    lengths = np.array([len(sequence) for sequence in sequences])
    return Split(
        name="leave_last_out",
        catalog=Catalog.from_frame(frame),
        users=tuple(f"u{u}" for u in range(len(sequences))),
        sequences=tuple(np.array(sequence, dtype=np.int64) for sequence in sequences),
        cut=lengths,
        test_start=lengths,
    )


def world_split(num_users: int = 150, num_items: int = 60) -> Split:
    """Return the leave-last-out split of a synthetic world."""
    return make_split(make_world(num_users=num_users, num_items=num_items, seed=3))


def small(name: str) -> Recommender:
    """Return an unfitted recommender that fits in a second."""
    if name == "star":
        return Star(StarConfig(encoder="words"))
    if name == "sequence":
        return SequenceModel(SMALL)
    if name == "recgpt":
        few = TrainingConfig(max_steps=30, learning_rate=5e-3, eval_steps=15)
        return RecGPT(PromptConfig(model=SMALL.replace(repeats=None), num_prompts=2, training=few))
    if name == "ensemble":
        return Ensemble(members=[Floor(), SequenceModel(SMALL)])
    return RECOMMENDERS[name]()
