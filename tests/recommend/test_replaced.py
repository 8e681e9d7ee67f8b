"""Replaced items: guesses take the place of hidden ones, and are found again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from recommender_worlds import SMALL, world_split

from steerec.loop import TrainingConfig
from steerec.networks.sequence import TransformerConfig
from steerec.recommend.popularity import Popularity
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.sequences.replaced import replace_hidden
from steerec.recommend.sequences.tasks import ReplacedItems, lesson
from steerec.recommend.validation import Validation

REPLACED = SMALL.replace(
    encoder=TransformerConfig(num_layers=1, dropout=0.1, mask="bidirectional"),
    task=ReplacedItems(),
    training=TrainingConfig(max_steps=150, learning_rate=5e-3, eval_steps=50, logging_steps=1),
)


def test_a_right_guess_is_no_replacement() -> None:
    given = lesson([np.arange(6)], None, ReplacedItems(last_share=0.0), 6, np.random.default_rng(0))
    guesses = given.targets.clone()
    guesses[0] = (guesses[0] + 1) % 6
    batch, is_other = replace_hidden(given.batch, given.places, guesses, given.targets)
    expected = np.arange(6)
    expected[given.places[0]] = guesses[0]
    assert batch.items.tolist() == expected.tolist()
    assert is_other.nonzero()[:, 0].tolist() == [int(given.places[0])]


def test_guesses_are_found_better_than_by_saying_no_and_the_next_item_is_learned(tmp_path: Path) -> None:
    split = world_split()
    model = SequenceModel(REPLACED).fit(split, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [line["sequence/detection_loss"] for line in lines if "sequence/detection_loss" in line]
    assert losses[0] == pytest.approx(np.log(2), abs=0.1)
    # Three in ten are hidden: who always says "no" is wrong for nearly as many.
    always_no = -(0.7 * np.log(0.7) + 0.3 * np.log(0.3))
    assert np.mean(losses[-30:]) < always_no
    validation = Validation.of(split)
    ours, popular = (validation.of_scorer(one.scores)["ndcg@10"] for one in (model, Popularity().fit(split)))
    assert ours > 1.5 * popular
    loaded = type(model).from_pretrained
    model.save_pretrained(tmp_path / "saved")
    again = loaded(tmp_path / "saved", split.catalog)
    assert np.array_equal(again.scores([[1, 2, 3]]), model.scores([[1, 2, 3]]))
    assert torch.is_tensor(again.network.detect.weight)  # type: ignore[union-attr]
