"""Cross-fitting: nobody is scored by a model that has seen him; memorisation is noticed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steerec.config import Config
from steerec.data.split import Split
from steerec.errors import ConfigError
from steerec.recommend.crossfit import CrossFit, check_memorisation, draw_folds, split_of_users
from steerec.recommend.ease import EASE
from steerec.recommend.floor import Floor
from steerec.recommend.recommender import Arrays, Recommender


class Rote(Recommender):
    """Recommends what followed the same history in training, and nothing else."""

    name = "rote"
    config_type = Config

    def _fit(self, split: Split, folder: Path | None) -> None:
        self.known = {tuple(s[:-1].tolist()): int(s[-1]) for s in split.train if len(s)}

    def _scores(self, histories: list[np.ndarray]) -> np.ndarray:
        scores = np.zeros((len(histories), len(self.catalog)), np.float32)
        for row, history in enumerate(histories):
            if (item := self.known.get(tuple(history.tolist()))) is not None:
                scores[row, item] = 1.0
        return scores

    def _state(self) -> Arrays:
        return {}

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        del state, settings


def test_folds_are_even_and_fixed_by_the_seed() -> None:
    folds = draw_folds(101, 4, seed=2)
    assert sorted(np.bincount(folds).tolist()) == [25, 25, 25, 26]
    assert np.array_equal(folds, draw_folds(101, 4, seed=2))
    assert not np.array_equal(folds, draw_folds(101, 4, seed=3))


def test_split_of_users_keeps_their_rows(split: Split) -> None:
    part = split_of_users(split, [5, 2])
    assert part.users == (split.users[5], split.users[2])
    assert np.array_equal(part.train[1], split.train[2])
    assert part.points("test")[0].target == int(split.sequences[5][-1])


def test_folds_that_were_fitted_before_a_kill_are_kept(split: Split, tmp_path: Path) -> None:
    fitted = 0

    def build() -> EASE:
        nonlocal fitted
        fitted += 1
        if fitted == 3:
            raise KeyboardInterrupt
        return EASE()

    with pytest.raises(KeyboardInterrupt):
        CrossFit.fit(build, split, num_folds=3, folder=tmp_path)
    resumed = CrossFit.fit(build, split, num_folds=3, folder=tmp_path)
    assert fitted == 4
    histories, users = list(split.train), range(len(split.users))
    unbroken = CrossFit.fit(EASE, split, num_folds=3).scores(histories, list(users))
    assert np.allclose(resumed.scores(histories, list(users)), unbroken, atol=1e-6)


def test_each_user_is_scored_by_the_model_that_has_not_seen_him(split: Split) -> None:
    cross = CrossFit.fit(EASE, split, seed=1)
    users = list(range(len(split.users)))
    scores = cross.scores(split.train, users)
    for fold in (0, 1):
        others = np.flatnonzero(cross.folds != fold)
        model = EASE().fit(split_of_users(split, others))
        mine = np.flatnonzero(cross.folds == fold)
        assert np.array_equal(scores[mine], model.scores([split.train[user] for user in mine]))


def test_saved_equals_loaded(split: Split, tmp_path: Path) -> None:
    cross = CrossFit.fit(Floor, split, seed=1)
    cross.save_pretrained(tmp_path)
    loaded = CrossFit.from_pretrained(tmp_path)
    users = [0, 1, 2, 3]
    histories = [split.train[user] for user in users]
    assert np.array_equal(loaded.scores(histories, users), cross.scores(histories, users))


def test_folds_must_fit_the_users(split: Split) -> None:
    with pytest.raises(ConfigError, match="needs 2 to 150 folds"):
        CrossFit.fit(EASE, split, num_folds=1)


def test_rote_learning_is_noticed_and_cross_fitting_heals_it(split: Split) -> None:
    with pytest.warns(UserWarning, match="remembers its training data"):
        found = check_memorisation(Rote().fit(split), split)
    assert found.train > 0.9
    assert found.valid < 0.05
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not check_memorisation(CrossFit.fit(Rote, split), split).is_large


def test_an_honest_model_passes(split: Split) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = check_memorisation(CrossFit.fit(Floor, split), split)
    assert found.train == pytest.approx(found.valid, abs=0.2)
