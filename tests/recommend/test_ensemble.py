"""Weighted sums of recommenders: the grid, the choice, and members of weight zero."""

from __future__ import annotations

import numpy as np
import pytest
from recommender_worlds import SMALL, world_split
from scipy.special import log_softmax

from steerec.data.split import Split
from steerec.metrics.ranking import history_mask
from steerec.recommend.ease import EASE
from steerec.recommend.ensemble import Ensemble, EnsembleConfig, weight_grid
from steerec.recommend.floor import Floor
from steerec.recommend.item_knn import ItemKNN
from steerec.recommend.popularity import Popularity
from steerec.recommend.profile import standardise
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.validation import Validation


def test_grid_is_the_whole_simplex() -> None:
    grid = [tuple(weights) for weights in weight_grid(3, 4)]
    assert len(grid) == len(set(grid)) == 15  # (4 + 2 choose 2)
    assert all(sum(weights) == pytest.approx(1.0) and min(weights) >= 0 for weights in grid)


@pytest.mark.parametrize("normalise", ["standardise", "log_softmax"])
def test_choice_is_the_best_of_the_grid(split: Split, normalise: str) -> None:
    members = [ItemKNN().fit(split), EASE().fit(split)]
    ensemble = Ensemble(EnsembleConfig(normalise=normalise, parts=3), members).fit(split)
    validation = Validation.of(split)
    apart = history_mask(validation.histories, len(split.catalog))
    first, second = (
        standardise(s, apart) if normalise == "standardise" else log_softmax(s.astype(np.float64), axis=1)
        for s in (member.scores(validation.histories) for member in members)
    )
    values = {w: validation.metrics(w * first + (1 - w) * second)["ndcg@10"] for w in (0, 1 / 3, 2 / 3, 1)}
    best = validation.metrics(ensemble.scores(validation.histories))["ndcg@10"]
    assert best == pytest.approx(max(values.values()), abs=2e-3)
    assert sum(ensemble.settings.values()) == pytest.approx(1.0)
    assert list(ensemble.settings) == ["0-item-knn", "1-ease"]


def test_is_no_worse_than_its_members_on_validation(split: Split) -> None:
    members = [Popularity().fit(split), Floor().fit(split)]
    ensemble = Ensemble(members=members).fit(split)
    validation = Validation.of(split)
    values = [validation.metrics(r.scores(validation.histories))["ndcg@10"] for r in (ensemble, *members)]
    assert values[0] >= max(values[1:]) - 1e-9


def test_fitted_members_are_not_fitted_again(split: Split) -> None:
    member = EASE().fit(split)
    weights = member._weights
    Ensemble(members=[member, Popularity()]).fit(split)
    assert member._weights is weights


def test_a_longer_log_reaches_the_members_and_the_weights() -> None:
    early, late = world_split(num_users=60), world_split(num_users=150)
    members = [EASE().fit(early), Popularity().fit(early)]
    ensemble = Ensemble(members=members).fit(early).fit_partial(late)
    anew = Ensemble(members=[EASE(), Popularity()]).fit(late)
    assert np.array_equal(ensemble.scores([[1, 2], []]), anew.scores([[1, 2], []]))
    assert ensemble.settings == anew.settings


def test_members_that_go_on_learn_from_what_is_new_only() -> None:
    split = world_split(num_users=60)
    assert split.times is not None
    since = int(np.quantile(np.concatenate(split.times), 0.9))
    alone = SequenceModel(SMALL).fit(split).fit_partial(split, since=since)
    both = Ensemble(members=[SequenceModel(SMALL), Popularity()])
    both.fit(split).fit_partial(split, since=since)
    assert both._members is not None
    assert np.array_equal(both._members[0].scores([[1, 2]]), alone.scores([[1, 2]]))


def test_a_member_of_weight_zero_is_not_asked(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(members=[Floor().fit(split), Popularity().fit(split)]).fit(split)
    ensemble._weights = np.array([1.0, 0.0])

    def fail(*_: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(Popularity, "_scores", fail)
    assert ensemble.scores([[1, 2]]).shape == (1, len(split.catalog))
