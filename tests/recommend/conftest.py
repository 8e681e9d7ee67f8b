"""One fitted recommender of each name, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from recommender_worlds import small, world_split

from steerec.data.split import Split
from steerec.recommend.recommender import Recommender


@pytest.fixture(scope="session")
def split() -> Split:
    torch.set_num_threads(1)
    return world_split()


@pytest.fixture(scope="session")
def fitted(split: Split) -> Callable[[str], Recommender]:
    """Return a function from name to a fitted recommender, fitted once."""
    known: dict[str, Recommender] = {}

    def get(name: str) -> Recommender:
        if name not in known:
            known[name] = small(name).fit(split)
        return known[name]

    return get
