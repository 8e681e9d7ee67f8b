"""Popularity, item-kNN, EASE and transitions against values worked out by hand or written differently."""

from __future__ import annotations

import numpy as np
import pytest
from recommender_worlds import hand_split

from steerec.errors import ConfigError
from steerec.recommend.ease import EASE, MAX_ITEMS, EASEConfig, ease_weights
from steerec.recommend.item_knn import ItemKNN, ItemKNNConfig, cosine_neighbours
from steerec.recommend.popularity import Popularity
from steerec.recommend.profile import recency_profile, standardise
from steerec.recommend.transitions import normalised_transitions, transition_counts

SEQUENCES = [np.array([0, 1]), np.array([1, 0, 2]), np.array([2, 1])]


def test_popularity_ranks_by_interactions_with_ties() -> None:
    scores = Popularity().fit(hand_split([[1, 2], [1], [1, 0]], 4)).scores([[3]])[0]
    assert np.argsort(-scores, kind="stable").tolist() == [1, 0, 2, 3]
    assert scores[0] == scores[2]


def test_profile_by_hand() -> None:
    profile = recency_profile([np.array([3, 1]), np.array([], dtype=int), np.array([2, 0, 2])], 4, 0.5)
    # The repeated item 2 keeps the weight of its latest occurrence; item 0 is one item older.
    assert profile.toarray().tolist() == [[0, 1, 0, 0.5], [0, 0, 0, 0], [0.5, 0, 1, 0]]


def test_standardise() -> None:
    result = standardise(np.array([[1.0, 3.0], [5.0, 5.0]]))
    assert result.tolist() == [[-1.0, 1.0], [0.0, 0.0]]


def test_standardise_leaves_items_apart() -> None:
    scores = np.array([[1.0, 3.0, -16.0], [2.0, 4.0, 4.0]])
    apart = np.array([[False, False, True], [True, True, True]])
    result = standardise(scores, apart)
    assert result[0].tolist() == [-1.0, 1.0, -18.0]
    assert np.allclose(result[1], standardise(scores[1:])[0])  # everything apart: over everything


def test_cosine_by_hand() -> None:
    # Users {0,1}, {0,1,2}, {1,2}: n = 2, 3, 2; together 01: 2, 02: 1, 12: 2.
    matrix = cosine_neighbours(SEQUENCES, 3, num_neighbours=2, shrinkage=1.0).toarray()
    s01, s02, s12 = 2 / (np.sqrt(6) + 1), 1 / (2 + 1), 2 / (np.sqrt(6) + 1)
    assert matrix == pytest.approx(np.array([[0, s01, s02], [s01, 0, s12], [s02, s12, 0]]))


def test_neighbours_are_cut_with_ties_to_the_lower_index() -> None:
    matrix = cosine_neighbours(SEQUENCES, 3, num_neighbours=1, shrinkage=0.0).toarray()
    assert [np.flatnonzero(row).tolist() for row in matrix] == [[1], [0], [1]]


def test_item_knn_scores_by_hand() -> None:
    config = ItemKNNConfig(num_neighbours=5, shrinkage=0.0, profile_decay=0.5)
    knn = ItemKNN(config).fit(hand_split([s.tolist() for s in SEQUENCES], 3))
    s01 = s12 = 2 / np.sqrt(6)
    # History 0 then 1: item 0 weighs a half, item 1 one. Without validation points the scale stays 1.
    assert knn.scale == 1.0
    assert knn.scores([[0, 1]])[0] == pytest.approx([s01, s01 / 2, 0.5 / 2 + s12])
    assert knn.similar(1, 2) == [(0, pytest.approx(s01)), (2, pytest.approx(s12))]


def test_ease_solves_each_column_as_a_ridge_regression() -> None:
    """Independent closed form: column j regresses item j on all other items, without the trick of P."""
    rng = np.random.default_rng(1)
    sequences = [rng.choice(9, size=rng.integers(1, 6), replace=False) for _ in range(40)]
    interactions = np.zeros((40, 9))
    for user, items in enumerate(sequences):
        interactions[user, items] = 1.0
    weights = ease_weights(sequences, 9, regularisation=3.0)
    for item in range(9):
        others = [i for i in range(9) if i != item]
        design = np.vstack([interactions[:, others], np.sqrt(3.0) * np.eye(8)])
        answer = np.concatenate([interactions[:, item], np.zeros(8)])
        column = np.linalg.lstsq(design, answer, rcond=None)[0]
        assert weights[others, item] == pytest.approx(column, abs=1e-6)
        assert weights[item, item] == 0.0


def test_ease_scores_are_profile_times_weights() -> None:
    ease = EASE(EASEConfig(regularisation=1.0, profile_decay=1.0)).fit(
        hand_split([s.tolist() for s in SEQUENCES], 3)
    )
    weights = ease_weights(SEQUENCES, 3, 1.0)
    assert ease.scores([[0, 2]])[0] == pytest.approx(weights[0] + weights[2])


def test_ease_refuses_a_catalogue_too_large_for_an_inverse() -> None:
    with pytest.raises(ConfigError, match="at most 20,000 items fit"):
        ease_weights([np.array([0])], MAX_ITEMS + 1, 1.0)


def test_transitions_by_hand() -> None:
    sequences = [np.array([0, 1, 2]), np.array([0, 2]), np.array([1])]
    counts = transition_counts(sequences, 3, window=2, decay=0.5).toarray()
    # 0 -> 1 once, 1 -> 2 once, 0 -> 2 once at lag 1 and once at lag 2 (a half).
    assert counts.tolist() == [[0, 1, 1.5], [0, 0, 1], [0, 0, 0]]
    assert transition_counts(sequences, 3, window=1, decay=0.5)[0, 2] == 1.0


def test_normalised_transitions_by_hand() -> None:
    counts = transition_counts([np.array([0, 1, 2]), np.array([0, 2])], 3, window=1, decay=1.0)
    # Out of 0: 2, of 1: 1; into 1: 1, into 2: 2.
    conditional = normalised_transitions(counts, shrinkage=1.0, popularity_power=0.0).toarray()
    assert conditional == pytest.approx(np.array([[0, 1 / 3, 1 / 3], [0, 0, 1 / 2], [0, 0, 0]]))
    lift = normalised_transitions(counts, shrinkage=1.0, popularity_power=1.0).toarray()
    assert lift == pytest.approx(np.array([[0, 1 / 6, 1 / 9], [0, 0, 1 / 6], [0, 0, 0]]))
