"""STAR's score against its formula, and the share that validation chooses."""

from __future__ import annotations

import numpy as np
import pytest
from recommender_worlds import hand_split, world_split

from steerec.recommend.item_knn import cosine_neighbours
from steerec.recommend.sequences.text import text_table
from steerec.recommend.star import Star, StarConfig
from steerec.recommend.validation import Validation


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_score_is_the_formula(share: float) -> None:
    split = hand_split([[0, 1, 2, 3], [1, 2, 4], [0, 4, 3, 1]], 6)
    star = Star(StarConfig(encoder="words", shares=(share,), decay=0.7, recent=3)).fit(split)
    text = text_table(split.catalog, "words")
    unit = text / np.maximum(np.linalg.norm(text, axis=1, keepdims=True), 1e-12)
    together = cosine_neighbours(split.train, 6, 6, 0.0).toarray()
    history = [4, 1, 2, 3]  # 4 is too old to count
    expected = np.zeros(6)
    for age, item in enumerate([3, 2, 1]):
        expected += 0.7**age * (share * unit @ unit[item] + (1 - share) * together[item])
    assert star.scores([history])[0] == pytest.approx(expected / 3, abs=1e-5)


def test_the_share_is_the_best_on_validation() -> None:
    split = world_split()
    star = Star(StarConfig(encoder="words", shares=(0.0, 0.5, 1.0))).fit(split)
    validation = Validation.of(split)
    values = {}
    for share in (0.0, 0.5, 1.0):
        one = Star(StarConfig(encoder="words", shares=(share,))).fit(split)
        values[share] = validation.of_scorer(one.scores)["ndcg@10"]
    assert star.settings["share"] == max(values, key=lambda share: values[share])
