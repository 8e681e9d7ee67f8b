"""On ml-100k's validation items the floor is where it was measured (test items are not looked at here)."""

from __future__ import annotations

from pathlib import Path

import pytest

from steerec.data.source import load_source
from steerec.data.split import make_split
from steerec.recommend.floor import Floor
from steerec.recommend.popularity import Popularity
from steerec.recommend.validation import Validation


@pytest.mark.slow
def test_floor_on_ml_100k(data_dir: Path) -> None:
    split = make_split(load_source("folder", path=data_dir / "ml-100k"))
    validation = Validation.of(split)
    assert len(validation.targets) == 943

    def ndcg(recommender: Floor | Popularity) -> float:
        return validation.metrics(recommender.fit(split).scores(validation.histories))["ndcg@10"]

    assert ndcg(Floor()) == pytest.approx(0.1434, abs=0.002)
    assert ndcg(Popularity()) == pytest.approx(0.0338, abs=0.001)
