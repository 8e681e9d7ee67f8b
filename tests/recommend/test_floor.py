"""The training-free floor: its formula, its grid, and what it finds in a world with planted rules."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from steerec.data.split import Split
from steerec.recommend.ease import ease_weights
from steerec.recommend.floor import Floor, FloorConfig
from steerec.recommend.item_knn import cosine_neighbours
from steerec.recommend.popularity import Popularity
from steerec.recommend.transitions import normalised_transitions, transition_counts
from steerec.recommend.validation import Validation

ONE_POINT = {
    "regularisations": (50.0,),
    "profile_decays": (0.9,),
    "popularity_powers": (0.5,),
    "transition_decays": (0.7,),
    "transition_weights": (2.0,),
}


def _expected(split: Split, history: np.ndarray, similarities: np.ndarray) -> np.ndarray:
    """The formula, one user and one item at a time."""
    counts = transition_counts(split.train, len(split.catalog), window=20, decay=0.9)
    transitions = normalised_transitions(counts, shrinkage=10.0, popularity_power=0.5).toarray()
    left, right = np.zeros(len(split.catalog)), np.zeros(len(split.catalog))
    for age, item in enumerate(reversed(history.tolist())):
        left += 0.9**age * similarities[item]
        right += 0.7**age * transitions[item]
    return (left - left.mean()) / left.std() + 2.0 * (right - right.mean()) / right.std()


def test_formula_with_ease(split: Split) -> None:
    floor = Floor(FloorConfig(**ONE_POINT)).fit(split)
    history = split.points("valid")[0].history
    expected = _expected(split, history, ease_weights(split.train, len(split.catalog), 50.0))
    assert floor.scores([history])[0] == pytest.approx(expected * floor.scale, abs=1e-4)


def test_formula_with_cosine(split: Split) -> None:
    config = FloorConfig(**ONE_POINT, similarity="cosine", shrinkages=(5.0,), num_neighbours=7)
    floor = Floor(config).fit(split)
    history = split.points("valid")[1].history
    similarities = cosine_neighbours(split.train, len(split.catalog), 7, 5.0).toarray()
    assert floor.scores([history])[0] == pytest.approx(
        _expected(split, history, similarities) * floor.scale, abs=1e-4
    )


def test_choice_is_the_best_of_all_single_points(split: Split) -> None:
    config = FloorConfig(
        regularisations=(20.0, 500.0),
        profile_decays=(0.9,),
        popularity_powers=(0.0, 0.5),
        transition_decays=(0.7,),
        transition_weights=(0.1, 1.0),
    )
    chosen = Floor(config).fit(split)
    validation = Validation.of(split)

    def ndcg(floor: Floor) -> float:
        return validation.metrics(floor.scores(validation.histories))["ndcg@10"]

    singles = [
        ndcg(
            Floor(
                config.replace(
                    regularisations=(strength,), popularity_powers=(power,), transition_weights=(weight,)
                )
            ).fit(split)
        )
        for strength, power, weight in itertools.product((20.0, 500.0), (0.0, 0.5), (0.1, 1.0))
    ]
    assert ndcg(chosen) == pytest.approx(max(singles), abs=1e-3)


def test_finds_the_planted_rule(split: Split) -> None:
    validation = Validation.of(split)
    floor, popularity = Floor().fit(split), Popularity().fit(split)
    found = validation.metrics(floor.scores(validation.histories))["ndcg@10"]
    assert found > 2 * validation.metrics(popularity.scores(validation.histories))["ndcg@10"]
